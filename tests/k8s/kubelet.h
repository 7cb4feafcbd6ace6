#ifndef TESTS_K8S_KUBELET_H_
#define TESTS_K8S_KUBELET_H_

#include <yaml-cpp/yaml.h>

#include <atomic>
#include <string>
#include <thread>

#include "absl/time/time.h"

namespace estiba::testing {

// One gRPC probe of a manifest: a new connection, one Check within timeoutSeconds. Success is
// SERVING and nothing else.
class GrpcProbe {
 public:
  // `probe`: the manifest's startupProbe and its like. Throws where it is not complete.
  GrpcProbe(const YAML::Node& probe, std::string address);

  bool Succeeds() const;
  absl::Duration period() const { return period_; }
  int failure_threshold() const { return failure_threshold_; }

 private:
  std::string address_;
  std::string service_;
  absl::Duration period_;
  absl::Duration timeout_;
  int failure_threshold_;
};

// Probes a container as a kubelet does, on a thread of its own: the startup probe until it
// succeeds, from then on the two others at their periods. From the construction to the end of this
// object.
class Kubelet {
 public:
  Kubelet(const YAML::Node& container, const std::string& address);
  ~Kubelet();

  // The container has started, and how long that took; it is ready now; it would be restarted.
  bool ready() const { return ready_; }
  bool would_restart() const { return would_restart_; }
  absl::Duration start_took() const { return absl::Nanoseconds(start_took_ns_.load()); }
  int probes() const { return probes_; }

 private:
  void Watch();
  bool Startup();

  const GrpcProbe startup_;
  const GrpcProbe readiness_;
  const GrpcProbe liveness_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> ready_{false};
  std::atomic<bool> would_restart_{false};
  std::atomic<int64_t> start_took_ns_{0};
  std::atomic<int> probes_{0};
  std::thread thread_;
};

}  // namespace estiba::testing

#endif  // TESTS_K8S_KUBELET_H_

// The pod of the StatefulSet, run by podman as a kubelet would run it: from the manifest's own pod
// template and ConfigMap, on a port of this machine that stays the same from pod to pod, as a
// Service would.
#ifndef TESTS_K8S_POD_H_
#define TESTS_K8S_POD_H_

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/temp_dir.h"

namespace estiba::testing {

// A container engine's answer, which must be a success: throws std::runtime_error otherwise.
std::string Podman(std::vector<std::string> args);

// How a pod ended.
struct PodEnd {
  int exit_code = -1;
  absl::Duration took;
  // One JSON object a line, as Kubernetes would collect them.
  std::string log;
};

// Threads: one, but for address().
class Pod {
 public:
  // Does not start it. The image that the manifest names must be there.
  Pod();
  // Removes what is left of it.
  ~Pod();

  // As the StatefulSet controller does: a new pod of the same name. Returns when its process runs.
  void Start();
  // SIGTERM, and SIGKILL after terminationGracePeriodSeconds, as a kubelet does; then it is
  // deleted.
  PodEnd Stop();
  // SIGTERM only.
  void Terminate();
  std::string Log() const;
  // What a program of the container prints, run as `kubectl exec` would.
  std::string Exec(std::vector<std::string> args) const;
  // What podman knows of the container, by a Go template.
  std::string Inspect(const std::string& format) const;

  // What clients connect to.
  std::string address() const;
  const YAML::Node& container() const { return container_; }
  absl::Duration grace() const { return grace_; }

 private:
  void Remove();

  TempDir folder_;
  int port_ = 0;
  std::string file_;
  YAML::Node container_;
  absl::Duration grace_;
};

}  // namespace estiba::testing

#endif  // TESTS_K8S_POD_H_

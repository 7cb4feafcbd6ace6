#include "tests/k8s/kubelet.h"

#include <utility>

#include "absl/time/clock.h"
#include "grpc/health/v1/health.pb.h"
#include "tests/integration/raw_client.h"

namespace estiba::testing {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// How often the thread looks at whether it is time for something.
constexpr absl::Duration kTick = absl::Milliseconds(20);

}  // namespace

GrpcProbe::GrpcProbe(const YAML::Node& probe, std::string address)
    : address_(std::move(address)),
      service_(probe["grpc"]["service"] ? probe["grpc"]["service"].as<std::string>() : ""),
      period_(absl::Seconds(probe["periodSeconds"].as<int>())),
      timeout_(absl::Seconds(probe["timeoutSeconds"].as<int>())),
      failure_threshold_(probe["failureThreshold"].as<int>()) {}

bool GrpcProbe::Succeeds() const {
  RawClient client(address_);
  HealthCheckRequest request;
  request.set_service(service_);
  HealthCheckResponse response;
  return client.Call("/grpc.health.v1.Health/Check", request, &response, timeout_).ok() &&
         response.status() == HealthCheckResponse::SERVING;
}

Kubelet::Kubelet(const YAML::Node& container, const std::string& address)
    : startup_(container["startupProbe"], address),
      readiness_(container["readinessProbe"], address),
      liveness_(container["livenessProbe"], address),
      thread_([this] { Watch(); }) {}

Kubelet::~Kubelet() {
  stop_ = true;
  thread_.join();
}

bool Kubelet::Startup() {
  const absl::Time start = absl::Now();
  for (int failures = 0; !stop_; absl::SleepFor(startup_.period())) {
    ++probes_;
    if (startup_.Succeeds()) {
      start_took_ns_ = absl::ToInt64Nanoseconds(absl::Now() - start);
      return true;
    }
    if (++failures == startup_.failure_threshold()) {
      would_restart_ = true;
      return false;
    }
  }
  return false;
}

void Kubelet::Watch() {
  if (!Startup()) return;
  absl::Time next_readiness = absl::Now();
  absl::Time next_liveness = absl::Now();
  int not_ready = 0;
  int not_alive = 0;
  for (; !stop_; absl::SleepFor(kTick)) {
    if (absl::Now() >= next_readiness) {
      next_readiness += readiness_.period();
      ++probes_;
      not_ready = readiness_.Succeeds() ? 0 : not_ready + 1;
      if (not_ready == 0) ready_ = true;
      if (not_ready == readiness_.failure_threshold()) ready_ = false;
    }
    if (absl::Now() >= next_liveness) {
      next_liveness += liveness_.period();
      ++probes_;
      not_alive = liveness_.Succeeds() ? 0 : not_alive + 1;
      if (not_alive == liveness_.failure_threshold()) would_restart_ = true;
    }
  }
}

}  // namespace estiba::testing

#include "tests/k8s/pod.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tests/k8s/manifests.h"
#include "tests/support/process.h"

namespace estiba::testing {
namespace {

const char* const kPod = "estiba-0";
// As podman names the container of the pod.
const char* const kContainer = "estiba-0-estibad";

// One that nobody has just now.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool ok = bind(fd, generic, length) == 0 && getsockname(fd, generic, &length) == 0;
  close(fd);
  if (!ok) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

}  // namespace

std::string Podman(std::vector<std::string> args) {
  const std::string command = absl::StrJoin(args, " ");
  args.insert(args.begin(), "podman");
  const Finished finished = Run(std::move(args));
  if (!finished.status.ok()) {
    throw std::runtime_error(
        absl::StrCat("podman ", command, ": ", finished.stdout_text, finished.stderr_text));
  }
  return finished.stdout_text;
}

Pod::Pod() : port_(FreePort()) {
  const Objects objects = Copy(BaseObjects());
  const YAML::Node set = Find(objects, "StatefulSet/estiba");
  YAML::Node pod;
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  pod["metadata"] = At(set, "spec.template.metadata");
  pod["metadata"]["name"] = kPod;
  pod["spec"] = At(set, "spec.template.spec");
  container_ = YAML::Clone(At(pod, "spec.containers[0]"));
  grace_ = absl::Seconds(At(pod, "spec.terminationGracePeriodSeconds").as<int>());
  // In place of the Service, which takes more than a container engine.
  Set(pod, "spec.containers[0].ports[0].hostPort", absl::StrCat(port_));
  Set(pod, "spec.containers[0].ports[0].hostIP", "127.0.0.1");
  YAML::Emitter text;
  text << YAML::BeginDoc << Find(objects, "ConfigMap/estiba") << YAML::BeginDoc << pod;
  file_ = folder_.Write("pod.yaml", text.c_str());
  Remove();
}

Pod::~Pod() {
  try {
    Remove();
  } catch (const std::exception& e) {
    fprintf(stderr, "%s\n", e.what());
  }
}

void Pod::Remove() {
  Run({"podman", "pod", "rm", "--force", "--time", "0", kPod});
  // What podman makes of the ConfigMap outlives the pod, and would be used again.
  Run({"podman", "volume", "rm", "--force",
       TextAt(Find(BaseObjects(), "ConfigMap/estiba"), "metadata.name")});
}

void Pod::Start() { Podman({"kube", "play", file_}); }

PodEnd Pod::Stop() {
  const absl::Time start = absl::Now();
  // Of the pod, its network goes last. (`podman pod stop` ends both at a time, and who drains may
  // find its clients cut off.)
  Podman({"stop", "--time", absl::StrCat(absl::ToInt64Seconds(grace_)), kContainer});
  PodEnd end;
  end.took = absl::Now() - start;
  end.exit_code = std::stoi(Inspect("{{.State.ExitCode}}"));
  end.log = Log();
  Remove();
  return end;
}

void Pod::Terminate() { Podman({"kill", "--signal", "TERM", kContainer}); }

std::string Pod::Log() const {
  const Finished logs = Run({"podman", "logs", kContainer});
  return logs.stdout_text + logs.stderr_text;
}

std::string Pod::Exec(std::vector<std::string> args) const {
  args.insert(args.begin(), {"exec", kContainer});
  return Podman(std::move(args));
}

std::string Pod::Inspect(const std::string& format) const {
  std::string text = Podman({"inspect", "--format", format, kContainer});
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string Pod::address() const { return absl::StrCat("127.0.0.1:", port_); }

}  // namespace estiba::testing

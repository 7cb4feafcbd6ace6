#include "tests/k8s/pod_security.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "tests/k8s/manifests.h"

namespace estiba::testing {
namespace {

using Violations = std::vector<std::string>;

void CheckHost(const YAML::Node& pod, Violations* found) {
  for (const char* name : {"hostNetwork", "hostPID", "hostIPC"}) {
    if (TextAt(pod, name) == "true") found->push_back(name);
  }
  const std::set<std::string> allowed = {"configMap", "csi",       "downwardAPI",
                                         "emptyDir",  "ephemeral", "persistentVolumeClaim",
                                         "projected", "secret"};
  for (const YAML::Node& volume : pod["volumes"]) {
    for (const auto& field : volume) {
      const std::string kind = field.first.Scalar();
      if (kind != "name" && allowed.count(kind) == 0) {
        found->push_back(absl::StrCat("volume of the kind ", kind));
      }
    }
  }
  const std::set<std::string> safe_sysctls = {
      "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
      "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
      "net.ipv4.ping_group_range"};
  for (const YAML::Node& sysctl : At(pod, "securityContext.sysctls")) {
    if (safe_sysctls.count(TextAt(sysctl, "name")) == 0) found->push_back("sysctl");
  }
}

// What a container says, or else what its pod says for all.
std::string Effective(const YAML::Node& pod, const YAML::Node& container, const std::string& what) {
  const std::string place = absl::StrCat("securityContext.", what);
  const std::string own = TextAt(container, place);
  return own.empty() ? TextAt(pod, place) : own;
}

void CheckCapabilities(const YAML::Node& container, Violations* found) {
  bool all = false;
  for (const YAML::Node& dropped : At(container, "securityContext.capabilities.drop")) {
    all |= dropped.Scalar() == "ALL";
  }
  if (!all) found->push_back("capabilities not dropped");
  for (const YAML::Node& added : At(container, "securityContext.capabilities.add")) {
    if (added.Scalar() != "NET_BIND_SERVICE") found->push_back("capability added");
  }
}

void CheckContainer(const YAML::Node& pod, const YAML::Node& container, Violations* found) {
  CheckCapabilities(container, found);
  if (TextAt(container, "securityContext.privileged") == "true") found->push_back("privileged");
  if (TextAt(container, "securityContext.allowPrivilegeEscalation") != "false") {
    found->push_back("privilege escalation");
  }
  const std::string mount = TextAt(container, "securityContext.procMount");
  if (!mount.empty() && mount != "Default") found->push_back("procMount");
  if (Effective(pod, container, "runAsNonRoot") != "true") found->push_back("runAsNonRoot");
  if (Effective(pod, container, "runAsUser") == "0") found->push_back("runs as root");
  const std::string seccomp = Effective(pod, container, "seccompProfile.type");
  if (seccomp != "RuntimeDefault" && seccomp != "Localhost") found->push_back("seccomp profile");
  const std::string apparmor = Effective(pod, container, "appArmorProfile.type");
  if (apparmor == "Unconfined") found->push_back("AppArmor profile");
  for (const YAML::Node& port : container["ports"]) {
    const std::string host_port = TextAt(port, "hostPort");
    if (!host_port.empty() && host_port != "0") found->push_back("host port");
  }
}

}  // namespace

std::vector<std::string> RestrictedViolations(const YAML::Node& pod_spec) {
  Violations found;
  CheckHost(pod_spec, &found);
  for (const char* kind : {"initContainers", "containers", "ephemeralContainers"}) {
    for (const YAML::Node& container : pod_spec[kind]) CheckContainer(pod_spec, container, &found);
  }
  return found;
}

}  // namespace estiba::testing

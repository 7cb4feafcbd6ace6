#include "tests/k8s/pod_security.h"

#include "tests/k8s/manifests.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

YAML::Node PodSpec() {
  return YAML::Clone(At(Find(BaseObjects(), "StatefulSet/estiba"), "spec.template.spec"));
}

TEST_CASE("The pod keeps the Pod Security Standard 'restricted'") {
  CHECK(RestrictedViolations(PodSpec()).empty());
}

TEST_CASE("The pod goes beyond 'restricted': nothing to write to, and no token") {
  const YAML::Node pod = PodSpec();
  CHECK(TextAt(pod, "containers[0].securityContext.readOnlyRootFilesystem") == "true");
  CHECK(TextAt(pod, "automountServiceAccountToken") == "false");
  CHECK(TextAt(pod, "containers[0].volumeMounts[0].readOnly") == "true");
  CHECK(At(pod, "containers[0].volumeMounts").size() == 1);
}

TEST_CASE("Each way to break 'restricted' is noticed") {
  struct Break {
    const char* place;
    const char* value;
    const char* noticed;
  };
  for (const Break& b : std::vector<Break>{
           {"hostNetwork", "true", "hostNetwork"},
           {"hostPID", "true", "hostPID"},
           {"hostIPC", "true", "hostIPC"},
           {"volumes[0]", "{name: config, hostPath: {path: /}}", "volume of the kind hostPath"},
           {"securityContext.sysctls", "[{name: kernel.msgmax, value: '1'}]", "sysctl"},
           {"securityContext.runAsNonRoot", "", "runAsNonRoot"},
           {"securityContext.runAsUser", "0", "runs as root"},
           {"containers[0].securityContext.runAsUser", "0", "runs as root"},
           {"securityContext.seccompProfile", "", "seccomp profile"},
           {"securityContext.seccompProfile.type", "Unconfined", "seccomp profile"},
           {"securityContext.appArmorProfile", "{type: Unconfined}", "AppArmor profile"},
           {"containers[0].securityContext.capabilities", "", "capabilities not dropped"},
           {"containers[0].securityContext.capabilities.drop", "[NET_RAW]",
            "capabilities not dropped"},
           {"containers[0].securityContext.capabilities.add", "[SYS_ADMIN]", "capability added"},
           {"containers[0].securityContext.privileged", "true", "privileged"},
           {"containers[0].securityContext.allowPrivilegeEscalation", "", "privilege escalation"},
           {"containers[0].securityContext.procMount", "Unmasked", "procMount"},
           {"containers[0].ports[0].hostPort", "8085", "host port"}}) {
    YAML::Node pod = PodSpec();
    Set(pod, b.place, b.value);
    INFO(b.place << ": " << b.value);
    CHECK(RestrictedViolations(pod) == std::vector<std::string>{b.noticed});
  }
  YAML::Node pod = PodSpec();
  Set(pod, "initContainers", "[{name: other, image: other}]");
  CHECK(RestrictedViolations(pod).size() == 2);
}

}  // namespace
}  // namespace estiba::testing

#include "tests/k8s/references.h"

#include "absl/strings/match.h"
#include "tests/k8s/manifests.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace estiba::testing {
namespace {

std::string Checksum() {
  const Finished sum = Run({"sha224sum", (Repository() / "k8s/configmap.yaml").string()});
  return sum.stdout_text.substr(0, 56);
}

TEST_CASE("Selectors, ports, names and checksums of the manifests agree") {
  for (const std::string& problem : BrokenReferences(AllObjects(), Checksum())) {
    FAIL_CHECK(problem);
  }
}

TEST_CASE("Each reference that is broken is noticed, by itself") {
  struct Break {
    const char* object;
    const char* place;
    const char* value;
    const char* noticed;
  };
  const std::string container = "spec.template.spec.containers[0].";
  const std::string affinity =
      "spec.template.spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"
      "[0].podAffinityTerm.labelSelector.matchLabels.'app.kubernetes.io/name'";
  const std::string config = container + "args[0]";
  const std::string mount = container + "volumeMounts[0].name";
  const std::string liveness = container + "livenessProbe.grpc.port";
  const std::string same = container + "livenessProbe.grpc.service";
  const std::string hasty = container + "startupProbe.failureThreshold";
  const std::string late = container + "readinessProbe.failureThreshold";
  const std::string timeout = container + "readinessProbe.timeoutSeconds";
  const std::string limit = container + "resources.limits";
  const std::string request = container + "resources.requests.memory";
  const std::string cpu = container + "resources.requests.cpu";
  for (const Break& b : std::vector<Break>{
           {"ConfigMap/estiba", "metadata.labels", "", "label"},
           {"Service/estiba", "metadata.namespace", "other", "namespace"},
           {"Service/estiba", "spec.selector.'app.kubernetes.io/name'", "other", "selects no pod"},
           {"Service/estiba", "spec.selector.'statefulset.kubernetes.io/pod-name'", "other-0",
            "selects no pod"},
           {"Service/estiba", "spec.selector.'statefulset.kubernetes.io/pod-name'", "",
            "one broker"},
           {"Service/estiba", "spec.ports[0].targetPort", "http", "targetPort"},
           {"Service/estiba", "spec.ports[0].port", "80", "differs"},
           {"Service/estiba", "spec.ports[0].appProtocol", "", "protocol"},
           {"Service/estiba-headless", "spec.ports[0].name", "client", "protocol"},
           {"Service/estiba-headless", "spec.clusterIP", "", "headless"},
           {"Service/estiba-nodeport", "spec.ports[0].nodePort", "8085", "nodePort"},
           {"Service/estiba-loadbalancer", "spec.loadBalancerSourceRanges", "", "everybody"},
           {"Service/estiba-loadbalancer", "spec.loadBalancerSourceRanges[0]", "0.0.0.0/0",
            "not private"},
           {"NetworkPolicy/estiba", "spec.podSelector", "{}", "too wide"},
           {"NetworkPolicy/estiba", "spec.ingress[0].ports[0].port", "http", "port"},
           {"NetworkPolicy/estiba", "spec.ingress[0].ports", "", "any port"},
           {"NetworkPolicy/estiba", "spec.ingress[0].from", "", "everybody"},
           {"NetworkPolicy/estiba", "spec.ingress[0].ports[0].protocol", "UDP", "protocol"},
           {"NetworkPolicy/estiba", "spec.ingress", "[]", "lets nobody in"},
           {"NetworkPolicy/estiba", "spec.policyTypes", "[Egress]", "nothing of ingress"},
           {"NetworkPolicy/estiba-nodeport", "spec.ingress[0].from[0].ipBlock.cidr", "0.0.0.0/0",
            "not private"},
           {"PodDisruptionBudget/estiba", "spec.selector.matchLabels.'app.kubernetes.io/instance'",
            "other", "selects no pod"},
           {"PodDisruptionBudget/estiba", "spec.maxUnavailable", "0", "blocks the drain"},
           {"StatefulSet/estiba", "spec.template.spec.enableServiceLinks", "", "service links"},
           {"StatefulSet/estiba", "spec.selector.matchLabels.'app.kubernetes.io/component'",
            "other", "selects no pod"},
           {"StatefulSet/estiba", affinity.c_str(), "other", "selects no pod"},
           {"StatefulSet/estiba",
            "spec.template.spec.topologySpreadConstraints[0].labelSelector.matchLabels."
            "'app.kubernetes.io/name'",
            "other", "selects no pod"},
           {"StatefulSet/estiba", "spec.serviceName", "estiba", "headless"},
           {"StatefulSet/estiba", "spec.template.spec.serviceAccountName", "default",
            "serviceAccountName"},
           {"ServiceAccount/estiba", "automountServiceAccountToken", "true", "token"},
           {"StatefulSet/estiba", "spec.template.metadata.annotations.'estiba/config-sha224'",
            "0000", "checksum"},
           {"ConfigMap/estiba", "data", "{other.yaml: ''}", "--config"},
           {"StatefulSet/estiba", config.c_str(), "--config=/etc/estibad.yaml", "--config"},
           {"StatefulSet/estiba", mount.c_str(), "other", "--config"},
           {"StatefulSet/estiba", "spec.template.spec.volumes[0].configMap.name", "other",
            "--config"},
           {"StatefulSet/estiba", liveness.c_str(), "8086", "another port"},
           {"StatefulSet/estiba", same.c_str(), "readiness", "the same"},
           {"StatefulSet/estiba", hasty.c_str(), "1", "only slow"},
           {"StatefulSet/estiba", late.c_str(), "13", "before it is taken out"},
           {"StatefulSet/estiba", timeout.c_str(), "0", "no time to answer"},
           {"StatefulSet/estiba", limit.c_str(), "", "no memory limit"},
           {"StatefulSet/estiba", request.c_str(), "512Mi", "did not request"},
           {"StatefulSet/estiba", cpu.c_str(), "", "processor"}}) {
    const Objects objects = Copy(AllObjects());
    Set(Find(objects, b.object), b.place, b.value);
    const std::vector<std::string> problems = BrokenReferences(objects, Checksum());
    INFO(b.object << " " << b.place << ": " << b.value);
    REQUIRE_FALSE(problems.empty());
    for (const std::string& problem : problems) CHECK_THAT(problem, HasText(b.noticed));
  }
}

}  // namespace
}  // namespace estiba::testing

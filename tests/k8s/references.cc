#include "tests/k8s/references.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace estiba::testing {
namespace {

const char* const kPodName = "statefulset.kubernetes.io/pod-name";

// One pass over the objects: each method looks at one kind of reference.
class Check {
 public:
  Check(const Objects& objects, const std::string& checksum)
      : objects_(objects),
        checksum_(checksum),
        set_(Find(objects, "StatefulSet/estiba")),
        pod_(At(set_, "spec.template")),
        container_(At(pod_, "spec.containers[0]")) {}

  std::vector<std::string> Run() {
    for (const YAML::Node& object : objects_) {
      const std::string kind = TextAt(object, "kind");
      Labels(object);
      if (At(object, "metadata.namespace").IsDefined()) Complain(object, "names a namespace");
      if (kind == "Service") Service(object);
      if (kind == "NetworkPolicy") NetworkPolicy(object);
      if (kind == "PodDisruptionBudget") DisruptionBudget(object);
    }
    StatefulSet();
    Settings();
    Probes();
    Resources();
    return problems_;
  }

 private:
  void Complain(const YAML::Node& object, const std::string& what) {
    problems_.push_back(absl::StrCat(NameOf(object), ": ", what));
  }

  void Labels(const YAML::Node& object) {
    for (const char* label : {"name", "instance", "component"}) {
      const std::string key = absl::StrCat("'app.kubernetes.io/", label, "'");
      if (TextAt(object, "metadata.labels." + key) != TextAt(pod_, "metadata.labels." + key)) {
        Complain(object, absl::StrCat("label ", label));
      }
    }
  }

  // A selector that is there, and that the pods of the StatefulSet have the labels of.
  void SelectsPod(const YAML::Node& object, const std::string& place) {
    const YAML::Node selector = At(object, place);
    if (!selector.IsDefined() || selector.size() < 3) return Complain(object, place + " too wide");
    for (const auto& label : selector) {
      const std::string key = label.first.Scalar();
      const std::string value = label.second.Scalar();
      if (key == kPodName ? value != absl::StrCat(TextAt(set_, "metadata.name"), "-0")
                          : value != TextAt(pod_, absl::StrCat("metadata.labels.'", key, "'"))) {
        Complain(object, absl::StrCat(place, " selects no pod by ", key));
      }
    }
  }

  bool IsPort(const std::string& name) const {
    for (const YAML::Node& port : container_["ports"]) {
      if (TextAt(port, "name") == name) return true;
    }
    return false;
  }

  void Service(const YAML::Node& service) {
    SelectsPod(service, "spec.selector");
    const bool headless = TextAt(service, "spec.clusterIP") == "None";
    const std::string one = TextAt(service, absl::StrCat("spec.selector.'", kPodName, "'"));
    // Spread over several brokers, publishers and consumers would miss each other.
    if (headless == !one.empty()) Complain(service, "must stand for one broker, headless for all");
    if (At(service, "spec.ports").size() == 0) Complain(service, "no ports");
    for (const YAML::Node& port : At(service, "spec.ports")) {
      if (!IsPort(TextAt(port, "targetPort"))) Complain(service, "targetPort");
      if (TextAt(port, "port") != TextAt(container_, "ports[0].containerPort")) {
        Complain(service, "port differs from the container's");
      }
      if (TextAt(port, "name") != "grpc" || TextAt(port, "appProtocol") != "grpc") {
        Complain(service, "port is not named for its protocol");
      }
      const std::string node_port = TextAt(port, "nodePort");
      const int number = std::atoi(node_port.c_str());
      if (!node_port.empty() && (number < 30000 || number > 32767)) Complain(service, "nodePort");
    }
    if (TextAt(service, "spec.type") == "LoadBalancer") {
      if (At(service, "spec.loadBalancerSourceRanges").size() == 0) {
        Complain(service, "open to everybody");
      }
      for (const YAML::Node& range : At(service, "spec.loadBalancerSourceRanges")) {
        PrivateAddresses(service, range.Scalar());
      }
    }
  }

  void PrivateAddresses(const YAML::Node& object, const std::string& range) {
    static const std::set<std::string> kPrivate = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                                   "fd00::/8"};
    if (kPrivate.count(range) == 0) Complain(object, absl::StrCat(range, " is not private"));
  }

  void NetworkPolicy(const YAML::Node& policy) {
    SelectsPod(policy, "spec.podSelector.matchLabels");
    // A policy of ingress without rules is how nobody is let in.
    if (At(policy, "spec.ingress").size() == 0) Complain(policy, "lets nobody in");
    const YAML::Node types = At(policy, "spec.policyTypes");
    if (std::none_of(types.begin(), types.end(),
                     [](const YAML::Node& type) { return type.Scalar() == "Ingress"; })) {
      Complain(policy, "says nothing of ingress");
    }
    for (const YAML::Node& rule : At(policy, "spec.ingress")) {
      if (At(rule, "from").size() == 0) Complain(policy, "open to everybody");
      if (At(rule, "ports").size() == 0) Complain(policy, "any port");
      for (const YAML::Node& port : At(rule, "ports")) {
        if (!IsPort(TextAt(port, "port"))) Complain(policy, "port");
        if (TextAt(port, "protocol") != "TCP") Complain(policy, "protocol");
      }
      for (const YAML::Node& peer : At(rule, "from")) {
        const std::string range = TextAt(peer, "ipBlock.cidr");
        if (!range.empty()) PrivateAddresses(policy, range);
      }
    }
  }

  // With one broker, a budget that leaves no room for it to go holds up every drain of its node.
  void DisruptionBudget(const YAML::Node& budget) {
    SelectsPod(budget, "spec.selector.matchLabels");
    if (std::atoi(TextAt(budget, "spec.maxUnavailable").c_str()) < 1) {
      Complain(budget, "blocks the drain of a node");
    }
  }

  bool Has(const std::string& kind, const std::string& name) const {
    for (const YAML::Node& object : objects_) {
      if (NameOf(object) == absl::StrCat(kind, "/", name)) return true;
    }
    return false;
  }

  void StatefulSet() {
    SelectsPod(set_, "spec.selector.matchLabels");
    const std::string affinity =
        "spec.template.spec.affinity.podAntiAffinity."
        "preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector."
        "matchLabels";
    SelectsPod(set_, affinity);
    SelectsPod(set_, "spec.template.spec.topologySpreadConstraints[0].labelSelector.matchLabels");
    const std::string name = TextAt(set_, "spec.serviceName");
    if (!Has("Service", name) ||
        TextAt(Find(objects_, "Service/" + name), "spec.clusterIP") != "None") {
      Complain(set_, "serviceName is no headless Service");
    }
    // Else the container is told of the Service estiba by ESTIBA_PORT=tcp://..., a bad setting.
    if (TextAt(pod_, "spec.enableServiceLinks") != "false") Complain(set_, "service links");
    const std::string account = TextAt(pod_, "spec.serviceAccountName");
    if (!Has("ServiceAccount", account)) {
      Complain(set_, "serviceAccountName");
    } else if (TextAt(Find(objects_, "ServiceAccount/" + account),
                      "automountServiceAccountToken") != "false") {
      Complain(set_, "the ServiceAccount hands out a token");
    }
    if (TextAt(pod_, "metadata.annotations.'estiba/config-sha224'") != checksum_) {
      Complain(set_, "the checksum of configmap.yaml is now " + checksum_);
    }
  }

  // The file that --config names is a key of a ConfigMap that is mounted there.
  void Settings() {
    for (const YAML::Node& arg : container_["args"]) {
      const std::string text = arg.Scalar();
      if (!absl::StartsWith(text, "--config=")) continue;
      for (const YAML::Node& mount : container_["volumeMounts"]) {
        const std::string map = ConfigMapOf(TextAt(mount, "name"));
        const std::string folder = absl::StrCat("--config=", TextAt(mount, "mountPath"), "/");
        if (!Has("ConfigMap", map) || !absl::StartsWith(text, folder)) continue;
        const YAML::Node keys = At(Find(objects_, "ConfigMap/" + map), "data");
        if (keys[text.substr(folder.size())].IsDefined()) return;
      }
    }
    Complain(set_, "--config names no mounted file");
  }

  std::string ConfigMapOf(const std::string& volume_name) const {
    for (const YAML::Node& volume : At(pod_, "spec.volumes")) {
      if (TextAt(volume, "name") == volume_name) return TextAt(volume, "configMap.name");
    }
    return "";
  }

  void Probes() {
    std::set<std::string> different;
    for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
      const YAML::Node grpc = At(container_, absl::StrCat(probe, ".grpc"));
      different.insert(TextAt(grpc, "service"));
      if (TextAt(grpc, "port") != TextAt(container_, "ports[0].containerPort")) {
        Complain(set_, absl::StrCat(probe, " asks another port"));
      }
      if (Number(probe, "timeoutSeconds") < 1 ||
          Number(probe, "timeoutSeconds") > Number(probe, "periodSeconds")) {
        Complain(set_, absl::StrCat(probe, " has no time to answer"));
      }
    }
    if (different.size() != 3) Complain(set_, "probes that ask the same");
    // A restart costs all that is held, a moment out of the Services nothing.
    if (Patience("livenessProbe") < 30 || Patience("startupProbe") < 30) {
      Complain(set_, "restarts a broker that is only slow");
    }
    if (Patience("readinessProbe") < 1 || Patience("readinessProbe") >= Patience("livenessProbe")) {
      Complain(set_, "is restarted before it is taken out of the Services");
    }
  }

  int Number(const std::string& probe, const std::string& field) const {
    return std::atoi(TextAt(container_, absl::StrCat(probe, ".", field)).c_str());
  }

  // The seconds that a probe may fail before something happens.
  int Patience(const std::string& probe) const {
    return Number(probe, "periodSeconds") * Number(probe, "failureThreshold");
  }

  void Resources() {
    const std::string wanted = TextAt(container_, "resources.requests.memory");
    const std::string limit = TextAt(container_, "resources.limits.memory");
    if (limit.empty()) return Complain(set_, "no memory limit for the budget to follow");
    if (Bytes(wanted) != Bytes(limit)) Complain(set_, "promises memory that it did not request");
    const std::string cpus = TextAt(container_, "resources.requests.cpu");
    if (cpus.empty() || MilliCpus(cpus) < 100) Complain(set_, "no processor requested");
  }

  const Objects objects_;
  const std::string checksum_;
  const YAML::Node set_;
  const YAML::Node pod_;
  const YAML::Node container_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> BrokenReferences(const Objects& objects,
                                          const std::string& config_checksum) {
  return Check(objects, config_checksum).Run();
}

}  // namespace estiba::testing

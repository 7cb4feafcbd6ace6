// The manifests of k8s/, taken apart for tests.
#ifndef TESTS_K8S_MANIFESTS_H_
#define TESTS_K8S_MANIFESTS_H_

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <string>
#include <vector>

namespace estiba::testing {

using Objects = std::vector<YAML::Node>;

// Where the repository is.
std::filesystem::path Repository();
// What `kubectl apply -f FOLDER` would send: every object in its .yaml files, by file name. Throws
// what yaml-cpp throws.
Objects ObjectsIn(const std::filesystem::path& folder);
Objects ObjectsOf(const std::string& yaml);
// The broker itself, and everything with both variants.
Objects BaseObjects();
Objects AllObjects();

// Places in an object: "spec.containers[0].image", with names that have dots in quotes:
// "metadata.labels.'app.kubernetes.io/name'". At returns an undefined node where there is none.
YAML::Node At(YAML::Node node, const std::string& place);
std::string TextAt(const YAML::Node& node, const std::string& place);
// An empty value removes what is there.
void Set(YAML::Node node, const std::string& place, const std::string& yaml);

// "StatefulSet/estiba"; throws std::runtime_error where there is none.
YAML::Node Find(const Objects& objects, const std::string& kind_and_name);
std::string NameOf(const YAML::Node& object);
Objects Copy(const Objects& objects);

// The same text for the same content, whatever the order of its keys and of the objects.
std::string Canonical(const YAML::Node& node);
std::vector<std::string> Canonical(const Objects& objects);

// Memory as Kubernetes writes it: "1Gi". Processors: "1", "250m", in thousandths.
double Bytes(const std::string& quantity);
double MilliCpus(const std::string& quantity);

}  // namespace estiba::testing

#endif  // TESTS_K8S_MANIFESTS_H_

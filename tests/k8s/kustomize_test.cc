// What kubectl makes of k8s/: by -f and by -k the same objects, and those that golden/ has.
#include <fstream>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/k8s/manifests.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace estiba::testing {
namespace {

std::string ReadFile(const std::filesystem::path& file) {
  std::ifstream in(file);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::filesystem::path Golden(const std::string& name) {
  return Repository() / "tests/k8s/golden" / (name + ".yaml");
}

// No cluster, whatever the machine is set up for.
Finished Kubectl(std::vector<std::string> args) {
  args.insert(args.begin(), {"env", "KUBECONFIG=/dev/null", "kubectl"});
  return Run(std::move(args));
}

struct Folder {
  const char* path;
  const char* golden;
};
const std::vector<Folder> kFolders = {
    {"k8s", "base"}, {"k8s/nodeport", "nodeport"}, {"k8s/loadbalancer", "loadbalancer"}};

TEST_CASE("kubectl apply -k sends what apply -f sends, for the broker and for each variant") {
  for (const Folder& folder : kFolders) {
    INFO(folder.path);
    const Finished built = Kubectl({"kustomize", (Repository() / folder.path).string()});
    INFO(built.stderr_text);
    REQUIRE(built.status.ok());
    CHECK(Canonical(ObjectsOf(built.stdout_text)) ==
          Canonical(ObjectsIn(Repository() / folder.path)));
  }
}

TEST_CASE("kubectl reads each folder with -f, and finds nothing in it that no cluster knows") {
  // The same reading of files that apply does; --local keeps it from asking a cluster.
  for (const Folder& folder : kFolders) {
    INFO(folder.path);
    const Finished read = Kubectl({"annotate", "--local", "-o", "name", "-f",
                                   (Repository() / folder.path).string(), "some=annotation"});
    INFO(read.stderr_text);
    REQUIRE(read.status.ok());
    std::multiset<std::string> names;
    for (const absl::string_view line : absl::StrSplit(read.stdout_text, '\n', absl::SkipEmpty())) {
      names.emplace(line.substr(line.find('/') + 1));
    }
    std::multiset<std::string> wanted;
    for (const YAML::Node& object : ObjectsIn(Repository() / folder.path)) {
      wanted.insert(TextAt(object, "metadata.name"));
    }
    CHECK(names == wanted);
  }
}

TEST_CASE("What kustomize makes of the broker and of each variant is in golden/") {
  for (const Folder& folder : kFolders) {
    INFO("kubectl kustomize " << folder.path << " > tests/k8s/golden/" << folder.golden << ".yaml");
    const Finished built = Kubectl({"kustomize", (Repository() / folder.path).string()});
    REQUIRE(built.status.ok());
    CHECK(Canonical(ObjectsOf(built.stdout_text)) ==
          Canonical(ObjectsOf(ReadFile(Golden(folder.golden)))));
  }
}

TEST_CASE("A kustomization of one's own builds on them: the one that k8s/README.md shows") {
  const std::filesystem::path own = Repository() / "tests/k8s/overlay";
  const Finished built = Kubectl({"kustomize", own.string()});
  if (Kubectl({"version", "--client"}).stdout_text.find("v1.20.") != std::string::npos) {
    WARN("kubectl 1.20, as Debian 12 has it: its kustomize cannot build on folders");
  } else {
    INFO(built.stderr_text);
    REQUIRE(built.status.ok());
    INFO("kubectl kustomize tests/k8s/overlay > tests/k8s/golden/overlay.yaml");
    CHECK(Canonical(ObjectsOf(built.stdout_text)) ==
          Canonical(ObjectsOf(ReadFile(Golden("overlay")))));
  }
  // The README is for somebody whose folder lies beside a clone of the repository.
  const std::string readme = ReadFile(Repository() / "k8s/README.md");
  const std::vector<std::string> lines = absl::StrSplit(ReadFile(own / "kustomization.yaml"), '\n');
  for (std::string line : lines) {
    const size_t at = line.find("../../../k8s");
    if (at != std::string::npos) line.replace(at, 12, "../estiba/k8s");
    INFO(line);
    CHECK(readme.find(line) != std::string::npos);
  }
}

TEST_CASE("The golden files are good objects: the broker runs in another namespace as in its own") {
  const Objects overlay = ObjectsOf(ReadFile(Golden("overlay")));
  CHECK(overlay.size() == BaseObjects().size() + 2);
  for (const YAML::Node& object : overlay) {
    CHECK(TextAt(object, "metadata.namespace") == "messaging");
  }
  const YAML::Node set = Find(overlay, "StatefulSet/estiba");
  CHECK(TextAt(set, "spec.replicas") == "3");
  CHECK(TextAt(set, "spec.template.spec.containers[0].image") ==
        "registry.example.com/estiba:0.1.0");
  CHECK(TextAt(set, "spec.template.spec.containers[0].resources.limits.memory") == "4Gi");
}

}  // namespace
}  // namespace estiba::testing

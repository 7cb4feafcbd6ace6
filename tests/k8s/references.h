#ifndef TESTS_K8S_REFERENCES_H_
#define TESTS_K8S_REFERENCES_H_

#include <string>
#include <vector>

#include "tests/k8s/manifests.h"

namespace estiba::testing {

// What one object says of another, or of itself, that is not so: selectors, ports, names, settings'
// files, addresses. Empty for a good set of objects. `config_checksum` is the sum of
// configmap.yaml.
std::vector<std::string> BrokenReferences(const Objects& objects,
                                          const std::string& config_checksum);

}  // namespace estiba::testing

#endif  // TESTS_K8S_REFERENCES_H_

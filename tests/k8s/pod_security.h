#ifndef TESTS_K8S_POD_SECURITY_H_
#define TESTS_K8S_POD_SECURITY_H_

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

namespace estiba::testing {

// What the Pod Security Standard `restricted` (which includes `baseline`) forbids in this pod's
// spec, one line for each. Rules: kubernetes.io/docs/concepts/security/pod-security-standards.
std::vector<std::string> RestrictedViolations(const YAML::Node& pod_spec);

}  // namespace estiba::testing

#endif  // TESTS_K8S_POD_SECURITY_H_

// Finds what a mistyped name was probably meant to be. Thread-safe: free functions without state.
#ifndef BROKER_OPS_NEAREST_NAME_H_
#define BROKER_OPS_NEAREST_NAME_H_

#include <cstddef>
#include <span>

#include "absl/strings/string_view.h"

namespace estiba {

// Insertions, deletions and replacements that make `b` out of `a`. Of long names only the first 64
// characters count, which bounds the work.
size_t EditDistance(absl::string_view a, absl::string_view b);

// The one of `names` nearest to `wrong`; the first of several. `names` must not be empty.
absl::string_view NearestName(absl::string_view wrong, std::span<const absl::string_view> names);

}  // namespace estiba

#endif  // BROKER_OPS_NEAREST_NAME_H_

// Finds what a mistyped name was probably meant to be. Thread-safe: free functions without state.
#ifndef BROKER_OPS_NEAREST_NAME_H_
#define BROKER_OPS_NEAREST_NAME_H_

#include <cstddef>
#include <span>
#include <string_view>

namespace estiba {

// Insertions, deletions and replacements that make `b` out of `a`. Of long names only the first 64
// characters count, which bounds the work.
size_t EditDistance(std::string_view a, std::string_view b);

// The one of `names` nearest to `wrong`; the first of several. `names` must not be empty.
std::string_view NearestName(std::string_view wrong, std::span<const std::string_view> names);

}  // namespace estiba

#endif  // BROKER_OPS_NEAREST_NAME_H_

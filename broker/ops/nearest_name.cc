#include "broker/ops/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace estiba {

size_t EditDistance(absl::string_view a, absl::string_view b) {
  constexpr size_t kLongest = 64;
  a = a.substr(0, kLongest);
  b = b.substr(0, kLongest);
  // row[j]: the distance between the part of `a` seen so far and the first j characters of `b`.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

absl::string_view NearestName(absl::string_view wrong, std::span<const absl::string_view> names) {
  return *std::min_element(names.begin(), names.end(),
                           [wrong](absl::string_view a, absl::string_view b) {
                             return EditDistance(wrong, a) < EditDistance(wrong, b);
                           });
}

}  // namespace estiba

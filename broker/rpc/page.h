#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace estiba {

// The size of a page of a list, as asked for; 0: the default. INVALID_ARGUMENT: too large.
inline absl::Status ReadPageSize(uint32_t asked, size_t* size) {
  constexpr uint32_t kDefaultPage = 100;
  constexpr uint32_t kMaxPage = 1000;
  if (asked > kMaxPage) {
    return absl::InvalidArgumentError(absl::StrCat("page_size: ", asked, ": at most ", kMaxPage));
  }
  *size = asked == 0 ? kDefaultPage : asked;
  return absl::OkStatus();
}

}  // namespace estiba

#pragma once

#include <cstddef>

namespace estiba {

inline constexpr size_t kCacheLine = 64;

// Asks for the cache lines that hold these bytes, to be read and written in a moment. Waits for
// nothing, and reads nothing: the address need not be valid any more.
inline void PrefetchLines(const void* from, size_t bytes) {
  const char* const begin = static_cast<const char*>(from);
  for (size_t i = 0; i < bytes; i += kCacheLine) __builtin_prefetch(begin + i, /*rw=*/1);
}

}  // namespace estiba

// Sizes in bytes as people write them: 1048576, 64MiB, 1.5GiB, 10MB, 512Ki.
//
// Thread-safe: free functions without state.
#ifndef BROKER_OPS_BYTE_SIZE_H_
#define BROKER_OPS_BYTE_SIZE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace estiba {

// A decimal number, with a fraction if need be, and a unit: none or B; K, KB, M, MB, G, GB, T, TB
// (powers of 1000); Ki, KiB, Mi, MiB, Gi, GiB, Ti, TiB (powers of 1024). Case does not matter.
// A fraction of a byte is cut off. Empty for anything else, also for what needs more than 63 bits.
std::optional<uint64_t> ParseByteSize(absl::string_view text);

// With the largest binary unit that says it exactly ("64MiB", "1536KiB", "1000"), so that
// ParseByteSize(FormatByteSize(n)) == n.
std::string FormatByteSize(uint64_t bytes);

}  // namespace estiba

#endif  // BROKER_OPS_BYTE_SIZE_H_

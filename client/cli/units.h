// Durations, sizes, counts, rates and points in time as people write and read them.
//
// Thread-safe: free functions without state. Parsers return nullopt for anything they do not
// understand completely.
#ifndef CLIENT_CLI_UNITS_H_
#define CLIENT_CLI_UNITS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "estiba/subscriber.h"

namespace estiba::cli {

// "250ms", "10s", "1m30s", "1.5h", "7d", "1d12h", "0". A number without a unit is seconds. Not
// negative, finite.
std::optional<absl::Duration> ParseDuration(absl::string_view text);

// Bytes: a number, with a fraction if need be, and a unit: none or B; K, KB, M, MB, G, GB (powers
// of 1000); Ki, KiB, Mi, MiB, Gi, GiB (powers of 1024). Case does not matter.
std::optional<uint64_t> ParseByteSize(absl::string_view text);

// "1000000", "1_000_000", "100k", "1.5M", "2G" (powers of 1000).
std::optional<uint64_t> ParseCount(absl::string_view text);

// Per second: a count, with "/s" or without. Above 0.
std::optional<double> ParseRate(absl::string_view text);

// RFC 3339 ("2026-11-22T03:00:00Z", "2026-11-22T04:00:00+01:00") or "10m ago".
std::optional<absl::Time> ParseTime(absl::string_view text, absl::Time now);

// "earliest", "latest", a sequence of 1 or more, or a time.
std::optional<StartFrom> ParseStartFrom(absl::string_view text, absl::Time now);

// At most two units, three digits: "0s", "480us", "12.5ms", "3.2s", "4m10s", "2h5m", "3d4h".
std::string HumanDuration(absl::Duration duration);
// "812 B", "1.5 KiB", "64.0 MiB".
std::string HumanBytes(double bytes);
// With thousands in groups: "1,234,567".
std::string HumanCount(uint64_t count);
// In four characters or few more: "0", "7.5", "950", "12.3k", "4.56M".
std::string ShortNumber(double value);
// RFC 3339 in UTC with milliseconds: "2026-11-22T03:00:00.123Z".
std::string IsoTime(absl::Time time);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_UNITS_H_

// The payload of a benchmark message: when it was sent, by whom, the how-manieth, and filling.
//
//   bytes 0-7    nanoseconds since the bench's epoch (steady clock)
//   bytes 8-15   publisher in the upper 16 bits, number in the lower 48
//   from 16      the same in every message
//
// Messages smaller than 16 bytes are filling only. Byte order is the machine's: payloads do not
// leave it.
//
// Thread-safe: free functions without state.
#ifndef CLIENT_CLI_BENCH_PAYLOAD_H_
#define CLIENT_CLI_BENCH_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace estiba::cli {

inline constexpr size_t kBenchHeaderBytes = 16;
inline constexpr uint64_t kMaxBenchPublishers = uint64_t{1} << 16;

struct BenchHeader {
  int64_t sent_ns = 0;
  uint64_t publisher = 0;
  uint64_t number = 0;
};

// Nanoseconds on the steady clock, which publishers and subscribers of one process share.
int64_t SteadyNanoseconds();

// A payload of `size` bytes with an empty header.
std::string MakeBenchPayload(size_t size);

inline void WriteHeader(char* payload, const BenchHeader& header) {
  const uint64_t who = header.publisher << 48 | header.number;
  std::memcpy(payload, &header.sent_ns, sizeof header.sent_ns);
  std::memcpy(payload + 8, &who, sizeof who);
}

inline BenchHeader ReadHeader(std::string_view payload) {
  BenchHeader header;
  uint64_t who = 0;
  std::memcpy(&header.sent_ns, payload.data(), sizeof header.sent_ns);
  std::memcpy(&who, payload.data() + 8, sizeof who);
  header.publisher = who >> 48;
  header.number = who & ((uint64_t{1} << 48) - 1);
  return header;
}

}  // namespace estiba::cli

#endif  // CLIENT_CLI_BENCH_PAYLOAD_H_

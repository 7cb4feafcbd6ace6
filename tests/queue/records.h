// Records to put into a log, and to take apart again.
#ifndef TESTS_QUEUE_RECORDS_H_
#define TESTS_QUEUE_RECORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/queue/log.h"
#include "broker/queue/record.h"

namespace estiba::testing {

inline std::string MakeRecord(std::string_view body) {
  std::string record(1, kRecordTag);
  size_t length = body.size();
  for (; length >= 0x80; length >>= 7) record.push_back(static_cast<char>(length | 0x80));
  record.push_back(static_cast<char>(length));
  return record.append(body);
}

// The bodies in `bytes` bytes of records; stops at the first thing that is not a record.
inline std::vector<std::string> Bodies(const char* p, uint32_t bytes) {
  std::vector<std::string> bodies;
  const char* const end = p + bytes;
  while (p < end && *p == kRecordTag) {
    size_t length = 0;
    int shift = 0;
    const char* body = p + 1;
    do {
      length |= static_cast<size_t>(*body & 0x7f) << shift;
      shift += 7;
    } while (*body++ & 0x80);
    p = body + length;
    if (p > end) break;
    bodies.emplace_back(body, length);
  }
  return bodies;
}

inline std::vector<std::string> Bodies(const Run& run) {
  return run.empty() ? std::vector<std::string>() : Bodies(run.data(), run.bytes);
}

// The body of a number's message: the number in decimal, then a filler that depends on it.
inline std::string NumberedBody(uint64_t number, size_t bytes) {
  std::string body = std::to_string(number) + ":";
  if (body.size() < bytes) {
    body.resize(bytes, static_cast<char>('a' + (number * 7 + bytes) % 26));
  }
  return body;
}

}  // namespace estiba::testing

#endif  // TESTS_QUEUE_RECORDS_H_

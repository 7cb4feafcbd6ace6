// Messages with everything in them that a message may have, in the client's and in protobuf's form.
#ifndef TESTS_CLIENT_RANDOM_MESSAGE_H_
#define TESTS_CLIENT_RANDOM_MESSAGE_H_

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "estiba/message.h"
#include "estiba/v1/message.pb.h"

namespace estiba::testing {

inline std::string RandomBytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Attribute keys are unique.
inline Message RandomMessage(std::mt19937_64& random) {
  Message message;
  // Mostly small, at times over the bounds where a length takes another byte.
  const size_t sizes[] = {0, 1, 100, 127, 128, 300, 16'383, 16'384, 70'000};
  message.data = RandomBytes(random, sizes[random() % std::size(sizes)]);
  for (size_t i = random() % 4; i > 0; --i) {
    message.attributes.emplace_back(absl::StrCat("key-", i), std::string(random() % 200, 'v'));
  }
  if (random() % 2 == 0) message.ordering_key = std::string(1 + random() % 150, 'k');
  return message;
}

inline v1::Message ToV1(const Message& message) {
  v1::Message out;
  out.set_data(message.data);
  for (const auto& [key, value] : message.attributes) (*out.mutable_attributes())[key] = value;
  out.set_ordering_key(message.ordering_key);
  return out;
}

inline bool Same(const Message& message, const v1::Message& other) {
  if (message.data != other.data() || message.ordering_key != other.ordering_key()) return false;
  if (message.attributes.size() != other.attributes().size()) return false;
  for (const auto& [key, value] : message.attributes) {
    const auto found = other.attributes().find(key);
    if (found == other.attributes().end() || found->second != value) return false;
  }
  return true;
}

}  // namespace estiba::testing

#endif  // TESTS_CLIENT_RANDOM_MESSAGE_H_

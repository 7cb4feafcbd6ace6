#include "client/src/batch_buffer.h"

#include <random>
#include <string>
#include <vector>

#include "estiba/v1/broker.pb.h"
#include "tests/client/random_message.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::internal {
namespace {

using estiba::testing::RandomMessage;
using estiba::testing::Same;
using estiba::testing::ToV1;

size_t Append(BatchBuffer& buffer, const Message& message) {
  const std::vector<AttributeRef> attributes(message.attributes.begin(), message.attributes.end());
  const MessageRef ref{message.data, attributes, message.ordering_key, &message.timing};
  const size_t size = EncodedSize(ref);
  buffer.Append(ref, size);
  return size;
}

v1::PublishRequest Decode(const grpc::Slice& slice) {
  v1::PublishRequest request;
  REQUIRE(request.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  return request;
}

TEST_CASE("An empty batch is empty") {
  BatchBuffer buffer;
  REQUIRE(buffer.empty());
  REQUIRE(buffer.bytes() == 0);
}

TEST_CASE("A message without any content is a record of two bytes") {
  BatchBuffer buffer;
  REQUIRE(Append(buffer, Message{}) == 0);
  REQUIRE(buffer.bytes() == 2);
  const v1::PublishRequest request = Decode(buffer.Release());
  REQUIRE(request.messages_size() == 1);
  REQUIRE(request.messages(0).data().empty());
}

TEST_CASE("Times go along in whole milliseconds, rounded up, and say which messages come later") {
  BatchBuffer buffer;
  Append(buffer, {.timing = {.deliver_after = absl::Microseconds(1'500)}});
  Append(buffer, {.timing = {.deliver_at = absl::FromUnixMillis(77)}});
  Append(buffer, {.timing = {.deliver_at = absl::FromUnixSeconds(-5)}});
  Append(buffer, {.timing = {.time_to_live = absl::Nanoseconds(1)}});
  Append(buffer, {});
  CHECK(buffer.count() == 5);
  CHECK(buffer.scheduled() == 3);
  const v1::PublishRequest request = Decode(buffer.Release());
  CHECK(request.messages(0).deliver_after_ms() == 2);
  CHECK(request.messages(1).deliver_at_ms() == 77);
  CHECK(request.messages(2).deliver_at_ms() == 1);
  CHECK(request.messages(3).time_to_live_ms() == 1);
  CHECK(request.messages(4).ByteSizeLong() == 0);
  CHECK(buffer.scheduled() == 0);
}

TEST_CASE("Protobuf reads from a batch what was put into it, in order") {
  std::mt19937_64 random(estiba::testing::Seed());
  for (int round = 0; round < 20; ++round) {
    BatchBuffer buffer;
    std::vector<Message> messages;
    for (size_t i = 1 + random() % 60; i > 0; --i) messages.push_back(RandomMessage(random));
    size_t bytes = 0;
    for (const Message& message : messages) {
      const size_t size = Append(buffer, message);
      REQUIRE(size == ToV1(message).ByteSizeLong());
      bytes += RecordSize(size);
      REQUIRE(buffer.bytes() == bytes);
    }
    REQUIRE(buffer.count() == messages.size());
    const v1::PublishRequest request = Decode(buffer.Release());
    REQUIRE(static_cast<size_t>(request.messages_size()) == messages.size());
    for (size_t i = 0; i < messages.size(); ++i) {
      REQUIRE(Same(messages[i], request.messages(static_cast<int>(i))));
    }
  }
}

TEST_CASE("A batch that was released is followed by an independent one") {
  BatchBuffer buffer;
  Append(buffer, Message{.data = "first"});
  const grpc::Slice first = buffer.Release();
  REQUIRE(buffer.empty());
  Append(buffer, Message{.data = "second"});
  const grpc::Slice second = buffer.Release();
  REQUIRE(Decode(first).messages(0).data() == "first");
  REQUIRE(Decode(second).messages(0).data() == "second");
}

}  // namespace
}  // namespace estiba::internal

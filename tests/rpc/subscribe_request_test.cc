#include "broker/rpc/subscribe_request.h"

#include <google/protobuf/stubs/logging.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <random>
#include <string>

#include "broker/rpc/bytes.h"
#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

absl::StatusOr<SubscribeRequestView> Parse(const std::string& bytes, bool first, AckMode mode) {
  grpc::ByteBuffer buffer = ToBuffer(bytes);
  return ParseSubscribeRequest(&buffer, first, mode);
}

absl::StatusOr<SubscribeRequestView> First(const v1::SubscribeRequest& request) {
  return Parse(request.SerializeAsString(), true, AckMode::kAuto);
}

absl::StatusOr<SubscribeRequestView> Later(const v1::SubscribeRequest& request, AckMode mode) {
  return Parse(request.SerializeAsString(), false, mode);
}

v1::SubscribeRequest Explicit() {
  v1::SubscribeRequest request;
  request.mutable_start()->set_topic("t");
  request.mutable_start()->set_ack_mode(v1::ACK_MODE_EXPLICIT);
  return request;
}

v1::SequenceRange Range(uint64_t first, uint64_t last) {
  v1::SequenceRange range;
  range.set_first(first);
  range.set_last(last);
  return range;
}

// INVALID_ARGUMENT with exactly this message.
void CheckRefused(const absl::StatusOr<SubscribeRequestView>& result, const std::string& message) {
  CHECK(result.status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(result.status().message() == message);
}

TEST_CASE("A start without more has the documented defaults") {
  const auto explicit_acks = First(Explicit());
  REQUIRE(explicit_acks.ok());
  CHECK(explicit_acks->has_start);
  CHECK(explicit_acks->start.topic == "t");
  CHECK(explicit_acks->start.subscription.empty());
  CHECK(explicit_acks->start.from.kind == StartPosition::Kind::kEarliest);
  CHECK(explicit_acks->start.options.ack_mode == AckMode::kExplicit);
  CHECK(explicit_acks->start.options.ack_deadline_ms == 0);
  CHECK(explicit_acks->start.options.credit.max_messages == 10'000);
  CHECK(explicit_acks->start.options.credit.max_bytes == 64 << 20);
  CHECK_FALSE(explicit_acks->stop);

  v1::SubscribeRequest request;
  request.mutable_start()->set_subscription("s");
  const auto automatic = First(request);
  REQUIRE(automatic.ok());
  CHECK(automatic->start.options.ack_mode == AckMode::kAuto);
  CHECK(automatic->start.options.credit.max_messages == 0);
  CHECK(automatic->start.options.credit.max_bytes == 0);
}

TEST_CASE("A start takes everything at both ends of its limits") {
  v1::SubscribeRequest request = Explicit();
  v1::Start& start = *request.mutable_start();
  const bool most = GENERATE(false, true);
  start.mutable_ack_deadline()->set_seconds(most ? 600 : 0);
  start.mutable_ack_deadline()->set_nanos(most ? 0 : 100'000'000);
  start.mutable_credit()->set_max_messages(most ? 10'000'000 : 1);
  start.mutable_credit()->set_max_bytes(most ? uint64_t{4} << 30 : 1);
  start.mutable_from()->set_sequence(most ? UINT64_MAX : 1);
  start.set_incarnation(most ? UINT64_MAX : 0);
  const auto result = First(request);
  REQUIRE(result.ok());
  CHECK(result->start.options.ack_deadline_ms == (most ? 600'000 : 100));
  CHECK(result->start.options.credit.max_messages == (most ? 10'000'000 : 1));
  CHECK(result->start.options.credit.max_bytes == (most ? uint64_t{4} << 30 : 1));
  CHECK(result->start.from.kind == StartPosition::Kind::kSequence);
  CHECK(result->start.from.sequence == (most ? UINT64_MAX : 1));
  CHECK(result->start.from.incarnation == (most ? UINT64_MAX : 0));
}

TEST_CASE("A start outside its limits is refused with field, value and rule") {
  const auto refused = [](const std::function<void(v1::Start&)>& change,
                          const std::string& message) {
    v1::SubscribeRequest request = Explicit();
    change(*request.mutable_start());
    CheckRefused(First(request), message);
  };
  refused([](v1::Start& s) { s.clear_topic(); },
          "start.topic: is required, unless subscription names one that exists");
  refused([](v1::Start& s) { s.set_ack_mode(static_cast<v1::AckMode>(7)); },
          "start.ack_mode: 7: is not a known mode");
  refused([](v1::Start& s) { s.mutable_ack_deadline()->set_nanos(99'999'999); },
          "start.ack_deadline: 0 s 99999999 ns: between 100 ms and 600000 ms");
  refused([](v1::Start& s) { s.mutable_ack_deadline()->set_seconds(-1); },
          "start.ack_deadline: -1 s 0 ns: between 100 ms and 600000 ms");
  refused([](v1::Start& s) { s.mutable_ack_deadline()->set_seconds(601); },
          "start.ack_deadline: 601 s 0 ns: between 100 ms and 600000 ms");
  refused([](v1::Start& s) { s.mutable_ack_deadline()->set_seconds(INT64_MIN); },
          "start.ack_deadline: -9223372036854775808 s 0 ns: between 100 ms and 600000 ms");
  refused([](v1::Start& s) { s.mutable_credit()->set_max_messages(10'000'001); },
          "start.credit.max_messages: 10000001: at most 10000000");
  refused([](v1::Start& s) { s.mutable_credit()->set_max_bytes((uint64_t{4} << 30) + 1); },
          "start.credit.max_bytes: 4294967297: at most 4294967296");
  refused([](v1::Start& s) { s.mutable_credit()->set_return_bytes(1); },
          "start.credit: nothing is outstanding yet that could be returned");
  refused([](v1::Start& s) { s.mutable_from()->set_sequence(0); },
          "start.from.sequence: 0: at least 1");
  refused(
      [](v1::Start& s) { s.mutable_from()->set_position(static_cast<v1::StartFrom::Position>(4)); },
      "start.from.position: 4: is not a known position");
  refused([](v1::Start& s) { s.mutable_from()->mutable_time()->set_nanos(-1); },
          "start.from.time: 0 s -1 ns: is not a valid timestamp");
  refused(
      [](v1::Start& s) {
        s.set_ack_mode(v1::ACK_MODE_AUTO);
        s.mutable_ack_deadline()->set_seconds(1);
      },
      "start.ack_deadline: only with ACK_MODE_EXPLICIT");
}

TEST_CASE("Start belongs to the first request, and to no other") {
  CheckRefused(First({}), "start: is required in the first request");
  CheckRefused(Later(Explicit(), AckMode::kExplicit), "start: is for the first request only");
}

TEST_CASE("The first request may carry acks as well, in the mode it asks for") {
  v1::SubscribeRequest request = Explicit();
  request.add_ack_sequences(5);
  const auto result = First(request);
  REQUIRE(result.ok());
  REQUIRE(result->update.acks.size() == 1);
  request.mutable_start()->set_ack_mode(v1::ACK_MODE_AUTO);
  CheckRefused(First(request),
               "ack: acks, nacks, terminations and extensions need ACK_MODE_EXPLICIT");
}

TEST_CASE("Acks and nacks come as ranges and lists, and neighbours in a list become one range") {
  v1::SubscribeRequest request;
  *request.add_ack() = Range(1, 1);
  *request.add_ack() = Range(10, UINT64_MAX);
  for (const uint64_t s : {20, 21, 22, 30, 29}) request.add_ack_sequences(s);
  *request.add_nack() = Range(7, 8);
  for (const uint64_t s : {9, 11}) request.add_nack_sequences(s);
  const auto result = Later(request, AckMode::kExplicit);
  REQUIRE(result.ok());
  const auto pairs = [](const std::vector<SequenceRange>& ranges) {
    std::vector<std::pair<uint64_t, uint64_t>> out;
    for (const SequenceRange& range : ranges) out.emplace_back(range.first, range.last);
    return out;
  };
  using Pairs = std::vector<std::pair<uint64_t, uint64_t>>;
  CHECK(pairs(result->update.acks) ==
        Pairs{{1, 1}, {10, UINT64_MAX}, {20, 22}, {30, 30}, {29, 29}});
  CHECK(pairs(result->update.nacks) == Pairs{{7, 9}, {11, 11}});
}

TEST_CASE("A later request outside its limits is refused with field, value and rule") {
  const auto refused = [](const std::function<void(v1::SubscribeRequest&)>& change,
                          const std::string& message) {
    v1::SubscribeRequest request;
    change(request);
    CheckRefused(Later(request, AckMode::kExplicit), message);
  };
  const std::string rule = ": first is at least 1 and last at least first";
  refused([](auto& r) { *r.add_ack() = Range(0, 5); }, "ack: 0-5" + rule);
  refused([](auto& r) { *r.add_nack() = Range(6, 5); }, "nack: 6-5" + rule);
  refused([](auto& r) { r.add_ack_sequences(0); }, "ack_sequences: 0: at least 1");
  refused([](auto& r) { r.add_nack_sequences(0); }, "nack_sequences: 0: at least 1");
  refused([](auto& r) { *r.add_extend()->mutable_range() = Range(0, 0); },
          "extend.range: 0-0" + rule);
  refused(
      [](auto& r) {
        v1::Extension* e = r.add_extend();
        *e->mutable_range() = Range(1, 1);
        e->mutable_deadline()->set_seconds(600);
        e->mutable_deadline()->set_nanos(1'000'000);
      },
      "extend.deadline: 600 s 1000000 ns: between 0 ms and 600000 ms");
  refused(
      [](auto& r) {
        for (int i = 0; i < 10'001; ++i) *r.add_ack() = Range(1, 1);
      },
      "ack: 10001 entries: at most 10000");
  refused(
      [](auto& r) {
        for (int i = 0; i < 10'001; ++i) r.add_ack_sequences(1);
      },
      "ack_sequences: 10001 entries: at most 10000");
  refused(
      [](auto& r) {
        for (int i = 0; i < 10'001; ++i) *r.add_nack() = Range(1, 1);
      },
      "nack: 10001 entries: at most 10000");
  refused(
      [](auto& r) {
        for (int i = 0; i < 10'001; ++i) r.add_nack_sequences(1);
      },
      "nack_sequences: 10001 entries: at most 10000");
  refused(
      [](auto& r) {
        for (int i = 0; i < 10'001; ++i) *r.add_extend()->mutable_range() = Range(1, 1);
      },
      "extend: 10001 entries: at most 10000");
  refused([](auto& r) { r.mutable_credit()->set_max_messages(10'000'001); },
          "credit.max_messages: 10000001: at most 10000000");
  refused([](auto& r) { r.mutable_credit()->set_max_bytes(UINT64_MAX); },
          "credit.max_bytes: 18446744073709551615: at most 4294967296");
  refused([](auto& r) { r.mutable_credit()->set_return_messages(1); },
          "credit.return_messages: only with ACK_MODE_AUTO; acks return credit here");
}

TEST_CASE("The most entries that are allowed are taken") {
  v1::SubscribeRequest request;
  for (uint64_t i = 0; i < 10'000; ++i) {
    *request.add_ack() = Range(3 * i + 1, 3 * i + 1);
    request.add_ack_sequences(3 * i + 100'000);
    *request.add_extend()->mutable_range() = Range(i + 1, i + 1);
  }
  const auto result = Later(request, AckMode::kExplicit);
  REQUIRE(result.ok());
  CHECK(result->update.acks.size() == 20'000);
  CHECK(result->update.extensions.size() == 10'000);
}

TEST_CASE("With automatic acks only credit may be sent, and is returned") {
  v1::SubscribeRequest request;
  request.mutable_credit()->set_return_messages(3);
  request.mutable_credit()->set_return_bytes(UINT64_MAX);
  request.mutable_credit()->set_max_messages(9);
  const auto result = Later(request, AckMode::kAuto);
  REQUIRE(result.ok());
  CHECK(result->update.return_messages == 3);
  CHECK(result->update.return_bytes == UINT64_MAX);
  CHECK(result->update.credit.max_messages == 9);
  CHECK(result->update.credit.max_bytes == 0);
  for (const auto& change : std::vector<std::function<void(v1::SubscribeRequest&)>>{
           [](auto& r) { *r.add_ack() = Range(1, 1); }, [](auto& r) { r.add_ack_sequences(1); },
           [](auto& r) { *r.add_nack() = Range(1, 1); }, [](auto& r) { r.add_nack_sequences(1); },
           [](auto& r) { *r.add_extend()->mutable_range() = Range(1, 1); }}) {
    v1::SubscribeRequest settles;
    change(settles);
    CheckRefused(Later(settles, AckMode::kAuto),
                 "ack: acks, nacks, terminations and extensions need ACK_MODE_EXPLICIT");
  }
}

TEST_CASE("An extension carries its deadline, and without one it is a nack") {
  v1::SubscribeRequest request;
  v1::Extension* extension = request.add_extend();
  *extension->mutable_range() = Range(4, 9);
  extension->mutable_deadline()->set_nanos(1'999'999);
  *request.add_extend()->mutable_range() = Range(1, 2);
  const auto result = Later(request, AckMode::kExplicit);
  REQUIRE(result.ok());
  REQUIRE(result->update.extensions.size() == 2);
  CHECK(result->update.extensions[0].range.first == 4);
  CHECK(result->update.extensions[0].range.last == 9);
  CHECK(result->update.extensions[0].deadline_ms == 1);
  CHECK(result->update.extensions[1].deadline_ms == 0);
}

TEST_CASE("What is not a SubscribeRequest is refused") {
  const google::protobuf::LogSilencer quiet;
  for (const std::string& bytes :
       {std::string("\xff"), std::string("\x0a\x05t"), std::string("\x0a\x03\x0a\x01\xff", 5)}) {
    CheckRefused(Parse(bytes, true, AckMode::kAuto),
                 "request: not a well-formed estiba.v1.SubscribeRequest");
  }
}

TEST_CASE("Any bytes at all are either refused or within the limits") {
  v1::SubscribeRequest request = Explicit();
  request.mutable_start()->set_subscription("s");
  request.mutable_start()->mutable_from()->mutable_time()->set_seconds(1'700'000'000);
  request.mutable_start()->mutable_ack_deadline()->set_seconds(30);
  request.mutable_start()->mutable_credit()->set_max_bytes(1 << 20);
  *request.add_ack() = Range(100, 200);
  request.add_nack_sequences(300);
  *request.add_extend()->mutable_range() = Range(7, 8);
  const google::protobuf::LogSilencer quiet;
  const std::string good = request.SerializeAsString();
  std::mt19937_64 random(Seed());
  int taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (uint64_t n = 1 + random() % 3; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto result = Parse(bytes, true, AckMode::kAuto);
    if (!result.ok()) {
      REQUIRE(result.status().code() == absl::StatusCode::kInvalidArgument);
      continue;
    }
    ++taken;
    const ConsumerOptions& options = result->start.options;
    REQUIRE(options.credit.max_messages <= 10'000'000);
    REQUIRE(options.credit.max_bytes <= uint64_t{4} << 30);
    REQUIRE((options.ack_deadline_ms == 0 ||
             (options.ack_deadline_ms >= 100 && options.ack_deadline_ms <= 600'000)));
    for (const SequenceRange& range : result->update.acks) {
      REQUIRE(range.first >= 1);
      REQUIRE(range.last >= range.first);
    }
  }
  CHECK(taken > 100);
}

}  // namespace
}  // namespace estiba::testing

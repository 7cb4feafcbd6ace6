#include "broker/rpc/delivery_frame.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/queue/log.h"
#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

v1::SubscribeResponse Decode(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  REQUIRE(buffer.DumpToSingleSlice(&slice).ok());
  v1::SubscribeResponse response;
  REQUIRE(response.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  REQUIRE(response.GetReflection()->GetUnknownFields(response).empty());
  return response;
}

// A topic's log, as far as a frame needs one.
struct FrameFixture {
  // Appends messages "<prefix>0", "<prefix>1", ... of this size.
  void Append(int count, size_t bytes, int64_t time_ms, const std::string& prefix = "") {
    v1::SubscribeResponse records;
    for (int i = 0; i < count; ++i) {
      std::string data = absl::StrCat(prefix, i);
      data.resize(std::max(data.size(), bytes), '.');
      records.add_messages()->set_data(data);
    }
    const std::string encoded = records.SerializeAsString();
    REQUIRE(log->Append(encoded.data(), static_cast<uint32_t>(encoded.size()),
                        static_cast<uint32_t>(count), time_ms, time_ms));
  }
  Delivery Take(uint64_t from, uint32_t count, uint32_t attempt = 1) {
    Cursor cursor = log->At(from);
    return Delivery(cursor.Peek(1 << 30, count), attempt);
  }

  std::shared_ptr<Storage> storage =
      std::make_shared<Storage>(std::make_shared<Memory>(0, 1 << 20), 0);
  std::unique_ptr<Log> log = std::make_unique<Log>(storage);
};

TEST_CASE("A delivery decodes as what was stored, with sequence, count, attempt and time") {
  FrameFixture f;
  const size_t bytes = GENERATE(size_t{0}, size_t{100}, size_t{5000});
  f.Append(50, bytes, 1'700'000'000'123);
  const Delivery delivery = f.Take(11, 20, 3);
  REQUIRE(delivery.messages() == 20);
  const v1::SubscribeResponse response = Decode(EncodeDelivery(delivery));
  CHECK(response.first_sequence() == 11);
  CHECK(response.count() == 20);
  CHECK(response.delivery_attempt() == 3);
  CHECK(response.publish_time_ms() == 1'700'000'000'123);
  CHECK(response.time_marks_size() == 0);
  CHECK_FALSE(response.has_gap());
  CHECK_FALSE(response.has_started());
  REQUIRE(response.messages_size() == 20);
  for (int i = 0; i < 20; ++i) {
    CHECK(response.messages(i).data().substr(0, 2) == absl::StrCat(10 + i));
  }
}

TEST_CASE("Time marks say from which message on a later time holds") {
  FrameFixture f;
  f.Append(3, 10, 1000);
  f.Append(2, 10, 1000);
  f.Append(1, 10, 1007);
  f.Append(4, 10, 2000);
  const auto times = [&](uint64_t from, uint32_t count) {
    const v1::SubscribeResponse response = Decode(EncodeDelivery(f.Take(from, count)));
    std::vector<int64_t> all;
    int mark = 0;
    int64_t time = response.publish_time_ms();
    for (int i = 0; i < response.messages_size(); ++i) {
      if (mark < response.time_marks_size() &&
          response.time_marks(mark).index() == static_cast<uint32_t>(i)) {
        time = response.publish_time_ms() + response.time_marks(mark++).later_ms();
      }
      all.push_back(time);
    }
    CHECK(mark == response.time_marks_size());
    return all;
  };
  CHECK(times(1, 10) ==
        std::vector<int64_t>{1000, 1000, 1000, 1000, 1000, 1007, 2000, 2000, 2000, 2000});
  CHECK(times(5, 3) == std::vector<int64_t>{1000, 1007, 2000});
  CHECK(times(6, 1) == std::vector<int64_t>{1007});
  CHECK(times(7, 4) == std::vector<int64_t>{2000, 2000, 2000, 2000});
}

TEST_CASE("A large delivery refers to the stored bytes, and keeps them until it is sent") {
  FrameFixture f;
  f.Append(100, 1000, 1000);
  const uint64_t held = f.storage->budget.UsedApprox();
  REQUIRE(held > 100'000);
  auto buffer = std::make_unique<grpc::ByteBuffer>();
  {
    const Delivery delivery = f.Take(1, 100);
    *buffer = EncodeDelivery(delivery);
    std::vector<grpc::Slice> slices;
    REQUIRE(buffer->Dump(&slices).ok());
    REQUIRE(slices.size() == 2);
    CHECK(reinterpret_cast<const char*>(slices[1].begin()) == delivery.runs()[0].data());
    CHECK(slices[0].size() < 64);
  }
  f.log = nullptr;
  CHECK(f.storage->budget.UsedApprox() > 100'000);
  const v1::SubscribeResponse response = Decode(*buffer);
  REQUIRE(response.messages_size() == 100);
  CHECK(response.messages(99).data().size() == 1000);
  buffer = nullptr;
  CHECK(f.storage->budget.UsedApprox() == 0);
}

TEST_CASE("A small delivery is a copy, and keeps nothing") {
  FrameFixture f;
  f.Append(1, 500, 1000);
  const grpc::ByteBuffer buffer = EncodeDelivery(f.Take(1, 1));
  f.log = nullptr;
  CHECK(f.storage->budget.UsedApprox() == 0);
  CHECK(Decode(buffer).messages(0).data().size() == 500);
}

// What a client makes of a frame's marks.
std::vector<std::pair<uint64_t, int64_t>> Places(const v1::SubscribeResponse& response) {
  std::vector<std::pair<uint64_t, int64_t>> places;
  uint64_t skipped = 0;
  uint64_t later_ms = 0;
  for (uint32_t i = 0; i < static_cast<uint32_t>(response.messages_size()); ++i) {
    for (const v1::SequenceMark& mark : response.sequence_marks()) {
      if (mark.index() == i) skipped = mark.skipped();
    }
    for (const v1::TimeMark& mark : response.time_marks()) {
      if (mark.index() == i) later_ms = mark.later_ms();
    }
    places.emplace_back(response.first_sequence() + i + skipped,
                        response.publish_time_ms() + static_cast<int64_t>(later_ms));
  }
  return places;
}

TEST_CASE("Several runs travel as one frame, and marks say where sequences and times jump") {
  FrameFixture f;
  f.Append(4, 10, 1000);
  f.Append(4, 10, 1500);
  f.Append(4, 10, 1500);
  f.Append(1, 10, 9000);
  Delivery delivery;
  delivery.attempt = 2;
  for (const auto& [from, count] : std::vector<std::pair<uint64_t, uint32_t>>{
           {2, 2}, {5, 1}, {6, 1}, {9, 2}, {11, 1}, {13, 1}}) {
    delivery.Add(f.Take(from, count).runs()[0]);
  }
  CHECK(delivery.runs().size() == 4);
  const v1::SubscribeResponse response = Decode(EncodeDelivery(delivery));
  CHECK(response.count() == 8);
  CHECK(response.delivery_attempt() == 2);
  CHECK(response.sequence_marks_size() == 3);
  CHECK(response.time_marks_size() == 2);
  CHECK(Places(response) == std::vector<std::pair<uint64_t, int64_t>>{{2, 1000},
                                                                      {3, 1000},
                                                                      {5, 1500},
                                                                      {6, 1500},
                                                                      {9, 1500},
                                                                      {10, 1500},
                                                                      {11, 1500},
                                                                      {13, 9000}});
}

TEST_CASE("A frame of small and large runs copies the small ones together and refers to the rest") {
  FrameFixture f;
  for (int i = 0; i < 6; ++i)
    f.Append(2, i == 2 || i == 5 ? 4000 : 100, 1000, absl::StrCat(i, "-"));
  Delivery delivery;
  for (const uint64_t from : {1, 3, 5, 7, 9, 11}) delivery.Add(f.Take(from, 1).runs()[0]);
  const grpc::ByteBuffer buffer = EncodeDelivery(delivery);
  std::vector<grpc::Slice> slices;
  REQUIRE(buffer.Dump(&slices).ok());
  REQUIRE(slices.size() == 4);
  CHECK(reinterpret_cast<const char*>(slices[1].begin()) == delivery.runs()[2].data());
  CHECK(reinterpret_cast<const char*>(slices[3].begin()) == delivery.runs()[5].data());
  const v1::SubscribeResponse response = Decode(buffer);
  REQUIRE(response.messages_size() == 6);
  for (int i = 0; i < 6; ++i) {
    CHECK(response.messages(i).data().substr(0, 3) == absl::StrCat(i, "-0"));
  }
}

TEST_CASE("A gap says which messages and why") {
  const auto reason = [](GapReason r) { return Decode(EncodeGap({5, 9, r})).gap().reason(); };
  CHECK(reason(GapReason::kRetention) == v1::Gap::RETENTION);
  CHECK(reason(GapReason::kDroppedOldest) == v1::Gap::DROPPED_OLDEST);
  CHECK(reason(GapReason::kNotKept) == v1::Gap::NOT_KEPT);
  const v1::SubscribeResponse response = Decode(EncodeGap({5, 9, GapReason::kRetention}));
  CHECK(response.gap().range().first() == 5);
  CHECK(response.gap().range().last() == 9);
  CHECK(response.count() == 0);
}

TEST_CASE("Started says topic, subscription, next sequence, deadline and incarnation") {
  const v1::SubscribeResponse named =
      Decode(EncodeStarted({"orders", "billing", 77, 12'345, false, 1234}));
  CHECK(named.started().topic() == "orders");
  CHECK(named.started().subscription() == "billing");
  CHECK(named.started().next_sequence() == 77);
  CHECK(named.started().incarnation() == 1234);
  CHECK(named.started().ack_deadline().seconds() == 12);
  CHECK(named.started().ack_deadline().nanos() == 345'000'000);
  const v1::SubscribeResponse its_own = Decode(EncodeStarted({"orders", "", 1, 0}));
  REQUIRE(its_own.has_started());
  CHECK(its_own.started().subscription().empty());
  CHECK_FALSE(its_own.started().has_ack_deadline());
}

}  // namespace
}  // namespace estiba::testing

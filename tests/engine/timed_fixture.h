// A broker of one topic, and messages that say when they are to be published and how long they
// live.
#ifndef TESTS_ENGINE_TIMED_FIXTURE_H_
#define TESTS_ENGINE_TIMED_FIXTURE_H_

#include <memory>
#include <string>

#include "broker/base/wire_writer.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {

inline std::string Timed(const std::string& data, const MessageTimes& times,
                         const std::string& key = "") {
  std::string message;
  WireWriter writer(message);
  writer.Bytes(1, data);
  if (!key.empty()) writer.Bytes(5, key);
  const auto time = [&](uint32_t field, int64_t ms) {
    if (ms != 0) writer.Varint(field, static_cast<uint64_t>(ms));
  };
  time(MessageTimes::kDeliverAfter, times.deliver_after_ms);
  time(MessageTimes::kDeliverAt, times.deliver_at_ms);
  time(MessageTimes::kTimeToLive, times.time_to_live_ms);
  return message;
}
inline std::string After(const std::string& data, int64_t ms) { return Timed(data, {ms, 0, 0}); }
inline std::string At(const std::string& data, int64_t ms) { return Timed(data, {0, ms, 0}); }
inline std::string Living(const std::string& data, int64_t ms, const std::string& key = "") {
  return Timed(data, {0, 0, ms}, key);
}
inline std::string Plain(const std::string& data) { return Timed(data, {}); }
// Field 1 of a message.
inline std::string DataOf(const std::string& message) {
  WireReader reader(message);
  uint32_t field = 0;
  uint32_t type = 0;
  std::string_view data;
  REQUIRE((reader.ReadTag(&field, &type) && reader.ReadBytes(&data)));
  return std::string(data);
}

struct TimedFixture : Fixture {
  explicit TimedFixture(const TopicConfig& config = {}, const BrokerOptions& options = {})
      : Fixture(options) {
    topic = Topic("t", config);
  }
  std::shared_ptr<Batch> PublishTimed(const Strings& bodies, const std::string& producer = "",
                                      uint64_t number = 0) {
    auto batch = std::make_shared<Batch>(bodies);
    batch->TakeTimesOf(bodies);
    if (!producer.empty()) batch->SetProducer(producer, number);
    batches.push_back(batch);
    topic->Publish(batch.get());
    Settle();
    return batch;
  }
  void Pass(int64_t ms) {
    world.AdvanceAndSettle(ms);
    Settle();
  }
  // What the stream has got, by its data.
  static Strings DataOf(const StreamPtr& stream) {
    Strings data;
    for (const std::string& body : stream->bodies()) data.push_back(testing::DataOf(body));
    return data;
  }
  int64_t Now() const { return world.clock.WallMillis(); }

  TopicPtr topic;
};

}  // namespace estiba::testing

#endif  // TESTS_ENGINE_TIMED_FIXTURE_H_

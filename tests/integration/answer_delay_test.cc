// PublishRequest.max_answer_delay_ms: which answers may wait for others, and which do not.
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

constexpr int kInvalid = static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT);
constexpr uint32_t kLongestMs = 10'000;

// A stream whose first batch, to the topic `t`, has been answered.
class Stream {
 public:
  Stream(BrokerUnderTest& broker, uint32_t delay_ms) : stream_(broker.client, kPublish) {
    v1::PublishRequest first = Batch("t", 1, {"1"});
    first.set_max_answer_delay_ms(delay_ms);
    REQUIRE(stream_.Write(first));
    REQUIRE(Read() == 1);
  }

  void Publish(int count, const std::string& data = "x") {
    for (int i = 0; i < count; ++i) REQUIRE(stream_.Write(Batch("t", ++last_, {data})));
  }
  // How many answers the next response has; those without an error go on in order.
  int Read() {
    v1::PublishResponse response;
    REQUIRE(stream_.Read(&response));
    for (const v1::BatchResult& result : response.results()) {
      if (!result.has_error()) CHECK(result.first_sequence() == ++answered_);
    }
    return response.results_size();
  }
  PublishStream& stream() { return stream_; }

 private:
  PublishStream stream_;
  uint64_t last_ = 1;
  uint64_t answered_ = 0;
};

TEST_CASE("Held back, answers go together when there are 128 of them") {
  BrokerUnderTest broker;
  const absl::Time start = absl::Now();
  Stream stream(broker, kLongestMs);  // its answer has come: the first waits for no others
  stream.Publish(127);
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().next_sequence() == 129; }));
  stream.Publish(1);
  CHECK(stream.Read() == 128);
  // Not because the time was up.
  CHECK(absl::Now() - start < absl::Milliseconds(kLongestMs));
}

TEST_CASE("Held back, answers go together when their batches make 64 KiB") {
  BrokerUnderTest broker;
  const absl::Time start = absl::Now();
  Stream stream(broker, kLongestMs);
  stream.Publish(2, std::string(30'000, 'x'));
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().next_sequence() == 4; }));
  stream.Publish(1, std::string(30'000, 'x'));
  CHECK(stream.Read() == 3);
  CHECK(absl::Now() - start < absl::Milliseconds(kLongestMs));
}

TEST_CASE("An error waits for nothing, and takes along what waits") {
  BrokerUnderTest broker;
  const absl::Time start = absl::Now();
  Stream stream(broker, kLongestMs);
  stream.Publish(2);
  REQUIRE(stream.stream().Write(Batch("t", 4, {})));
  v1::PublishResponse response;
  int answers = 0;
  while (answers < 3 && stream.stream().Read(&response)) answers += response.results_size();
  REQUIRE(answers == 3);
  CHECK(response.results(response.results_size() - 1).error().code() == kInvalid);
  CHECK(absl::Now() - start < absl::Milliseconds(kLongestMs));
}

TEST_CASE(
    "The answer to a batch that is refused keeps its place, whatever those before it wait for") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::BLOCK);
  config.set_budget_bytes(64 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  REQUIRE(broker.CreateTopic("elsewhere").ok());
  PublishStream stream(broker.client, kPublish);
  const std::string large(40 << 10, 'x');
  REQUIRE(stream.Write(Batch("t", 1, {large})));
  REQUIRE(stream.Write(Batch("t", 2, {large})));  // waits for room
  REQUIRE(stream.Write(Batch("t", 3, {})));
  REQUIRE(stream.Write(Batch("elsewhere", 4, {})));
  REQUIRE(stream.Write(Batch("t", 5, {})));
  std::vector<uint64_t> answered;
  bool consumed = false;
  v1::PublishResponse response;
  while (answered.size() < 5 && stream.Read(&response)) {
    for (const v1::BatchResult& result : response.results()) answered.push_back(result.batch());
    if (answered.size() < 2 || std::exchange(consumed, true)) continue;
    // The other topic's does not wait.
    REQUIRE(answered == std::vector<uint64_t>{1, 4});
    SubscribeStream consumer(broker.client, StartOf("t", "", v1::ACK_MODE_AUTO));
    CHECK(consumer.Take(2).size() == 2);
  }
  CHECK(answered == std::vector<uint64_t>{1, 4, 2, 3, 5});
  CHECK(broker.GetTopic("t").stats().blocked_batches() == 1);
}

TEST_CASE("Of many batches, answers come in their order, whichever are refused") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  std::thread writer([&] {
    for (uint64_t i = 1; i <= 3000; ++i) {
      const bool sound = i % 7 != 0 && i % 3 != 0;
      if (!stream.Write(
              Batch("t", i, sound ? std::vector<std::string>{"x"} : std::vector<std::string>{}))) {
        break;
      }
    }
  });
  uint64_t answered = 0;
  bool in_order = true;
  v1::PublishResponse response;
  while (answered < 3000 && stream.Read(&response)) {
    for (const v1::BatchResult& result : response.results()) {
      in_order = in_order && result.batch() == ++answered;
      in_order = in_order && result.has_error() == (answered % 7 == 0 || answered % 3 == 0);
    }
  }
  writer.join();
  CHECK(in_order);
  CHECK(answered == 3000);
}

TEST_CASE("Answers come in their order also where the topic is deleted meanwhile") {
  const bool create_on_use = GENERATE(true, false);
  BrokerUnderTest broker({absl::StrCat("--auto-create-topics=", create_on_use ? "true" : "false")});
  REQUIRE(broker.CreateTopic("t").ok());
  constexpr uint64_t kBatches = 20'000;
  PublishStream stream(broker.client, kPublish);
  std::thread writer([&] {
    const std::vector<std::string> data(8, std::string(500, 'x'));
    for (uint64_t i = 1; i <= kBatches && stream.Write(Batch("t", i, data)); ++i) {
    }
  });
  std::atomic<bool> done{false};
  std::thread deleter([&] {
    v1::DeleteTopicRequest request;
    request.set_name("t");
    google::protobuf::Empty empty;
    while (!done) {
      broker.client.Call("/estiba.v1.Admin/DeleteTopic", request, &empty);
      broker.CreateTopic("t");
    }
  });
  uint64_t answered = 0;
  uint64_t taken = 0;
  bool in_order = true;
  v1::PublishResponse response;
  while (answered < kBatches && stream.Read(&response)) {
    for (const v1::BatchResult& result : response.results()) {
      in_order = in_order && result.batch() == ++answered;
      taken += !result.has_error();
    }
  }
  done = true;
  writer.join();
  deleter.join();
  CHECK(in_order);
  CHECK(answered == kBatches);
  CHECK(taken > 0);
}

TEST_CASE("A refused batch waits behind nobody else's, and goes when its stream does") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::BLOCK);
  config.set_budget_bytes(64 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  const std::string large(40 << 10, 'x');
  PublishStream waits(broker.client, kPublish);
  REQUIRE(waits.Write(Batch("t", 1, {large})));
  REQUIRE(waits.Write(Batch("t", 2, {large})));
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().blocked_batches() == 1; }));
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("t", 1, {})));
  v1::PublishResponse response;
  REQUIRE(stream.Read(&response));
  REQUIRE(response.results_size() == 1);
  CHECK(response.results(0).error().code() == kInvalid);
}

TEST_CASE("A client may ask for the answers that are held back, with or without a batch") {
  BrokerUnderTest broker;
  const absl::Time start = absl::Now();
  Stream stream(broker, kLongestMs);
  v1::PublishRequest ask;
  ask.set_answer_now(true);
  stream.Publish(3);
  REQUIRE(stream.stream().Write(ask));
  for (int answers = 0; answers < 3;) answers += stream.Read();
  stream.Publish(1);
  v1::PublishRequest batch = Batch("t", 6, {"x"});
  batch.set_answer_now(true);
  REQUIRE(stream.stream().Write(batch));
  for (int answers = 0; answers < 2;) answers += stream.Read();
  // And after that answers are held back again.
  stream.Publish(1);
  REQUIRE(stream.stream().Write(ask));
  CHECK(stream.Read() == 1);
  CHECK(absl::Now() - start < absl::Milliseconds(kLongestMs));
}

TEST_CASE("The first batch that is taken is answered at once, also after others were refused") {
  BrokerUnderTest broker;
  const absl::Time start = absl::Now();
  PublishStream stream(broker.client, kPublish);
  v1::PublishRequest refused = Batch("t", 1, {});
  refused.set_max_answer_delay_ms(kLongestMs);
  v1::PublishResponse response;
  REQUIRE(stream.Write(refused));
  REQUIRE(stream.Read(&response));
  CHECK(response.results(0).error().code() == kInvalid);
  REQUIRE(stream.Write(Batch("t", 2, {"x"})));
  REQUIRE(stream.Read(&response));
  CHECK(response.results(0).first_sequence() == 1);
  CHECK(absl::Now() - start < absl::Milliseconds(kLongestMs));
}

TEST_CASE("After the half-close nothing is held back") {
  BrokerUnderTest broker;
  const absl::Time start = absl::Now();
  Stream stream(broker, kLongestMs);
  stream.Publish(3);
  stream.stream().HalfClose();
  for (int answers = 0; answers < 3;) answers += stream.Read();
  CHECK(stream.stream().Finish().ok());
  CHECK(absl::Now() - start < absl::Milliseconds(kLongestMs));
}

TEST_CASE("When the time is up, what waits is sent, though nothing more comes") {
  BrokerUnderTest broker;
  Stream stream(broker, 1);
  for (int i = 0; i < 20; ++i) {
    stream.Publish(1);
    CHECK(stream.Read() == 1);
  }
}

TEST_CASE("A batch that waits for room longer than answers may wait is answered when it has room") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::BLOCK);
  config.set_budget_bytes(64 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  Stream stream(broker, 1);
  REQUIRE(stream.stream().Write(Batch("t", 2, {std::string(40 << 10, 'x')})));
  REQUIRE(stream.Read() == 1);
  REQUIRE(stream.stream().Write(Batch("t", 3, {std::string(40 << 10, 'x')})));
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().blocked_batches() > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the time runs out several times
  SubscribeStream consumer(broker.client, StartOf("t", "", v1::ACK_MODE_AUTO));
  CHECK(consumer.Take(3).size() == 3);
  CHECK(stream.Read() == 1);
}

TEST_CASE("The delay is at most ten seconds, and set by the first request alone") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  v1::PublishRequest request = Batch("t", 1, {"a"});
  request.set_max_answer_delay_ms(kLongestMs + 1);
  REQUIRE(stream.Write(request));
  request.set_max_answer_delay_ms(5);
  REQUIRE(stream.Write(request));
  std::string refusals;
  v1::PublishResponse response;
  for (int answers = 0; answers < 2 && stream.Read(&response); answers += response.results_size()) {
    for (const auto& result : response.results()) refusals += result.error().message() + "\n";
  }
  CHECK(refusals ==
        "max_answer_delay_ms: 10001: at most 10000\n"
        "max_answer_delay_ms: is set in the first request of a stream only\n");
}

}  // namespace
}  // namespace estiba::testing

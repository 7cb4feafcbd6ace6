// Exactly-once subscriptions, promise by promise of proto/estiba/v1/broker.proto (Verdicts).
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

v1::Start Once(const std::string& topic, const std::string& name) {
  v1::Start start = StartOf(topic, name);
  start.mutable_config()->set_exactly_once(true);
  return start;
}

v1::SubscribeRequest Acks(uint64_t first, uint64_t last) {
  v1::SubscribeRequest request;
  request.add_ack()->set_first(first);
  request.mutable_ack(0)->set_last(last);
  return request;
}

// A stream that notes messages and answers.
struct OnceStream {
  OnceStream(BrokerUnderTest& broker, const v1::Start& start) : stream(broker.client, kSubscribe) {
    v1::SubscribeRequest request;
    *request.mutable_start() = start;
    stream.Write(request);
  }
  // Reads one response. False: the stream is over.
  bool ReadOne() {
    v1::SubscribeResponse response;
    if (!stream.Read(&response)) return false;
    if (response.has_started()) started = response.started();
    for (const v1::TopicChange& change : response.topic_changes()) {
      topics[change.name()] = change.topic();
    }
    messages += response.messages_size();
    for (const v1::Verdicts& verdicts : response.verdicts()) {
      for (const v1::Verdict& v : verdicts.verdicts()) {
        absl::StrAppend(&part, verdicts.topic() != 0 ? absl::StrCat(verdicts.topic(), ": ") : "",
                        v1::Verdict::Of_Name(v.of()), " ", v.first(), "-", v.last(), " ",
                        v1::Verdict::Outcome_Name(v.outcome()), "; ");
      }
      if (verdicts.more()) continue;
      answers.push_back(std::exchange(part, ""));
    }
    return true;
  }
  bool TakeMessages(int count) {
    while (messages < count && ReadOne()) {
    }
    return messages >= count;
  }
  bool TakeAnswers(size_t count) {
    while (answers.size() < count && ReadOne()) {
    }
    return answers.size() >= count;
  }

  RawStream<v1::SubscribeRequest, v1::SubscribeResponse> stream;
  v1::Started started;
  std::map<std::string, uint32_t> topics;
  int messages = 0;
  std::string part;
  std::vector<std::string> answers;
};

TEST_CASE("Exactly once: each request with acks and the like is answered, in order") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 6));
  OnceStream s(broker, Once("t", "s"));
  REQUIRE(s.TakeMessages(6));
  CHECK(s.started.exactly_once());
  REQUIRE(s.stream.Write(Acks(1, 2)));
  v1::SubscribeRequest mixed = Acks(2, 3);
  mixed.add_ack_sequences(9);
  mixed.add_nack_sequences(4);
  mixed.add_extend()->mutable_range()->set_first(4);
  mixed.mutable_extend(0)->mutable_range()->set_last(5);
  mixed.mutable_extend(0)->mutable_deadline()->set_seconds(60);
  REQUIRE(s.stream.Write(mixed));
  v1::SubscribeRequest credit;
  credit.mutable_credit()->set_max_messages(100);
  REQUIRE(s.stream.Write(credit));  // not answered
  REQUIRE(s.stream.Write(Acks(6, 6)));
  REQUIRE(s.TakeAnswers(3));
  CHECK(s.answers[0] == "ACK 1-2 DONE; ");
  CHECK(s.answers[1] ==
        "ACK 2-2 REFUSED; ACK 3-3 DONE; ACK 9-9 REFUSED; NACK 4-4 DONE; "
        "EXTEND 4-4 REFUSED; EXTEND 5-5 DONE; ");
  CHECK(s.answers[2] == "ACK 6-6 DONE; ");
  const v1::Subscription shown = broker.GetSubscription("s");
  CHECK(shown.config().exactly_once());
  CHECK(shown.stats().acked_messages() == 4);
  CHECK(shown.stats().refused_acks() == 1);
}

TEST_CASE("Exactly once: an ack of another stream, or after a crash, is refused") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  auto first = std::make_unique<OnceStream>(broker, Once("t", "s"));
  REQUIRE(first->TakeMessages(1));
  OnceStream second(broker, Once("t", "s"));
  REQUIRE(second.stream.Write(Acks(1, 1)));
  REQUIRE(second.TakeAnswers(1));
  CHECK(second.answers[0] == "ACK 1-1 REFUSED; ");
  first = nullptr;
  REQUIRE(second.TakeMessages(1));
  REQUIRE(second.stream.Write(Acks(1, 1)));
  REQUIRE(second.TakeAnswers(2));
  CHECK(second.answers[1] == "ACK 1-1 DONE; ");
}

TEST_CASE("Exactly once: consumers with automatic acks are refused, and nothing is made for them") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  v1::Start start = Once("t", "s");
  start.set_ack_mode(v1::ACK_MODE_AUTO);
  {
    OnceStream s(broker, start);
    const grpc::Status status = s.stream.Finish();
    CHECK(status.error_code() == grpc::FAILED_PRECONDITION);
    CHECK(status.error_message().find("ACK_MODE_EXPLICIT") != std::string::npos);
    CHECK(broker.GetSubscription("s").name().empty());
  }
  OnceStream good(broker, Once("t", "s"));
  REQUIRE(good.TakeMessages(1));
  OnceStream late(broker, StartOf("t", "s", v1::ACK_MODE_AUTO));
  CHECK(late.stream.Finish().error_code() == grpc::FAILED_PRECONDITION);
}

TEST_CASE("Exactly once: a stream asked to stop answers first, and ends with OK") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 3));
  OnceStream s(broker, Once("t", GENERATE("s", "")));
  REQUIRE(s.TakeMessages(3));
  REQUIRE(s.stream.Write(Acks(1, 1)));
  v1::SubscribeRequest last = Acks(2, 4);
  last.set_stop(true);
  REQUIRE(s.stream.Write(last));
  while (s.ReadOne()) {
  }
  CHECK(s.answers == std::vector<std::string>{"ACK 1-1 DONE; ", "ACK 2-3 DONE; ACK 4-4 REFUSED; "});
  CHECK(s.stream.Finish().ok());
}

TEST_CASE("Exactly once: over a pattern, answers carry the number of their topic") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t.a", 2));
  REQUIRE(broker.PublishNumbers("t.b", 1));
  OnceStream s(broker, Once("t.>", "s"));
  REQUIRE(s.TakeMessages(3));
  CHECK(s.started.exactly_once());
  v1::SubscribeRequest request;
  for (const char* const topic : {"t.a", "t.b"}) {
    v1::TopicUpdate* const update = request.add_topic_updates();
    update->set_topic(s.topics[topic]);
    update->add_ack_sequences(1);
  }
  request.add_topic_updates()->set_topic(77);
  request.mutable_topic_updates(2)->add_ack_sequences(5);
  request.set_stop(true);
  REQUIRE(s.stream.Write(request));
  while (s.ReadOne()) {
  }
  std::sort(s.answers.begin(), s.answers.end());
  std::vector<std::string> due = {absl::StrCat(s.topics["t.a"], ": ACK 1-1 DONE; "),
                                  absl::StrCat(s.topics["t.b"], ": ACK 1-1 DONE; "),
                                  "77: ACK 5-5 REFUSED; "};
  std::sort(due.begin(), due.end());
  CHECK(s.answers == due);
  CHECK(s.stream.Finish().ok());
}

TEST_CASE("Exactly once: a client that acks and does not read is read no further") {
  constexpr int kRequests = 300;
  constexpr uint64_t kEntries = 10'000;
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  OnceStream s(broker, Once("t", "s"));
  REQUIRE(s.TakeMessages(1));
  v1::SubscribeRequest request;
  for (uint64_t i = 0; i < kEntries; ++i) request.add_ack_sequences(2 * i + 1);
  std::atomic<int> written{0};
  std::thread writer([&] {
    for (int i = 0; i < kRequests && s.stream.Write(request); ++i) ++written;
  });
  // Until nothing moves any more. (On a slow machine perhaps too early, which does no harm.)
  for (int before = -1; before != written;) {
    before = written;
    absl::SleepFor(absl::Seconds(1));
  }
  const uint64_t refused = broker.GetSubscription("s").stats().refused_acks();
  CHECK(refused < kRequests - 1);  // of sequence 1, one for each request read but the first
  CHECK(s.TakeAnswers(kRequests));
  writer.join();
  CHECK(written == kRequests);
  CHECK(broker.GetSubscription("s").stats().refused_acks() == kRequests - 1);
}

}  // namespace
}  // namespace estiba::testing

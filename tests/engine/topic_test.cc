// Topics: sequences, duplicates, what happens when memory is full, retention, deletion.
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

constexpr uint64_t kLimit = 64 << 10;

TopicConfig Limited(FullPolicy policy) {
  TopicConfig config;
  config.full_policy = policy;
  config.budget_bytes = kLimit;
  return config;
}

StartPosition FromSequence(uint64_t sequence) {
  return {StartPosition::Kind::kSequence, sequence, 0};
}

TEST_CASE("Topic: batches get sequences from 1 without holes") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  CHECK(f.Publish(topic, {"a", "b"})->result.first_sequence == 1);
  const auto second = f.Publish(topic, {"c"});
  CHECK(second->result.first_sequence == 3);
  CHECK(second->result.count == 1);
  CHECK(topic->Stats().next_sequence == 4);
  CHECK(topic->Stats().held_messages == 3);
  CHECK(topic->Stats().figures.published_messages == 3);
}

TEST_CASE("Topic: a batch sent twice is stored once and answered alike") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  f.Publish(topic, {"a", "b"}, "me", 1);
  f.Publish(topic, {"x"});
  const auto again = f.Publish(topic, {"a", "b"}, "me", 1);
  CHECK(again->result.duplicate);
  CHECK(again->result.first_sequence == 1);
  CHECK(again->result.count == 2);
  CHECK(topic->Stats().next_sequence == 4);
  CHECK(topic->Stats().figures.duplicate_batches == 1);
}

TEST_CASE("Topic: a batch that skips a number is aborted, naming the one that must come first") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  f.Publish(topic, {"a"}, "me", 7);
  const auto skipping = f.Publish(topic, {"c"}, "me", 9);
  CHECK(skipping->result.status.code() == absl::StatusCode::kAborted);
  CHECK_THAT(std::string(skipping->result.status.message()), HasText("batch 8"));
  CHECK(f.Publish(topic, {"b"}, "me", 8)->taken());
}

TEST_CASE("Topic: a batch of 300 batches ago is aborted, not stored again") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  for (uint64_t i = 1; i <= 300; ++i) f.Publish(topic, {"m"}, "me", i);
  CHECK(f.Publish(topic, {"m"}, "me", 1)->result.status.code() == absl::StatusCode::kAborted);
  CHECK(f.Publish(topic, {"m"}, "me", 45)->result.duplicate);
  CHECK(topic->Stats().next_sequence == 301);
}

TEST_CASE(
    "Topic: full under reject refuses with a time to retry, and takes again after consumption") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kReject));
  const int taken = f.Fill(topic, 1000);
  CHECK(taken > 50);
  const PublishResult& refused = f.batches.back()->result;
  CHECK(refused.status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(refused.retry_after_ms > 0);
  CHECK(topic->Stats().held_bytes <= kLimit);
  CHECK(topic->Stats().figures.rejected_messages == 1);

  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stream = f.Consume(s);
  f.Take(s, stream);
  CHECK(stream->bodies().size() == static_cast<size_t>(taken));
  CHECK(f.Publish(topic, {std::string(1000, 'y')})->taken());
}

TEST_CASE("Topic: full under block waits, in order, until something is consumed") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kBlock));
  const int taken = f.Fill(topic, 1000);
  const auto first = f.batches.back();
  const auto second = f.Publish(topic, {"small enough to fit anywhere"});
  CHECK(!first->answered());
  CHECK(!second->answered());
  CHECK(topic->Stats().figures.blocked_batches == 2);
  // Both are told where they wait, and those before them did not.
  for (const auto& batch : f.batches) CHECK(batch->waited_in.empty() == batch->answered());

  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stream = f.Consume(s);
  f.Take(s, stream);
  CHECK(first->taken());
  CHECK(second->taken());
  CHECK(first->waited_in == std::vector<Topic*>{topic.get()});
  CHECK(second->waited_in == std::vector<Topic*>{topic.get()});
  CHECK(second->result.first_sequence == static_cast<uint64_t>(taken) + 2);
  CHECK(stream->bodies().size() == static_cast<size_t>(taken) + 2);
}

TEST_CASE("Topic: full under block goes on when the memory of another topic comes free") {
  BrokerOptions options;
  options.budget_bytes = 256 << 10;
  Fixture f(options);
  TopicConfig block;
  block.full_policy = FullPolicy::kBlock;
  const TopicPtr hog = f.Topic("hog");
  const TopicPtr topic = f.Topic("t", block);
  while (f.Publish(hog, {std::string(2000, 'x')})->taken()) {
  }
  f.Fill(topic, 3000);
  const auto waiting = f.batches.back();
  CHECK(!waiting->answered());
  REQUIRE(f.broker->DeleteTopic("hog").ok());
  f.Settle();
  CHECK(waiting->taken());
}

TEST_CASE("Topic: a blocked batch that can never fit is refused at once") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kBlock));
  const auto batch = f.Publish(topic, {std::string(2 * kLimit, 'x')});
  CHECK(batch->result.status.code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("Topic: an abandoned waiting batch is answered, and those behind it get their chance") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kBlock));
  f.Publish(topic, {std::string(20'000, 'x')});
  const auto large = f.Publish(topic, {std::string(45'000, 'y')});
  const auto small = f.Publish(topic, {"z"});
  REQUIRE(!large->answered());
  REQUIRE(!small->answered());
  large->abandoned_flag = true;
  topic->DropAbandoned();
  f.Settle();
  CHECK(large->result.status.code() == absl::StatusCode::kCancelled);
  CHECK(small->taken());
}

TEST_CASE("Topic: an abandoned batch is answered at once, whoever waits for room") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kBlock));
  f.Publish(topic, {std::string(20'000, 'x')});
  const auto waiting = f.Publish(topic, {std::string(45'000, 'y')});
  auto abandoned = std::make_shared<Batch>(Strings{"z"});
  abandoned->abandoned_flag = true;
  f.batches.push_back(abandoned);
  topic->Publish(abandoned.get());
  f.Settle();
  CHECK(abandoned->result.status.code() == absl::StatusCode::kCancelled);
  CHECK(!waiting->answered());
}

TEST_CASE("Topic: full under drop-oldest gives up the oldest and says so") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kDropOldest));
  for (int i = 0; i < 300; ++i) {
    REQUIRE(f.Publish(topic, {NumberedBody(static_cast<uint64_t>(i), 1000)})->taken());
  }
  CHECK(topic->Stats().held_bytes <= kLimit);
  const uint64_t dropped = topic->Stats().figures.dropped_messages;
  CHECK(dropped > 200);

  const SubscriptionPtr s = f.Subscribe("s", "t", FromSequence(1));
  const StreamPtr stream = f.Consume(s);
  f.Take(s, stream);
  REQUIRE(stream->gaps.size() == 1);
  CHECK(stream->gaps[0].first == 1);
  CHECK(stream->gaps[0].last == dropped);
  CHECK(stream->sequences().front() == dropped + 1);
  CHECK(stream->sequences().back() == 300);
}

TEST_CASE("Topic: drop-oldest does not stop at a consumer whose stream is stuck") {
  const auto options = GENERATE(Automatic(), Explicit());
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kDropOldest));
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stuck = f.Consume(s, options);
  stuck->Accept(*s);  // started
  f.Settle();
  for (int i = 0; i < 500; ++i) REQUIRE(f.Publish(topic, {std::string(1000, 'x')})->taken());
  REQUIRE(stuck->sending);
  f.Take(s, stuck);
  // What it was sent, then what it lost, then the rest: without a hole.
  REQUIRE(stuck->gaps.size() == 1);
  const Numbers got = stuck->sequences();
  CHECK(got.front() == 1);
  CHECK(got.back() == 500);
  CHECK(got.size() + stuck->gaps[0].last - stuck->gaps[0].first + 1 == 500);
}

TEST_CASE("Topic: retention by age gives up what is old, and nothing else") {
  Fixture f;
  TopicConfig config;
  config.retention_age_ms = 10'000;
  const TopicPtr topic = f.Topic("t", config);
  f.Publish(topic, {"old"});
  f.world.AdvanceAndSettle(6'000);
  f.Publish(topic, {"young"});
  f.world.AdvanceAndSettle(6'000);
  CHECK(topic->Stats().figures.expired_messages == 1);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stream = f.Consume(s);
  f.Take(s, stream);
  CHECK(stream->bodies() == Strings{"young"});
  f.world.AdvanceAndSettle(60'000);
  CHECK(f.world.timers.empty());
}

TEST_CASE("Topic: retention by age spares young messages that are leased, whatever left the log") {
  Fixture f;
  TopicConfig config;
  config.retention_age_ms = 60'000;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  ConsumerOptions options = Explicit();
  options.ack_deadline_ms = 600'000;
  const StreamPtr stream = f.Consume(s, options);
  f.Take(s, stream);
  f.Publish(topic, {"held"});
  f.Take(s, stream);
  topic->Rest();
  topic->Rest();  // at rest: the log lets its segment go, only the lease keeps it
  f.world.AdvanceAndSettle(20'000);
  f.Nack(s, stream, 1, 1);
  f.Take(s, stream);
  CHECK(stream->gaps.empty());
  CHECK(stream->bodies() == Strings{"held", "held"});

  f.world.AdvanceAndSettle(90'000);  // now it is old
  f.Nack(s, stream, 1, 1);
  f.Take(s, stream);
  REQUIRE(stream->gaps.size() == 1);
  CHECK(stream->gaps[0].reason == GapReason::kRetention);
}

TEST_CASE("Topic: retention by size keeps what it says, and not much more") {
  Fixture f;
  TopicConfig config;
  config.retention_bytes = 100'000;
  const TopicPtr topic = f.Topic("t", config);
  for (int i = 0; i < 4000; ++i) REQUIRE(f.Publish(topic, {std::string(997, 'x')})->taken());
  const uint64_t kept = topic->Stats().held_messages;
  CHECK(kept >= 100);
  CHECK(kept * 1000 <= 100'000 + (1 << 20) + 5'000);
  CHECK(topic->Stats().figures.expired_messages == 4000 - kept);
}

TEST_CASE("Topic: deleting it answers those who wait and ends those who consume") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kBlock));
  f.Fill(topic, 1000);
  const auto waiting = f.batches.back();
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stream = f.Consume(s, Explicit(1));
  REQUIRE(f.broker->DeleteTopic("t").ok());
  f.Settle();
  CHECK(waiting->result.status.code() == absl::StatusCode::kAborted);
  REQUIRE(stream->ends.size() == 1);
  CHECK(stream->ends[0].code() == absl::StatusCode::kAborted);
  CHECK(f.Publish(topic, {"late"})->result.status.code() == absl::StatusCode::kAborted);
  CHECK(f.broker->GetSubscription("s").status().code() == absl::StatusCode::kNotFound);
  if (stream->sending) stream->Accept(*s);
  f.Settle();
  CHECK(f.broker->Stats().held_bytes < 1'000);
}

TEST_CASE("Topic: at rest it gives back the memory of what was consumed") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stream = f.Consume(s);
  f.Take(s, stream);
  f.Publish(topic, {std::string(10'000, 'x')});
  f.Take(s, stream);
  CHECK(topic->Stats().held_bytes > 10'000);
  f.broker->Rest();
  f.Settle();
  f.broker->Rest();
  f.Settle();
  CHECK(topic->Stats().held_bytes < 1'000);
  CHECK(f.Publish(topic, {"next"})->result.first_sequence == 2);
  f.Take(s, stream);
  CHECK(stream->bodies().back() == "next");
}

TEST_CASE("Topic: many producers do not use up a small budget") {
  Fixture f;
  const TopicPtr topic = f.Topic("t", Limited(FullPolicy::kReject));
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stream = f.Consume(s);
  f.Take(s, stream);
  for (uint64_t p = 0; p < 2'000; ++p) {
    REQUIRE(f.Publish(topic, {"m"}, absl::StrCat("producer-", p), 1)->taken());
    f.Take(s, stream);
  }
}

TEST_CASE("Topic: subscribers that come and go while nothing is published leave nothing behind") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr stays = f.Subscribe("s", "t");
  const StreamPtr waiting = f.Consume(stays);
  f.Take(stays, waiting);
  std::vector<SubscriptionPtr> gone;
  for (int i = 0; i < 100; ++i) {
    const SubscriptionPtr s = f.Subscribe("", "t");
    const StreamPtr stream = f.Consume(s);
    f.Take(s, stream);
    f.Remove(s, stream);
    f.streams.pop_back();
    gone.push_back(s);
  }
  size_t alive = 0;
  for (const SubscriptionPtr& s : gone) alive += s->use_count() > 1;
  CHECK(alive <= 2);
  f.Publish(topic, {"m"});
  f.Take(stays, waiting);
  CHECK(waiting->bodies() == Strings{"m"});
}

}  // namespace
}  // namespace estiba::testing

#include "client/src/frame_buffer.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/src/wire.h"
#include "estiba/v1/broker.pb.h"
#include "tests/client/random_message.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::internal {
namespace {

using estiba::testing::RandomMessage;
using estiba::testing::Same;
using estiba::testing::ToV1;

v1::SubscribeResponse Delivery(uint64_t first_sequence, int count) {
  v1::SubscribeResponse response;
  response.set_first_sequence(first_sequence);
  response.set_count(static_cast<uint32_t>(count));
  response.set_delivery_attempt(1);
  response.set_publish_time_ms(1000);
  for (int i = 0; i < count; ++i) response.add_messages()->set_data(absl::StrCat("m", i));
  return response;
}

TEST_CASE("An empty response is a frame without messages, news or gap") {
  FrameBuffer frame;
  REQUIRE(frame.Parse(std::string_view()));
  REQUIRE(frame.messages().empty());
  REQUIRE_FALSE(frame.started());
  REQUIRE_FALSE(frame.gap());
}

TEST_CASE("A delivery becomes views that say what the broker's message said") {
  std::mt19937_64 random(estiba::testing::Seed());
  FrameBuffer frame;
  for (int round = 0; round < 20; ++round) {
    v1::SubscribeResponse response = Delivery(random(), 0);
    response.set_delivery_attempt(1 + static_cast<uint32_t>(random() % 5));
    std::vector<Message> messages;
    for (size_t i = 1 + random() % 60; i > 0; --i) {
      messages.push_back(RandomMessage(random));
      *response.add_messages() = ToV1(messages.back());
    }
    response.set_count(static_cast<uint32_t>(messages.size()));
    const std::string encoded = response.SerializeAsString();
    REQUIRE(frame.Parse(encoded));
    REQUIRE(frame.messages().size() == messages.size());
    size_t bytes = 0;
    for (size_t i = 0; i < messages.size(); ++i) {
      const MessageView& view = frame.messages()[i];
      const v1::Message& sent = response.messages(static_cast<int>(i));
      REQUIRE(view.sequence() == response.first_sequence() + i);
      REQUIRE(view.delivery_attempt() == response.delivery_attempt());
      REQUIRE(view.publish_time_ms() == 1000);
      REQUIRE(view.data() == messages[i].data);
      REQUIRE(view.ordering_key() == messages[i].ordering_key);
      REQUIRE(Same(view.ToMessage(), sent));
      for (const auto& [key, value] : messages[i].attributes) {
        REQUIRE(view.attributes().Find(key) == std::string_view(value));
      }
      REQUIRE_FALSE(view.attributes().Find("no such key"));
      REQUIRE(view.attributes().empty() == messages[i].attributes.empty());
      bytes += wire::BytesFieldSize(view.encoded().size());
    }
    REQUIRE(frame.frame().bytes == bytes);
  }
}

TEST_CASE("Fields may come in any order, and later versions' fields are passed over") {
  v1::SubscribeResponse header = Delivery(7, 0);
  header.set_count(2);
  v1::SubscribeResponse messages;
  messages.add_messages()->set_data("a");
  messages.add_messages()->set_data("b");
  const std::string unknown = "\x98\x06\x2a";  // field 99
  FrameBuffer frame;
  const std::string encoded = messages.SerializeAsString() + unknown + header.SerializeAsString();
  REQUIRE(frame.Parse(encoded));
  REQUIRE(frame.messages().size() == 2);
  REQUIRE(frame.messages()[0].sequence() == 7);
  REQUIRE(frame.messages()[1].sequence() == 8);
  REQUIRE(frame.messages()[1].data() == "b");
}

TEST_CASE("Time marks move the publish time from their message on") {
  v1::SubscribeResponse response = Delivery(1, 5);
  const auto mark = [&](uint32_t index, uint32_t later_ms) {
    v1::TimeMark& added = *response.add_time_marks();
    added.set_index(index);
    added.set_later_ms(later_ms);
  };
  mark(2, 10);
  mark(4, 25);
  FrameBuffer frame;
  const std::string encoded = response.SerializeAsString();
  REQUIRE(frame.Parse(encoded));
  const int64_t expected[] = {1000, 1000, 1010, 1010, 1025};
  for (size_t i = 0; i < 5; ++i) REQUIRE(frame.messages()[i].publish_time_ms() == expected[i]);
}

TEST_CASE("Sequence marks move the sequence from their message on") {
  v1::SubscribeResponse response = Delivery(10, 6);
  const auto mark = [&](uint32_t index, uint64_t skipped) {
    v1::SequenceMark& added = *response.add_sequence_marks();
    added.set_index(index);
    added.set_skipped(skipped);
  };
  mark(1, 5);
  mark(4, uint64_t{1} << 40);
  FrameBuffer frame;
  const std::string encoded = response.SerializeAsString();
  REQUIRE(frame.Parse(encoded));
  const uint64_t far = uint64_t{1} << 40;
  const uint64_t expected[] = {10, 16, 17, 18, 14 + far, 15 + far};
  for (size_t i = 0; i < 6; ++i) REQUIRE(frame.messages()[i].sequence() == expected[i]);

  const std::string next = Delivery(1, 3).SerializeAsString();
  REQUIRE(frame.Parse(next));
  REQUIRE(frame.messages()[2].sequence() == 3);
}

TEST_CASE("The first response and a gap are understood, and forgotten with the next frame") {
  v1::SubscribeResponse response;
  response.mutable_started()->set_topic("orders");
  response.mutable_started()->set_subscription("billing");
  response.mutable_started()->set_next_sequence(12);
  response.mutable_started()->mutable_ack_deadline()->set_seconds(10);
  response.mutable_gap()->mutable_range()->set_first(3);
  response.mutable_gap()->mutable_range()->set_last(9);
  response.mutable_gap()->set_reason(v1::Gap::DROPPED_OLDEST);
  FrameBuffer frame;
  const std::string encoded = response.SerializeAsString();
  REQUIRE(frame.Parse(encoded));
  REQUIRE(frame.started());
  REQUIRE(frame.started()->topic == "orders");
  REQUIRE(frame.started()->subscription == "billing");
  REQUIRE(frame.started()->next_sequence == 12);
  REQUIRE(frame.started()->ack_deadline == absl::Seconds(10));
  REQUIRE(frame.gap());
  REQUIRE(frame.gap()->range.first == 3);
  REQUIRE(frame.gap()->range.last == 9);
  REQUIRE(frame.gap()->reason == Gap::Reason::kDroppedOldest);

  const std::string next = Delivery(1, 1).SerializeAsString();
  REQUIRE(frame.Parse(next));
  REQUIRE_FALSE(frame.started());
  REQUIRE_FALSE(frame.gap());
}

TEST_CASE("A frame that is cut off anywhere is refused or shorter, never read beyond its end") {
  const std::string encoded = Delivery(1, 3).SerializeAsString();
  for (size_t size = 0; size < encoded.size(); ++size) {
    // A copy of just this size, so that AddressSanitizer sees a step too far.
    const std::vector<char> part(encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(size));
    FrameBuffer frame;
    if (frame.Parse(std::string_view(part.data(), part.size()))) {
      REQUIRE(frame.messages().size() <= 3);
    }
  }
}

TEST_CASE("Runs of messages of one size are all there, and nothing beyond them") {
  std::mt19937_64 random(estiba::testing::Seed());
  FrameBuffer frame;
  for (int round = 0; round < 300; ++round) {
    v1::SubscribeResponse response;
    for (size_t runs = 1 + random() % 4; runs > 0; --runs) {
      const size_t size = random() % (random() % 2 == 0 ? 8 : 300);
      for (size_t n = 1 + random() % 5; n > 0; --n) {
        response.add_messages()->set_data(std::string(size, static_cast<char>('a' + n)));
      }
      if (random() % 3 != 0) continue;
      // As long as the others, and not like them.
      v1::Message* const odd = response.add_messages();
      odd->set_data(std::string(size / 2, 'k'));
      odd->set_ordering_key(std::string(size - size / 2, 'k'));
    }
    const std::string encoded = response.SerializeAsString();
    REQUIRE(frame.Parse(encoded));
    REQUIRE(frame.messages().size() == static_cast<size_t>(response.messages_size()));
    for (size_t i = 0; i < frame.messages().size(); ++i) {
      const v1::Message& sent = response.messages(static_cast<int>(i));
      REQUIRE(frame.messages()[i].data() == sent.data());
      REQUIRE(frame.messages()[i].ordering_key() == sent.ordering_key());
      REQUIRE(frame.messages()[i].encoded() == sent.SerializeAsString());
    }
    for (size_t cut = 1; cut < encoded.size(); cut += 1 + random() % 20) {
      // A copy of just this size, so that AddressSanitizer sees a step too far.
      const std::vector<char> part(encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(cut));
      const bool whole = frame.Parse(std::string_view(part.data(), part.size()));
      if (whole) REQUIRE(frame.frame().bytes == cut);
      for (const MessageView& view : frame.messages()) {
        const std::string_view bytes = view.encoded();
        REQUIRE(bytes.data() + bytes.size() <= part.data() + part.size());
      }
    }
  }
}

TEST_CASE("Random bytes are survived") {
  std::mt19937_64 random(estiba::testing::Seed());
  FrameBuffer frame;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = estiba::testing::RandomBytes(random, random() % 40);
    if (!bytes.empty()) bytes[0] = '\x12';
    if (!frame.Parse(bytes)) continue;
    for (const MessageView& view : frame.messages()) view.ToMessage();
  }
}

TEST_CASE("A count that lies does not make a frame reserve memory for it") {
  FrameBuffer frame;
  v1::SubscribeResponse response = Delivery(1, 1);
  response.set_count(0xffffffff);
  const std::string encoded = response.SerializeAsString();
  REQUIRE(frame.Parse(encoded));
  REQUIRE(frame.messages().capacity() < 1000);
}

TEST_CASE("A pattern's frame says its topic, and changes name theirs") {
  v1::SubscribeResponse response = Delivery(5, 2);
  response.set_topic(300);
  FrameBuffer frame;
  const std::string delivery = response.SerializeAsString();
  REQUIRE(frame.Parse(delivery));
  CHECK(frame.topic_number() == 300);
  CHECK(frame.messages()[0].topic().empty());
  frame.SetTopic(std::make_shared<const PatternTopic>(PatternTopic{300, "t.a"}));
  CHECK(frame.messages()[1].topic() == "t.a");

  response.Clear();
  v1::TopicChange* change = response.add_topic_changes();
  change->set_topic(1);
  change->set_name("t.b");
  change = response.add_topic_changes();
  change->set_topic(2);
  change->set_left(true);
  const std::string changes = response.SerializeAsString();
  REQUIRE(frame.Parse(changes));
  CHECK(frame.topic_number() == 0);
  REQUIRE(frame.topic_changes().size() == 2);
  CHECK(frame.topic_changes()[0].number == 1);
  CHECK(frame.topic_changes()[0].change.topic == "t.b");
  CHECK_FALSE(frame.topic_changes()[0].change.left);
  CHECK(frame.topic_changes()[1].change.left);
}

TEST_CASE("Verdicts are read update by update") {
  v1::SubscribeResponse response;
  v1::Verdicts* verdicts = response.add_verdicts();
  v1::Verdict* verdict = verdicts->add_verdicts();
  verdict->set_first(1);
  verdict->set_last(2);
  verdict = verdicts->add_verdicts();
  verdict->set_outcome(v1::Verdict::UNORDERED);
  verdict->set_first(3);
  verdict->set_last(3);
  verdicts->set_more(true);
  verdicts = response.add_verdicts();
  verdicts->set_topic(300);
  verdict = verdicts->add_verdicts();
  verdict->set_of(v1::Verdict::EXTEND);
  verdict->set_outcome(v1::Verdict::REFUSED);
  verdict->set_first(4);
  verdict->set_last(UINT64_MAX);
  FrameBuffer frame;
  const std::string encoded = response.SerializeAsString();
  REQUIRE(frame.Parse(encoded));
  REQUIRE(frame.answers().size() == 2);
  const Answer& a = frame.answers()[0];
  CHECK(a.more);
  REQUIRE(a.verdicts.size() == 2);
  CHECK(a.verdicts[0].ack);
  CHECK(a.verdicts[0].done);
  CHECK(a.verdicts[0].range.last == 2);
  CHECK_FALSE(a.verdicts[1].done);
  CHECK(a.verdicts[1].unordered);
  const Answer& b = frame.answers()[1];
  CHECK_FALSE(b.more);
  CHECK(b.topic == 300);
  REQUIRE(b.verdicts.size() == 1);
  CHECK_FALSE(b.verdicts[0].ack);
  CHECK_FALSE(b.verdicts[0].done);
  CHECK_FALSE(b.verdicts[0].unordered);
  CHECK(b.verdicts[0].range.last == UINT64_MAX);
  // What follows has none of it.
  const std::string delivery = Delivery(1, 1).SerializeAsString();
  REQUIRE(frame.Parse(delivery));
  CHECK(frame.answers().empty());
  // A range that ends before it begins.
  verdict->set_last(3);
  const std::string wrong = response.SerializeAsString();
  CHECK_FALSE(frame.Parse(wrong));
}

}  // namespace
}  // namespace estiba::internal

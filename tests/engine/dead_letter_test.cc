#include "broker/engine/dead_letter.h"

#include <map>

#include "broker/base/wire_reader.h"
#include "broker/base/wire_writer.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

std::string Message(const std::string& data, const std::map<std::string, std::string>& attributes,
                    const std::string& key = "") {
  std::string message;
  WireWriter writer(message);
  writer.Bytes(1, data);
  for (const auto& [name, value] : attributes) {
    std::string entry;
    WireWriter entry_writer(entry);
    entry_writer.Bytes(1, name);
    entry_writer.Bytes(2, value);
    writer.Bytes(2, entry);
  }
  if (!key.empty()) writer.Bytes(5, key);
  return message;
}

struct Decoded {
  std::string data;
  std::string key;
  std::map<std::string, std::string> attributes;
  int entries = 0;
};

Decoded Decode(const std::string& message) {
  Decoded decoded;
  WireReader reader(message);
  uint32_t field = 0;
  uint32_t type = 0;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    REQUIRE(reader.ReadTag(&field, &type));
    REQUIRE(reader.ReadBytes(&bytes));
    if (field == 1) decoded.data = bytes;
    if (field == 5) decoded.key = bytes;
    if (field != 2) continue;
    WireReader entry(bytes);
    std::string_view name;
    std::string_view value;
    while (!entry.AtEnd()) {
      REQUIRE(entry.ReadTag(&field, &type));
      REQUIRE(entry.ReadBytes(field == 1 ? &name : &value));
    }
    decoded.attributes[std::string(name)] = value;
    ++decoded.entries;
  }
  return decoded;
}

struct DeadFixture : Fixture {
  explicit DeadFixture(uint32_t max_attempts = 2, const TopicConfig& dead_config = {},
                       const BrokerOptions& options = {})
      : Fixture(options) {
    topic = Topic("t");
    dead = Topic("dead", dead_config);
    SubscriptionConfig config;
    config.dead_letter = {"dead", max_attempts};
    s = broker->CreateSubscription("s", "t", config, {}).value();
    letters = Subscribe("letters", "dead");
    c = Consume(s, Explicit());
    Take(s, c);
    reader = Consume(letters, Explicit());
    Take(letters, reader);
  }
  void Terminate(uint64_t first, uint64_t last, const std::string& reason) {
    ConsumerUpdate update;
    update.terminations.push_back({{first, last}, reason});
    s->Update(c, update);
    Settle();
  }
  SubscriptionFigures Figures() { return s->Stats().figures; }

  TopicPtr topic;
  TopicPtr dead;
  SubscriptionPtr s;
  SubscriptionPtr letters;
  StreamPtr c;
  StreamPtr reader;
};

TEST_CASE("DeadLetter: keeps data, key and attributes, and says where it comes from") {
  std::string records;
  AppendDeadLetter(Message("body", {{"a", "1"}, {"estiba-reason", "old"}}, "key"), "orders",
                   "billing", 77, 5, "max-attempts", &records);
  const Decoded letter = Decode(Bodies(records.data(), static_cast<uint32_t>(records.size()))[0]);
  CHECK(letter.data == "body");
  CHECK(letter.key == "key");
  CHECK(letter.entries == 6);
  CHECK(letter.attributes ==
        std::map<std::string, std::string>{{"a", "1"},
                                           {"estiba-source-topic", "orders"},
                                           {"estiba-source-subscription", "billing"},
                                           {"estiba-source-sequence", "77"},
                                           {"estiba-attempts", "5"},
                                           {"estiba-reason", "max-attempts"}});
}

TEST_CASE("DeadLetter: a message leaves when its last attempt has failed, and is consumed then") {
  DeadFixture f(3);
  f.Publish(f.topic, {Message("a", {}), Message("b", {})});
  f.Take(f.s, f.c);
  f.Nack(f.s, f.c, 2, 2);
  f.Take(f.s, f.c);
  f.Nack(f.s, f.c, 2, 2);
  f.Take(f.s, f.c);
  CHECK(f.reader->frames.empty());
  f.Nack(f.s, f.c, 2, 2);
  f.Take(f.letters, f.reader);
  REQUIRE(f.reader->bodies().size() == 1);
  const Decoded letter = Decode(f.reader->bodies()[0]);
  CHECK(letter.data == "b");
  CHECK(letter.attributes.at("estiba-source-sequence") == "2");
  CHECK(letter.attributes.at("estiba-attempts") == "3");
  CHECK(letter.attributes.at("estiba-reason") == "max-attempts");
  CHECK(f.Figures().dead_lettered_messages == 1);
  CHECK(f.Figures().dead_letter_waiting == 0);
  CHECK(f.Figures().outstanding_messages == 1);
  f.Ack(f.s, f.c, 1, 1);
  CHECK(f.s->Stats().unconsumed() == 0);
  CHECK(f.Figures().floor_sequence == 3);
}

TEST_CASE("DeadLetter: deadlines and lost consumers count as failures, an orderly end does not") {
  DeadFixture f(1);
  f.Publish(f.topic, {Message("a", {}), Message("b", {}), Message("c", {})});
  f.Take(f.s, f.c);
  f.s->Remove(f.c, absl::OkStatus());
  f.Settle();
  CHECK(f.Figures().dead_lettered_messages == 0);
  f.c = f.Consume(f.s, Explicit(1));
  f.Take(f.s, f.c);
  f.Remove(f.s, f.c);
  CHECK(f.Figures().dead_lettered_messages == 1);
  f.c = f.Consume(f.s, Explicit(1));
  f.Take(f.s, f.c);
  f.world.AdvanceAndSettle(12'000);
  CHECK(f.Figures().dead_lettered_messages >= 2);
}

TEST_CASE("DeadLetter: a terminated message leaves at once, with the reason") {
  DeadFixture f(100);
  f.Publish(f.topic, {Message("a", {}), Message("b", {}), Message("c", {})});
  f.Take(f.s, f.c);
  f.Terminate(1, 2, "cannot be parsed");
  f.Take(f.letters, f.reader);
  REQUIRE(f.reader->bodies().size() == 2);
  CHECK(Decode(f.reader->bodies()[1]).attributes.at("estiba-reason") == "cannot be parsed");
  CHECK(Decode(f.reader->bodies()[1]).attributes.at("estiba-attempts") == "1");
  CHECK(f.Figures().outstanding_messages == 1);
  f.Terminate(1, 2, "again");  // holds it no more
  CHECK(f.Figures().dead_lettered_messages == 2);
}

TEST_CASE("DeadLetter: while the topic is missing it waits, is found by acks, and leaves later") {
  DeadFixture f(1);
  f.Publish(f.topic, {Message("a", {}), Message("b", {})});
  f.Take(f.s, f.c);
  REQUIRE(f.broker->DeleteTopic("dead").ok());
  f.Settle();
  f.Nack(f.s, f.c, 1, 2);
  f.world.AdvanceAndSettle(30'000);
  CHECK(f.Figures().dead_letter_waiting == 2);
  CHECK(f.Figures().floor_sequence == 1);
  CHECK(f.s->Stats().unconsumed() == 2);
  f.Ack(f.s, f.c, 2, 2);
  CHECK(f.Figures().dead_letter_waiting == 1);
  const TopicPtr again = f.Topic("dead");
  f.world.AdvanceAndSettle(11'000);
  CHECK(f.Figures().dead_letter_waiting == 0);
  CHECK(f.Figures().dead_lettered_messages == 1);
  CHECK(again->Stats().figures.published_messages == 1);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("DeadLetter: while the topic is full nothing is lost, whatever its policy says") {
  TopicConfig small;
  small.budget_bytes = 64 << 10;
  small.full_policy = GENERATE(FullPolicy::kReject, FullPolicy::kBlock);
  DeadFixture f(1, small);
  f.Publish(f.topic, Strings(50, Message(std::string(4'000, 'x'), {})));
  f.Take(f.s, f.c);
  f.Nack(f.s, f.c, 1, 50);
  f.world.AdvanceAndSettle(1'000);
  CHECK(f.Figures().dead_letter_waiting > 0);
  CHECK(f.Figures().dead_letter_waiting + f.Figures().dead_lettered_messages == 50);
  for (int i = 0; i < 30; ++i) {
    f.Take(f.letters, f.reader);
    f.Ack(f.letters, f.reader, 1, 50);
    f.world.AdvanceAndSettle(10'000);
  }
  CHECK(f.Figures().dead_letter_waiting == 0);
  CHECK(f.Figures().dead_lettered_messages == 50);
  std::map<std::string, int> seen;
  for (const std::string& body : f.reader->bodies()) {
    ++seen[Decode(body).attributes.at("estiba-source-sequence")];
  }
  CHECK(seen.size() == 50);
}

TEST_CASE("DeadLetter: a subscription that is deleted while its letters wait gives all back") {
  TopicConfig small;
  small.budget_bytes = 64 << 10;
  small.full_policy = FullPolicy::kBlock;
  DeadFixture f(1, small);
  f.Publish(f.topic, Strings(50, Message(std::string(4'000, 'x'), {})));
  f.Take(f.s, f.c);
  f.Nack(f.s, f.c, 1, 50);
  REQUIRE(f.Figures().dead_letter_waiting > 0);
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  f.Settle();
  f.world.AdvanceAndSettle(20'000);
  f.streams.erase(f.streams.begin());
  f.c = nullptr;
  f.s = nullptr;
  f.broker->Rest();
  f.broker->Rest();
  f.Settle();
  CHECK(f.topic->Stats().held_bytes < 10'000);
}

TEST_CASE("DeadLetter: retention reaches what waits") {
  Fixture f;
  TopicConfig config;
  config.retention_age_ms = 2'000;
  const TopicPtr topic = f.Topic("t", config);
  f.Topic("dead");
  SubscriptionConfig with;
  with.dead_letter = {"dead", 1};
  const SubscriptionPtr s = f.broker->CreateSubscription("s", "t", with, {}).value();
  f.Settle();
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {Message("a", {})});
  f.Take(s, c);
  REQUIRE(f.broker->DeleteTopic("dead").ok());
  f.Settle();
  f.Nack(s, c, 1, 1);
  f.world.AdvanceAndSettle(5'000);
  f.Take(s, c);
  REQUIRE(c->gaps.size() == 1);
  CHECK(s->Stats().unconsumed() == 0);
}

TEST_CASE("DeadLetter: its topic is made on use, must not be the own one, and must be agreed on") {
  Fixture f;
  f.Topic("t");
  const auto make = [&](const std::string& name, const std::string& dead) {
    SubscriptionConfig config;
    config.dead_letter = {dead, 5};
    return f.broker->UseSubscription(name, "t", {}, config).status();
  };
  CHECK(make("own", "t").code() == absl::StatusCode::kInvalidArgument);
  CHECK(make("bad", "no name").code() == absl::StatusCode::kInvalidArgument);
  CHECK(make("s", "dead").ok());
  CHECK(f.broker->GetTopic("dead").ok());
  CHECK(make("s", "dead").ok());
  CHECK(make("s", "other").code() == absl::StatusCode::kFailedPrecondition);
  CHECK(make("", "dead").ok());

  BrokerOptions options;
  options.auto_create_topics = false;
  Fixture off(options);
  off.Topic("t");
  SubscriptionConfig config;
  config.dead_letter = {"dead", 5};
  CHECK(off.broker->CreateSubscription("s", "t", config, {}).status().code() ==
        absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace estiba::testing

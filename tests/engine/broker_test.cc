// The registry: names, limits, creation on use, lists; and its directory.
#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "broker/engine/directory.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

using Code = absl::StatusCode;

const auto kAll = [](const auto&) { return true; };

class Named {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }
  void Prefetch() const { ++*prefetched; }

  const std::shared_ptr<int> prefetched = std::make_shared<int>(0);

 private:
  const std::string name_;
};
using NamedPtr = std::shared_ptr<Named>;

TEST_CASE("Directory: pages cover everything once, in the order of names") {
  Directory<NamedPtr> directory;
  std::set<std::string> names;
  for (int i = 0; i < 1'000; ++i) names.insert(std::to_string(i * 7919 % 100'003));
  for (const std::string& name : names) {
    bool made = false;
    directory.FindOrMake(
        name, [&] { return std::make_shared<Named>(name); }, &made);
    CHECK(made);
  }
  for (const size_t page : {1u, 7u, 1'000u, 5'000u}) {
    Strings listed;
    std::string after;
    for (;;) {
      const auto found = directory.List(after, page, kAll);
      if (found.empty()) break;
      for (const NamedPtr& name : found) listed.push_back(name->name());
      after = listed.back();
    }
    CHECK(listed == Strings(names.begin(), names.end()));
  }
  const auto is_seven = [](const NamedPtr& n) { return n->name().back() == '7'; };
  const auto sevens = directory.List("", 5, is_seven);
  REQUIRE(sevens.size() == 5);
  for (const NamedPtr& named : sevens) CHECK(is_seven(named));
  std::set<std::string> all;
  for (const NamedPtr& named : directory.All(is_seven)) CHECK(all.insert(named->name()).second);
  CHECK(all.size() ==
        static_cast<size_t>(std::count_if(names.begin(), names.end(),
                                          [](const std::string& n) { return n.back() == '7'; })));
}

TEST_CASE("Directory: finds, keeps what is there, removes, and lets the maker refuse") {
  Directory<NamedPtr> directory;
  bool made = false;
  const auto make = [] { return std::make_shared<Named>("x"); };
  const NamedPtr one = directory.FindOrMake("x", make, &made);
  CHECK(directory.FindOrMake("x", make, &made) == one);
  CHECK(!made);
  CHECK(!directory.RemoveIf("x", make()));
  CHECK(directory.RemoveIf("x", one));
  CHECK(directory.Find("x") == nullptr);
  CHECK(directory.Remove("x") == nullptr);
  CHECK(directory.List("", 5, kAll).empty());
  const NamedPtr another = directory.FindOrMake("x", make, &made);
  CHECK(made);
  CHECK(directory.Remove("x") == another);
  CHECK(directory.All(kAll).empty());
  // Others find what there is while one is being made.
  const NamedPtr z = directory.FindOrMake(
      "z", [] { return std::make_shared<Named>("z"); }, &made);
  directory.FindOrMake(
      "x",
      [&] {
        CHECK(directory.Find("z") == z);
        CHECK(directory.Find("x") == nullptr);
        CHECK(directory.List("", 5, kAll).size() == 1);
        return make();
      },
      &made);
  CHECK(made);
  CHECK(directory.Remove("nobody") == nullptr);
  CHECK(directory.All(kAll).size() == 2);
  CHECK(directory.FindOrMake(
            "y", [] { return NamedPtr(); }, &made) == nullptr);
  CHECK(directory.Find("y") == nullptr);
}

TEST_CASE("Directory: lists go on over what comes and goes meanwhile") {
  Directory<NamedPtr> directory;
  const auto add = [&](int i) {
    const std::string name = absl::StrCat(10'000 + i);
    bool made = false;
    directory.FindOrMake(
        name, [&] { return std::make_shared<Named>(name); }, &made);
    return made;
  };
  constexpr int kMany = 5'000;
  for (int i = 0; i < kMany; i += 2) REQUIRE(add(i));
  // The list lets others in now and then.
  std::atomic<bool> stop = false;
  std::thread changer([&] {
    for (int i = 0; !stop; i = (i + 4) % kMany) {
      directory.Remove(absl::StrCat(10'000 + i));
      add(i + 1);
      add(i);
    }
  });
  for (int round = 0; round < 200; ++round) {
    int kept = 0;  // those that nobody touches
    bool in_order = true;
    std::string last;
    for (const NamedPtr& named : directory.All(kAll)) {
      in_order &= named->name() > last;
      last = named->name();
      kept += std::stoi(last) % 4 == 2;
    }
    CHECK(in_order);
    CHECK(kept == kMany / 4);
  }
  stop = true;
  changer.join();
}

TEST_CASE("Directory: several are found at once, those that are there") {
  Directory<NamedPtr> directory;
  using Wanted = Directory<NamedPtr>::Wanted;
  std::deque<std::string> names;
  std::vector<Wanted> wanted;
  for (int i = 0; i < 1'000; ++i) {
    wanted.push_back({names.emplace_back(absl::StrCat("name-", i)), nullptr});
    bool made = false;
    if (i % 3 == 0) continue;
    directory.FindOrMake(
        names.back(), [&] { return std::make_shared<Named>(names.back()); }, &made);
  }
  std::vector<Wanted*> all;
  for (Wanted& w : wanted) all.push_back(&w);
  directory.FindAll(all);
  for (int i = 0; i < 1'000; ++i) {
    if (i % 3 == 0) {
      REQUIRE(wanted[i].found == nullptr);
      continue;
    }
    REQUIRE(wanted[i].found != nullptr);
    REQUIRE(wanted[i].found->name() == names[i]);
    REQUIRE(wanted[i].found == directory.Find(names[i]));
  }
  directory.FindAll({});
}

TEST_CASE("Directory: prefetching finds by what the table itself has of a name") {
  Directory<NamedPtr> directory;
  directory.Prefetch("nobody");
  std::vector<NamedPtr> all;
  for (int i = 0; i < 1'000; ++i) {
    bool made = false;
    all.push_back(directory.FindOrMake(
        absl::StrCat("name-", i), [&] { return std::make_shared<Named>(absl::StrCat("name-", i)); },
        &made));
  }
  // Each is met, or in its place one that looks like it, which is seldom.
  int met = 0;
  for (const NamedPtr& named : all) {
    const int before = *named->prefetched;
    directory.Prefetch(named->name());
    met += *named->prefetched - before;
  }
  CHECK(met > 900);
  directory.Prefetch("");
}

TEST_CASE("Broker: creating, finding and deleting topics says what is wrong") {
  Fixture f;
  CHECK(f.broker->CreateTopic("t", {}).ok());
  CHECK(f.broker->CreateTopic("t", {}).status().code() == Code::kAlreadyExists);
  CHECK(f.broker->CreateTopic("-", {}).status().code() == Code::kInvalidArgument);
  CHECK(f.broker->GetTopic("u").status().code() == Code::kNotFound);
  CHECK(f.broker->DeleteTopic("u").code() == Code::kNotFound);
  CHECK(f.broker->DeleteTopic("t").ok());
  CHECK(f.broker->GetTopic("t").status().code() == Code::kNotFound);
  CHECK(f.broker->CreateTopic("t", {}).ok());
  CHECK(f.broker->Stats().topics == 1);
}

TEST_CASE("Broker: topics and subscriptions are made on use, unless that is off") {
  Fixture f;
  CHECK(f.broker->UseTopic("t").ok());
  CHECK(f.broker->UseSubscription("s", "new", {}).ok());
  CHECK(f.broker->GetTopic("new").ok());
  CHECK(f.broker->UseTopic("not valid").status().code() == Code::kInvalidArgument);
  CHECK(f.broker->UseSubscription("not valid", "t", {}).status().code() == Code::kInvalidArgument);

  BrokerOptions options;
  options.auto_create_topics = false;
  options.auto_create_subscriptions = false;
  Fixture off(options);
  CHECK(off.broker->UseTopic("t").status().code() == Code::kNotFound);
  off.Topic("t");
  CHECK(off.broker->UseTopic("t").ok());
  CHECK(off.broker->UseSubscription("s", "t", {}).status().code() == Code::kNotFound);
  CHECK(off.broker->UseSubscription("", "t", {}).ok());
  CHECK(off.broker->UseSubscription("", "u", {}).status().code() == Code::kNotFound);
}

TEST_CASE("Broker: a subscription's name belongs to one topic") {
  Fixture f;
  f.Topic("t");
  f.Topic("u");
  CHECK(f.broker->CreateSubscription("s", "t", {}, {}).ok());
  CHECK(f.broker->CreateSubscription("s", "u", {}, {}).status().code() == Code::kAlreadyExists);
  CHECK(f.broker->CreateSubscription("r", "none", {}, {}).status().code() == Code::kNotFound);
  CHECK(f.broker->UseSubscription("s", "u", {}).status().code() == Code::kFailedPrecondition);
  CHECK(f.broker->UseSubscription("s", "", {}).ok());
  CHECK(f.broker->UseSubscription("none", "", {}).status().code() == Code::kNotFound);
  CHECK(f.broker->DeleteSubscription("s").ok());
  CHECK(f.broker->DeleteSubscription("s").code() == Code::kNotFound);
  CHECK(f.broker->UseSubscription("s", "u", {}).ok());
  f.Settle();
}

TEST_CASE("Broker: holds as many topics and subscriptions as it may") {
  BrokerOptions options;
  options.max_topics = 2;
  options.max_subscriptions = 2;
  Fixture f(options);
  f.Topic("a");
  f.Topic("b");
  CHECK(f.broker->CreateTopic("c", {}).status().code() == Code::kResourceExhausted);
  CHECK(f.broker->UseTopic("c").status().code() == Code::kResourceExhausted);
  f.Subscribe("r", "a");
  f.Subscribe("s", "b");
  CHECK(f.broker->UseSubscription("q", "a", {}).status().code() == Code::kResourceExhausted);
  CHECK(f.broker->UseSubscription("", "a", {}).ok());  // private: streams are limited elsewhere
  REQUIRE(f.broker->DeleteTopic("a").ok());
  CHECK(f.broker->CreateTopic("c", {}).ok());
  CHECK(f.broker->UseSubscription("q", "c", {}).ok());
  CHECK(f.broker->Stats().topics == 2);
  CHECK(f.broker->Stats().subscriptions == 2);
  f.Settle();
}

TEST_CASE("Broker: deleting a topic takes its subscriptions with it, and no others") {
  Fixture f;
  f.Topic("t");
  f.Topic("u");
  f.Subscribe("a", "t");
  f.Subscribe("b", "u");
  REQUIRE(f.broker->DeleteTopic("t").ok());
  f.Settle();
  CHECK(f.broker->GetSubscription("a").status().code() == Code::kNotFound);
  CHECK(f.broker->GetSubscription("b").ok());
  CHECK(f.broker->ListSubscriptions("", "", 10).size() == 1);
  CHECK(f.broker->ListSubscriptions("t", "", 10).empty());
  CHECK(f.broker->ListSubscriptions("u", "", 10).size() == 1);
}

TEST_CASE("Broker: counters outlive the topics they come from") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  f.Publish(topic, {"a", "b"});
  REQUIRE(f.broker->DeleteTopic("t").ok());
  f.Settle();
  f.Publish(f.Topic("u"), {"c"});
  CHECK(f.broker->Stats().figures.published_messages == 3);
}

TEST_CASE("Broker: says whether a connected consumer is still owed something") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  f.Publish(topic, {"a"});
  CHECK(!f.broker->Consumable());  // nobody is connected
  const StreamPtr c = f.Consume(s, Explicit());
  CHECK(f.broker->Consumable());
  f.Take(s, c);
  CHECK(f.broker->Consumable());  // not acked
  f.Ack(s, c, 1, 1);
  CHECK(!f.broker->Consumable());
}

}  // namespace
}  // namespace estiba::testing

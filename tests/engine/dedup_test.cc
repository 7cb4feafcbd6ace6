// Batches that come with an id, and are taken once.
#include "absl/strings/str_cat.h"
#include "broker/engine/dedup_table.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

TEST_CASE("DedupTable: an id is known for its window, and belongs to its producer") {
  DedupTable table(1'000);
  CHECK_FALSE(table.Look("p", "a", 0));
  table.Record("p", "a", {7, 2, 1}, 0);
  const auto known = table.Look("p", "a", 999);
  REQUIRE(known);
  CHECK(known->first_sequence == 7);
  CHECK(known->count == 2);
  CHECK(known->scheduled == 1);
  CHECK_FALSE(table.Look("", "a", 999));
  CHECK_FALSE(table.Look("q", "a", 999));
  CHECK_FALSE(table.Look("", "pa", 999));
  CHECK_FALSE(table.Look("pa", "", 999));
  CHECK_FALSE(table.Look("p", "a", 1'000));
  CHECK(table.size() == 0);
  CHECK(table.bytes() == 0);
  CHECK(table.forgotten() == 0);
}

TEST_CASE("DedupTable: of more than it may remember, the oldest go, and are counted") {
  DedupTable table(60'000);
  for (size_t i = 0; i < DedupTable::kMostIds + 10; ++i) {
    table.Record("", absl::StrCat(i), {i + 1, 1, 0}, static_cast<int64_t>(i / 10'000));
  }
  CHECK(table.size() == DedupTable::kMostIds);
  CHECK(table.forgotten() == 10);
  CHECK_FALSE(table.Look("", "9", 20));
  CHECK(table.Look("", "10", 20)->first_sequence == 11);
  DedupTable small(60'000, 2'000);
  for (int i = 0; i < 100; ++i) small.Record("", absl::StrCat(i), {1, 1, 0}, 0);
  CHECK(small.bytes() <= 2'000);
  CHECK(small.size() > 5);
  CHECK(small.forgotten() == 100 - small.size());
}

struct DedupFixture : Fixture {
  explicit DedupFixture(const TopicConfig& config = {}) { topic = Topic("t", config); }
  PublishResult PublishOnce(const Strings& bodies, const std::string& id,
                            const std::string& producer = "") {
    auto batch = std::make_shared<Batch>(bodies);
    batch->SetDedupId(producer, id);
    batches.push_back(batch);
    topic->Publish(batch.get());
    Settle();
    return batch->result;
  }

  TopicPtr topic;
};

TEST_CASE("Dedup: a batch that comes again inside the window is answered, not stored") {
  DedupFixture f;
  CHECK(f.PublishOnce({"a", "b"}, "id").first_sequence == 1);
  const PublishResult again = f.PublishOnce({"a", "b"}, "id");
  CHECK(again.status.ok());
  CHECK(again.duplicate);
  CHECK(again.first_sequence == 1);
  CHECK(again.count == 2);
  CHECK(f.PublishOnce({"c"}, "other").first_sequence == 3);
  CHECK(f.PublishOnce({"d"}, "id", "producer").first_sequence == 4);
  CHECK(f.topic->Stats().figures.duplicate_batches == 1);
  CHECK(f.topic->Stats().next_sequence == 5);
  // The window: two minutes, unless the topic says otherwise.
  f.world.AdvanceAndSettle(119'999);
  CHECK(f.PublishOnce({"a", "b"}, "id").duplicate);
  f.world.AdvanceAndSettle(1);
  CHECK_FALSE(f.PublishOnce({"a", "b"}, "id").duplicate);
}

TEST_CASE("Dedup: a topic may have a window of its own") {
  TopicConfig config;
  config.dedup_window_ms = 1'000;
  DedupFixture f(config);
  f.PublishOnce({"a"}, "id");
  f.world.AdvanceAndSettle(1'000);
  CHECK(f.PublishOnce({"a"}, "id").first_sequence == 2);
}

TEST_CASE("Dedup: what was refused has no answer, and may come again") {
  TopicConfig config;
  config.budget_bytes = 64 << 10;
  DedupFixture f(config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const int filled = f.Fill(f.topic, 5'000);
  CHECK(absl::IsResourceExhausted(f.PublishOnce({std::string(5'000, 'x')}, "id").status));
  const StreamPtr c = f.Consume(s, Automatic());
  f.Take(s, c);
  const PublishResult again = f.PublishOnce({std::string(5'000, 'x')}, "id");
  CHECK(again.status.ok());
  CHECK_FALSE(again.duplicate);
  CHECK(again.first_sequence == static_cast<uint64_t>(filled) + 1);
}

TEST_CASE("Dedup: what is remembered is charged, and given back when its time is over") {
  DedupFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Automatic());
  for (int i = 0; i < 1'000; ++i) f.PublishOnce({"x"}, absl::StrCat("id-", i));
  f.Take(s, c);
  CHECK(f.topic->Stats().held_bytes > 1'000 * 160);
  f.world.AdvanceAndSettle(121'000);
  for (int i = 0; i < 3; ++i) {
    f.broker->Rest();
    f.Settle();
  }
  CHECK(f.topic->Stats().held_bytes < 20'000);
}

}  // namespace
}  // namespace estiba::testing

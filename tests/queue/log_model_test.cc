// The log against a plain list, by random operations on both.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "broker/queue/log.h"
#include "tests/queue/records.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

using testing::Bodies;
using testing::MakeRecord;
using testing::NumberedBody;

class Comparison {
 public:
  explicit Comparison(uint64_t seed) : random_(seed), log_(new Log(storage_)) {}

  void Step() {
    switch (Below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Append();
      case 4:
      case 5:
      case 6:
        return Read();
      case 7:
        return Open();
      case 8:
        return Skip();
      case 9:
        return LookUpTime();
      case 10:
        return Below(3) == 0 ? log_->Seal() : Close();
      default:
        return Reclaim();
    }
  }

  void End() {
    readers_.clear();
    log_->Seal();
    log_->Reclaim();
    REQUIRE(log_->begin_sequence() == log_->end_sequence());
    REQUIRE(storage_->budget.UsedApprox() == sizeof(Segment));
    log_.reset();
    REQUIRE(memory_->budget.UsedApprox() == 0);
  }

 private:
  struct Message {
    std::string body;
    int64_t time;
    size_t record_bytes = 0;
  };

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  uint64_t end() const { return messages_.size() + 1; }

  void Append() {
    now_ms_ += static_cast<int64_t>(Below(4) == 0 ? Below(60'000) : Below(3));
    // Now and then a clock that was set back.
    const int64_t wall_ms = now_ms_ - static_cast<int64_t>(Below(8) == 0 ? Below(1000) : 0);
    last_wall_ms_ = std::max(last_wall_ms_, wall_ms);
    const uint64_t count = 1 + Below(Below(10) == 0 ? 500 : 8);
    const uint64_t size = Below(Below(20) == 0 ? 20'000 : 400);
    std::vector<Message> added;
    std::string records;
    for (uint64_t i = 0; i < count; ++i) {
      added.push_back({NumberedBody(end() + i, Below(size + 1)), last_wall_ms_});
      const std::string record = MakeRecord(added.back().body);
      added.back().record_bytes = record.size();
      records += record;
    }
    const uint64_t used = storage_->budget.UsedApprox();
    if (log_->Append(records.data(), static_cast<uint32_t>(records.size()),
                     static_cast<uint32_t>(count), now_ms_, wall_ms)) {
      messages_.insert(messages_.end(), added.begin(), added.end());
    } else {
      REQUIRE(storage_->budget.UsedApprox() == used);
      if (!readers_.empty()) readers_.erase(readers_.begin());  // the oldest makes room
    }
    REQUIRE(log_->end_sequence() == end());
    REQUIRE(memory_->budget.UsedApprox() <= memory_->budget.limit() + 100 * sizeof(Segment));
  }

  void Read() {
    if (readers_.empty()) return;
    Cursor& cursor = readers_[Below(readers_.size())];
    const uint64_t sequence = cursor.sequence();
    const auto max_bytes = static_cast<uint32_t>(1 + Below(20'000));
    const auto max_count = static_cast<uint32_t>(1 + Below(100));
    const Run run = cursor.Peek(max_bytes, max_count);
    REQUIRE(run.empty() == (sequence == end()));
    if (run.empty()) return;
    REQUIRE(run.first == sequence);
    REQUIRE(run.count <= max_count);
    REQUIRE((run.bytes <= max_bytes || run.count == 1));
    const std::vector<std::string> bodies = Bodies(run);
    REQUIRE(bodies.size() == run.count);
    bool same = true;  // one assertion for all: each costs more than the comparison
    for (uint32_t i = 0; i < run.count; ++i) {
      const Message& message = messages_[run.first - 1 + i];
      const auto index = static_cast<uint32_t>(run.first + i - run.segment->base_sequence());
      same &= bodies[i] == message.body && run.segment->TimeOf(index) == message.time;
    }
    REQUIRE(same);
    cursor.Advance(run);
  }

  void Open() {
    if (readers_.size() == 4) return;
    const uint64_t sequence = Below(end() + 10);
    readers_.push_back(log_->At(sequence));
    REQUIRE(readers_.back().sequence() == std::clamp(sequence, log_->begin_sequence(), end()));
    if (Below(2) == 0) readers_.push_back(readers_[Below(readers_.size())].Clone());
  }

  void Close() {
    if (!readers_.empty()) readers_.erase(readers_.begin() + Below(readers_.size()));
  }

  void Skip() {
    if (readers_.empty()) return;
    Cursor& cursor = readers_[Below(readers_.size())];
    const uint64_t to = cursor.sequence() + Below(end() - cursor.sequence() + 1);
    cursor.SkipTo(to);
    REQUIRE(cursor.sequence() == to);
  }

  void LookUpTime() {
    const int64_t time = static_cast<int64_t>(Below(static_cast<uint64_t>(last_wall_ms_) + 10));
    uint64_t expected = log_->begin_sequence();
    while (expected < end() && messages_[expected - 1].time < time) ++expected;
    REQUIRE(log_->AtTime(time).sequence() == expected);
  }

  void Reclaim() {
    const uint64_t begin = log_->begin_sequence();
    const bool freed = log_->Reclaim();
    REQUIRE((freed || log_->begin_sequence() == begin));
    for (const Cursor& cursor : readers_) REQUIRE(cursor.sequence() >= log_->begin_sequence());
    REQUIRE(storage_->budget.UsedApprox() == log_->held_bytes());
    uint64_t bytes = 0;
    for (uint64_t s = log_->begin_sequence(); s < end(); ++s) {
      bytes += messages_[s - 1].record_bytes;
    }
    REQUIRE(log_->message_bytes() == bytes);
    REQUIRE(log_->held_bytes() >= bytes);
  }

  std::mt19937_64 random_;
  std::shared_ptr<Memory> memory_ = std::make_shared<Memory>(400'000, 16 << 10);
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>(memory_, 0);
  std::unique_ptr<Log> log_;
  std::vector<Message> messages_;
  std::vector<Cursor> readers_;
  int64_t now_ms_ = 1000;
  int64_t last_wall_ms_ = 0;
};

TEST_CASE("Log: random operations have the results that they have on a plain list") {
  for (uint64_t round = 0; round < 25; ++round) {
    Comparison comparison(testing::Seed() + round);
    for (int i = 0; i < 400; ++i) comparison.Step();
    comparison.End();
  }
}

}  // namespace
}  // namespace estiba

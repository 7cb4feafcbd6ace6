// The timer wheel against a std::multimap.
#include "broker/engine/timer_wheel.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

using Entry = TimerWheel::Entry;

constexpr int64_t kSecond = 1'000;
constexpr int64_t kDay = 24 * 3600 * kSecond;
constexpr int64_t kRange = int64_t{1} << 36;  // of the top level

TEST_CASE("TimerWheel: hands over nothing before its time, and everything at it") {
  const int64_t delay =
      GENERATE(int64_t{1}, 2, 63, 64, 65, 4'095, 4'096, 4'097, 262'144, 16'777'217, 1'073'741'824,
               400 * kDay, kRange - 1, kRange, 900 * kDay);
  const int64_t start =
      GENERATE(int64_t{0}, 1, 63, 4'095, 123'456'789, kRange - 1, kRange, 5 * kRange + 7);
  TimerWheel wheel(start);
  Entry entry;
  CHECK(wheel.NextDue() == TimerWheel::kNever);
  CHECK(wheel.Advance(start) == nullptr);
  wheel.Add(&entry, start + delay);
  CHECK(wheel.size() == 1);
  CHECK(entry.linked());
  CHECK(entry.due_ms() == start + delay);
  CHECK(wheel.NextDue() > start);
  CHECK(wheel.NextDue() <= start + delay);
  CHECK(wheel.Advance(start + delay - 1) == nullptr);
  CHECK(wheel.NextDue() == start + delay);
  CHECK(wheel.Advance(start + delay) == &entry);
  CHECK(!entry.linked());
  CHECK(wheel.empty());
  CHECK(wheel.Advance(start + delay) == nullptr);
}

TEST_CASE("TimerWheel: one jump over everything keeps the order") {
  TimerWheel wheel(7);
  std::vector<int64_t> due = {8,          70,         71,         5'000,      5'001,
                              400 * kDay, 401 * kDay, 900 * kDay, 901 * kDay, 5'000 * kDay};
  std::vector<Entry> entries(due.size());
  for (size_t i = due.size(); i-- > 0;) wheel.Add(&entries[i], due[i]);
  for (Entry& entry : entries) CHECK(wheel.Advance(10'000 * kDay) == &entry);
  CHECK(wheel.Advance(10'000 * kDay) == nullptr);
}

TEST_CASE("TimerWheel: entries of one time come in the order in which they were added") {
  TimerWheel wheel(0);
  std::vector<Entry> entries(1'000);
  for (Entry& entry : entries) {
    wheel.Add(&entry, 1'000'000);
    wheel.Advance(500 * (&entry - entries.data()));  // so they start from different levels
  }
  for (Entry& entry : entries) REQUIRE(wheel.Advance(1'000'000) == &entry);
}

TEST_CASE("TimerWheel: what is already due when it is added comes at once") {
  TimerWheel wheel(100);
  Entry early;
  Entry late;
  wheel.Add(&late, 100);
  wheel.Add(&early, -5);
  CHECK(early.due_ms() == 100);
  CHECK(wheel.NextDue() == 100);
  CHECK(wheel.Advance(100) == &late);
  CHECK(wheel.Advance(100) == &early);
}

TEST_CASE("TimerWheel: a clock that goes back does nothing") {
  TimerWheel wheel(100);
  Entry entry;
  wheel.Add(&entry, 100);
  CHECK(wheel.Advance(99) == nullptr);
  CHECK(wheel.Advance(-1) == nullptr);
  CHECK(wheel.Advance(100) == &entry);
}

TEST_CASE("TimerWheel: the end of the time that can be counted is far away") {
  TimerWheel wheel(0);
  Entry never;
  Entry soon;
  wheel.Add(&never, TimerWheel::kNever);
  wheel.Add(&soon, 10);
  CHECK(wheel.Advance(20'000 * kDay) == &soon);
  CHECK(wheel.Advance(20'000 * kDay) == nullptr);
  CHECK(wheel.NextDue() > 20'000 * kDay);
  CHECK(wheel.Advance(TimerWheel::kNever) == &never);
}

TEST_CASE("TimerWheel: unlinks what it still has when it goes") {
  Entry entries[5];
  {
    TimerWheel wheel(0);
    wheel.Add(&entries[0], 1);
    wheel.Add(&entries[1], 1);
    wheel.Add(&entries[2], 1);
    wheel.Add(&entries[3], 100'000);
    wheel.Add(&entries[4], 900 * kDay);
  }
  for (const Entry& entry : entries) CHECK(!entry.linked());
}

TEST_CASE("TimerWheel: a timer set to NextDue each time needs few calls") {
  std::mt19937_64 random(testing::Seed());
  for (int i = 0; i < 2'000; ++i) {
    const int64_t start = static_cast<int64_t>(random() >> (26 + random() % 38));
    const int64_t delay = 1 + static_cast<int64_t>(random() % (int64_t{1} << random() % 36));
    TimerWheel wheel(start);
    Entry entry;
    wheel.Add(&entry, start + delay);
    Entry* fired = nullptr;
    int calls = 0;
    int64_t now = start;
    while (fired == nullptr) {
      REQUIRE(wheel.NextDue() > now);
      now = wheel.NextDue();
      fired = wheel.Advance(now);
      ++calls;
    }
    INFO("start " << start << " delay " << delay);
    REQUIRE(now == start + delay);
    REQUIRE(calls <= 7);
  }
}

// A wheel and what it should do.
class Comparison {
 public:
  explicit Comparison(std::mt19937_64& random)
      : random_(random), now_(Start()), wheel_(now_), last_now_(now_) {}
  ~Comparison() {
    for (auto& [due, timer] : expected_) wheel_.Remove(timer.get());
  }

  void Step() {
    switch (Below(5)) {
      case 0:
      case 1:
        for (uint64_t n = 1 + Below(8); n > 0; --n) AddOne();
        break;
      case 2:
        RemoveOne();
        break;
      default:
        AdvanceTo(last_now_ + Delay());
    }
    Check();
  }

  void Finish() {
    adding_ = false;
    while (!expected_.empty()) AdvanceTo(std::prev(expected_.end())->first);
    REQUIRE(wheel_.empty());
  }

  int handed_over() const { return handed_over_; }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  int64_t Start() {
    const int64_t round = static_cast<int64_t>(Below(3)) * kRange;
    return std::max<int64_t>(0, round + static_cast<int64_t>(Below(200)) - 100);
  }
  int64_t Delay() {
    static constexpr int64_t kScales[] = {2, 10, 100, 5'000, kSecond * 3600, 30 * kDay, 400 * kDay};
    int64_t scale = kScales[Below(std::size(kScales))];
    if (Below(50) == 0) scale = 3'000 * kDay;
    return static_cast<int64_t>(Below(static_cast<uint64_t>(scale)));
  }

  void AddOne() {
    auto timer = std::make_unique<Entry>();
    const int64_t due = Below(10) == 0 ? now_ - Delay() : now_ + Delay();
    wheel_.Add(timer.get(), due);
    const int64_t counts = std::max(due, now_);
    REQUIRE(timer->due_ms() == counts);
    expected_.emplace(counts, std::move(timer));  // behind those of the same time
  }

  void RemoveOne() {
    if (expected_.empty()) return;
    const size_t soon = std::min<size_t>(3, expected_.size());
    const uint64_t at = Below(Below(2) ? soon : expected_.size());
    const auto it = std::next(expected_.begin(), static_cast<std::ptrdiff_t>(at));
    wheel_.Remove(it->second.get());
    REQUIRE(!it->second->linked());
    expected_.erase(it);
  }

  void AdvanceTo(int64_t target) {
    uint64_t limit = Below(4) == 0 ? 1 + Below(5) : 1'000;  // sometimes it stops on the way
    while (limit-- > 0) {
      Entry* const entry = wheel_.Advance(target);
      if (entry == nullptr) {
        if (!expected_.empty()) REQUIRE(expected_.begin()->first > target);
        now_ = last_now_ = target;
        return;
      }
      REQUIRE(!expected_.empty());
      const auto first = expected_.begin();
      REQUIRE(first->second.get() == entry);
      REQUIRE(first->first <= target);
      REQUIRE(first->first >= now_);
      now_ = first->first;
      expected_.erase(first);  // frees the entry
      ++handed_over_;
      if (adding_ && Below(4) == 0) AddOne();
      if (adding_ && Below(4) == 0) RemoveOne();
    }
    last_now_ = target;
    Check();
  }

  void Check() {
    REQUIRE(wheel_.size() == expected_.size());
    if (expected_.empty()) {
      REQUIRE(wheel_.NextDue() == TimerWheel::kNever);
    } else {
      REQUIRE(wheel_.NextDue() <= expected_.begin()->first);
      REQUIRE(wheel_.NextDue() >= now_);
    }
  }

  std::mt19937_64& random_;
  int64_t now_;  // the wheel's time
  TimerWheel wheel_;
  int64_t last_now_;
  std::multimap<int64_t, std::unique_ptr<Entry>> expected_;
  bool adding_ = true;
  int handed_over_ = 0;
};

TEST_CASE("TimerWheel: does what a multimap does, whatever is added and removed on the way") {
  std::mt19937_64 random(testing::Seed());
  int handed_over = 0;
  for (int program = 0; program < 400; ++program) {
    Comparison comparison(random);
    for (int step = 0; step < 250; ++step) comparison.Step();
    comparison.Finish();
    handed_over += comparison.handed_over();
  }
  CHECK(handed_over > 10'000);
}

TEST_CASE("TimerWheel: a million entries come in order") {
  std::mt19937_64 random(testing::Seed());
  TimerWheel wheel(12'345);
  std::vector<Entry> entries(1'000'000);
  for (Entry& entry : entries) {
    wheel.Add(&entry, 12'345 + static_cast<int64_t>(random() % (400 * kDay)));
  }
  for (size_t i = 0; i < entries.size(); i += 2) wheel.Remove(&entries[i]);
  CHECK(wheel.size() == 500'000);
  int64_t before = 0;
  size_t handed_over = 0;
  bool in_order = true;
  while (const Entry* entry = wheel.Advance(500 * kDay)) {
    in_order &= entry->due_ms() >= before && (entry - entries.data()) % 2 == 1;
    before = entry->due_ms();
    ++handed_over;
  }
  CHECK(in_order);
  CHECK(handed_over == 500'000);
}

}  // namespace
}  // namespace estiba

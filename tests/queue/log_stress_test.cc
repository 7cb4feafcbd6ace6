#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "broker/queue/log.h"
#include "broker/queue/wait_list.h"
#include "tests/queue/records.h"
#include "tests/queue/stress.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

using testing::Bodies;
using testing::Event;
using testing::Findings;
using testing::MakeRecord;
using testing::ReadStamp;
using testing::Stamp;
using testing::StampedBody;

constexpr uint64_t kMessages = 60'000;
constexpr uint64_t kBudget = 400'000;

struct Reader {
  Cursor cursor;
  Event woken;
  Reader* next_waiter = nullptr;
  bool waiting = false;
};

// Appends while there is budget, frees what the readers have left, waits where neither helps.
class Writer final : public BudgetWaiter {
 public:
  void OnBudgetFreed() override {
    told_.store(true, std::memory_order_release);
    event.Set();
  }

  void Run(uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int64_t ms = 1; log.end_sequence() <= kMessages;
         ms += static_cast<int64_t>(random() % 3)) {
      const uint64_t first = log.end_sequence();
      const uint64_t count = std::min(1 + random() % 40, kMessages + 1 - first);
      std::string records;
      for (uint64_t i = 0; i < count; ++i) {
        records += MakeRecord(StampedBody(0, first + i, random() % 300));
      }
      while (!log.Append(records.data(), static_cast<uint32_t>(records.size()),
                         static_cast<uint32_t>(count), ms, ms)) {
        MakeRoom();
      }
      WakeReaders();
      if (random() % 16 == 0) log.Reclaim();
      if (random() % 256 == 0) log.Seal();
    }
    log.Seal();
  }

  std::shared_ptr<Memory> memory = std::make_shared<Memory>(kBudget, 16 << 10);
  std::shared_ptr<Storage> storage = std::make_shared<Storage>(memory, 0);
  Log log{storage};
  WaitList<Reader> readers;
  Event event;  // memory came free, or a cursor was the last to leave a segment

 private:
  void MakeRoom() {
    if (log.Reclaim()) return;
    if (told_.exchange(false, std::memory_order_acquire)) {
      storage->budget.Wait(this);
      return;  // and try once more
    }
    event.Await();
  }

  void WakeReaders() {
    for (Reader* r = readers.TakeAll(); r != nullptr;) {
      Reader* const next = r->next_waiter;
      r->woken.Set();
      r = next;
    }
  }

  std::atomic<bool> told_{true};  // not in the budget's list
};

void Check(const Run& run, uint64_t expected, Findings& findings) {
  findings.Check(run.first == expected, "a run that does not follow the last one");
  const std::vector<std::string> bodies = Bodies(run);
  findings.Check(bodies.size() == run.count, "a run that is not whole records");
  for (size_t i = 0; i < bodies.size(); ++i) {
    Stamp stamp;
    findings.Check(ReadStamp(bodies[i], &stamp), "a torn message");
    findings.Check(stamp.number == run.first + i, "a message in another's place");
  }
}

void Read(Reader& self, Writer& writer, uint64_t seed, bool skips, Findings& findings) {
  std::mt19937_64 random(seed);
  Run held;  // as a frame on its way out: its memory is kept behind the cursor's back
  uint64_t held_first = 0;
  while (self.cursor.sequence() <= kMessages) {
    const uint64_t expected = self.cursor.sequence();
    const Run run = self.cursor.Peek(static_cast<uint32_t>(1 + random() % 20'000),
                                     static_cast<uint32_t>(1 + random() % 100));
    if (self.cursor.TakeLeft()) writer.event.Set();
    if (!run.empty()) {
      Check(run, expected, findings);
      const auto index = static_cast<uint32_t>(run.first - run.segment->base_sequence());
      findings.Check(run.segment->OffsetOf(index) == run.offset, "wrong offset");
      findings.Check(run.segment->NextTimeChange(index) > index, "wrong time change");
      if (!held.empty() && random() % 4 == 0) Check(held, held_first, findings);
      if (random() % 4 == 0) {
        held = run;
        held_first = run.first;
      }
      if (skips && random() % 4 == 0) {
        self.cursor.SkipTo(std::min(expected + random() % 500, writer.log.end_sequence()));
      } else {
        self.cursor.Advance(run);
      }
      continue;
    }
    // The memory of a held run must not be what the writer waits for.
    held = Run();
    if (!self.waiting) {
      self.waiting = true;
      writer.readers.Add(&self);
      continue;  // look again
    }
    self.woken.Await();
    self.waiting = false;
  }
  held = Run();
  self.cursor.Reset();
  if (self.cursor.TakeLeft()) writer.event.Set();
}

TEST_CASE("Log: four readers with real threads see everything once, whole, while it is freed") {
  const uint64_t seed = testing::Seed();
  Writer writer;
  Findings findings;
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(std::make_unique<Reader>());
    readers.back()->cursor = writer.log.At(1);
  }
  std::vector<std::thread> threads;
  for (size_t i = 0; i < readers.size(); ++i) {
    threads.emplace_back([&, i] { Read(*readers[i], writer, seed + i, i == 3, findings); });
  }
  writer.Run(seed);
  for (std::thread& thread : threads) thread.join();
  CHECK(findings.first() == "");
  writer.log.Reclaim();
  CHECK(writer.log.message_bytes() == 0);
  CHECK(writer.storage->budget.UsedApprox() == sizeof(Segment));
  CHECK(writer.memory->budget.PeakApprox() <= kBudget + 100 * sizeof(Segment));
}

}  // namespace
}  // namespace estiba

#include "broker/engine/ordering.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "broker/engine/ordering_key.h"

namespace estiba {
namespace {

// Keys whose next attempt is another than the frame's are passed over, so many of them.
constexpr int kMostPassedOver = 1'024;
// What a key in use costs beside its messages, and a message in flight: the entry, and its share of
// the table.
constexpr uint64_t kKeyBytes = 160;
constexpr uint64_t kInFlightBytes = 64;

}  // namespace

uint64_t Ordering::KeyOf(std::string_view message) {
  const std::string_view key = OrderingKey(message);
  if (key.empty()) return 0;
  return std::max<uint64_t>(std::hash<std::string_view>()(key), 1);
}

Ordering::~Ordering() {
  for (auto& [hash, key] : keys_) {
    if (key->waits()) wheel_->Remove(key.get());
  }
  for (auto& [consumer, lane] : lanes_) lane->ready.clear();
  nobodys_.ready.clear();
}

// --- Consumers ----------------------------------------------------------------------------------

uint64_t Ordering::Score(const Lane& lane, size_t slot) const {
  // The finalizer of splitmix64.
  uint64_t x = seed_ ^ (lane.id * 0x9e3779b97f4a7c15u) ^ (slot * 0xbf58476d1ce4e5b9u);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

Ordering::Lane* Ordering::SlotOf(uint64_t hash) {
  Lane* const lane = slots_.empty() ? nullptr : slots_[hash % kSlots];
  return lane == nullptr ? &nobodys_ : lane;
}

void Ordering::Offer(size_t slot, Lane* lane) {
  Lane*& has = slots_[slot];
  if (has == nullptr || Score(*lane, slot) > Score(*has, slot)) has = lane;
}

Ordering::Lane* Ordering::LaneOf(const Consumer* consumer) {
  const auto it = lanes_.find(consumer);
  return it == lanes_.end() ? nullptr : it->second.get();
}

void Ordering::Join(const Consumer* consumer) {
  auto made = std::make_unique<Lane>();
  Lane* const lane = made.get();
  lane->id = next_lane_++;
  lane->consumer = consumer;
  lanes_[consumer] = std::move(made);
  slots_.resize(kSlots);
  for (size_t i = 0; i < kSlots; ++i) Offer(i, lane);
  if (nobodys_.keys > 0) MoveIdle(&nobodys_);
}

void Ordering::Leave(const Consumer* consumer) {
  const auto it = lanes_.find(consumer);
  if (it == lanes_.end()) return;
  std::unique_ptr<Lane> lane = std::move(it->second);
  lanes_.erase(it);
  for (size_t i = 0; i < kSlots; ++i) {
    if (slots_[i] != lane.get()) continue;
    slots_[i] = nullptr;
    for (const auto& [other, l] : lanes_) Offer(i, l.get());
  }
  lane->consumer = nullptr;
  Lane* const left = lane.get();
  left_.push_back(std::move(lane));
  MoveIdle(left);
  DropLaneIfLeft(left);
}

void Ordering::MoveIdle(Lane* lane) {
  std::vector<Key*> idle;
  for (auto& [hash, key] : keys_) {
    if (key->lane == lane && key->first_in_flight == 0) idle.push_back(key.get());
  }
  // The table's order is any; what came first goes first.
  std::sort(idle.begin(), idle.end(),
            [](const Key* a, const Key* b) { return a->first_blocked < b->first_blocked; });
  for (Key* const key : idle) Assign(*key, SlotOf(key->hash));
}

void Ordering::DropLaneIfLeft(const Lane* lane) {
  // It may be gone already: only those in the list are looked into.
  std::erase_if(left_, [=](const auto& left) { return left.get() == lane && left->keys == 0; });
}

bool Ordering::TookSome(const Consumer* consumer) {
  Lane* const lane = LaneOf(consumer);
  return lane == nullptr || std::exchange(lane->took, false) || lane->ready.empty();
}

void Ordering::Yield(const Consumer* consumer, absl::Span<const Consumer* const> others) {
  Lane* const lane = LaneOf(consumer);
  if (lane == nullptr || others.empty()) return;
  std::vector<Key*> idle;
  for (Key& key : lane->ready) {
    if (key.first_in_flight == 0) idle.push_back(&key);
  }
  for (Key* const key : idle) Assign(*key, LaneOf(others[key->hash / kSlots % others.size()]));
}

// --- Keys ---------------------------------------------------------------------------------------

Ordering::Key& Ordering::Find(uint64_t hash) {
  std::unique_ptr<Key>& key = keys_[hash];
  if (key == nullptr) {
    key = std::make_unique<Key>();
    key->hash = hash;
    key->lane = SlotOf(hash);
    ++key->lane->keys;
  }
  return *key;
}

void Ordering::Assign(Key& key, Lane* lane) {
  Lane* const before = key.lane;
  const bool ready = key.ready();
  MakeUnready(key);
  --before->keys;
  key.lane = lane;
  ++lane->keys;
  if (ready) lane->ready.push_back(key);
  DropLaneIfLeft(before);
}

void Ordering::MakeReady(Key& key) {
  if (key.first_blocked != 0 && !key.waits() && !key.ready()) key.lane->ready.push_back(key);
}

void Ordering::MakeUnready(Key& key) {
  if (key.ready()) key.lane->ready.erase(key.lane->ready.iterator_to(key));
}

void Ordering::Rest(Key& key) {
  if (key.first_blocked != 0) {
    if (key.lane->consumer == nullptr) Assign(key, SlotOf(key.hash));
    return;
  }
  if (key.waits()) wheel_->Remove(&key);
  Lane* const lane = key.lane;
  MakeUnready(key);
  --lane->keys;
  keys_.erase(key.hash);
  DropLaneIfLeft(lane);
}

void Ordering::Launch(Key& key, uint64_t sequence) {
  InFlightMessage& message = in_flight_[sequence];
  message = {&key, key.last_in_flight, 0, false};
  (key.last_in_flight == 0 ? key.first_in_flight : in_flight_[key.last_in_flight].next) = sequence;
  key.last_in_flight = sequence;
}

void Ordering::Unlink(uint64_t sequence) {
  const auto it = in_flight_.find(sequence);
  const InFlightMessage message = it->second;
  in_flight_.erase(it);
  Key& key = *message.key;
  (message.previous == 0 ? key.first_in_flight : in_flight_[message.previous].next) = message.next;
  (message.next == 0 ? key.last_in_flight : in_flight_[message.next].previous) = message.previous;
}

void Ordering::Block(Key& key, Blocked message) {
  const uint64_t sequence = message.run.first;
  message.key = key.hash;
  message.previous = key.last_blocked;
  message.next = 0;
  (key.last_blocked == 0 ? key.first_blocked : blocked_.entries()[key.last_blocked].next) =
      sequence;
  key.last_blocked = sequence;
  blocked_.Insert(std::move(message));
}

Blocked Ordering::TakeOut(uint64_t sequence) {
  Blocked taken;
  blocked_.Carve(sequence, sequence, [&](Blocked&& message) { taken = std::move(message); });
  Key& key = *keys_.find(taken.key)->second;
  auto& entries = blocked_.entries();
  (taken.previous == 0 ? key.first_blocked : entries[taken.previous].next) = taken.next;
  (taken.next == 0 ? key.last_blocked : entries[taken.next].previous) = taken.previous;
  if (key.first_blocked != 0) return taken;
  MakeUnready(key);
  if (key.first_in_flight == 0) Rest(key);
  return taken;
}

// --- Messages -----------------------------------------------------------------------------------

bool Ordering::Admit(const Consumer* consumer, uint64_t hash, const Run& message) {
  Key& key = Find(hash);
  if (key.first_blocked == 0 && key.lane->consumer == consumer && consumer != nullptr) {
    key.lane->took = true;
    Launch(key, message.first);
    return true;
  }
  Block(key, {message, 1});
  MakeReady(key);
  return false;
}

void Ordering::Restore(const Run& message, uint32_t attempt, uint64_t hash) {
  Key& key = Find(hash);
  Block(key, {message, attempt});
  MakeReady(key);
}

Delivery Ordering::Take(const Consumer* consumer, uint32_t max_messages, uint64_t max_bytes) {
  Delivery delivery;
  Lane* const lane = LaneOf(consumer);
  if (lane == nullptr || lane->ready.empty()) return delivery;
  lane->took = true;
  delivery.attempt = blocked_.entries()[lane->ready.front().first_blocked].attempt;
  std::vector<Run> runs;
  uint64_t bytes = 0;
  bool full = false;
  int passed_over = 0;
  const Key* const last = &lane->ready.back();
  while (!full && !lane->ready.empty()) {
    Key& key = lane->ready.front();
    // In turn: what is left of this key waits behind the others.
    lane->ready.pop_front();
    lane->ready.push_back(key);
    const bool round = &key == last;
    bool other_attempt = false;
    while (!full && key.first_blocked != 0) {
      const Blocked& next = blocked_.entries()[key.first_blocked];
      other_attempt = next.attempt != delivery.attempt;
      if (other_attempt) break;
      full = !runs.empty() && bytes + next.run.bytes > max_bytes;
      if (full) break;
      bytes += next.run.bytes;
      runs.push_back(next.run);
      // In flight first, so that the key is not forgotten.
      Launch(key, next.run.first);
      TakeOut(next.run.first);
      full = runs.size() >= std::min<size_t>(max_messages, Delivery::kMaxRuns);
    }
    if (round || (other_attempt && ++passed_over >= kMostPassedOver)) break;
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.first < b.first; });
  for (Run& run : runs) delivery.Add(std::move(run));
  return delivery;
}

std::vector<uint64_t> Ordering::Fail(uint64_t sequence, uint64_t* hash) {
  std::vector<uint64_t> back;
  Key& key = *in_flight_.find(sequence)->second.key;
  *hash = key.hash;
  for (uint64_t s = sequence; s != 0; s = in_flight_[s].next) back.push_back(s);
  for (const uint64_t s : back) Unlink(s);
  return back;
}

void Ordering::Return(uint64_t hash, std::vector<Blocked> messages, int64_t now_ms,
                      int64_t due_ms) {
  Key& key = *keys_.find(hash)->second;
  const bool some = !messages.empty();
  for (auto it = messages.rbegin(); it != messages.rend(); ++it) {
    const uint64_t sequence = it->run.first;
    it->key = hash;
    it->previous = 0;
    it->next = key.first_blocked;
    (key.first_blocked == 0 ? key.last_blocked : blocked_.entries()[key.first_blocked].previous) =
        sequence;
    key.first_blocked = sequence;
    blocked_.Insert(std::move(*it));
  }
  if (some) {
    if (key.waits()) {
      due_ms = std::max(due_ms, key.due_ms());
      wheel_->Remove(&key);
    }
    MakeUnready(key);
    if (due_ms > 0) {
      if (wheel_ == nullptr) wheel_ = std::make_unique<TimerWheel>(now_ms);
      wheel_->Add(&key, due_ms);
    } else {
      MakeReady(key);
    }
  }
  if (key.first_in_flight == 0) Rest(key);
}

void Ordering::Advance(int64_t now_ms) {
  if (wheel_ == nullptr) return;
  while (TimerWheel::Entry* const entry = wheel_->Advance(now_ms)) {
    MakeReady(*static_cast<Key*>(entry));
  }
  if (wheel_->empty()) wheel_.reset();
}

uint64_t Ordering::bytes() const {
  return blocked_.size() * kEntryBytes + keys_.size() * kKeyBytes +
         in_flight_.size() * kInFlightBytes;
}

}  // namespace estiba

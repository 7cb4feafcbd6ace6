#include "broker/engine/schedule.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "broker/engine/message_times.h"
#include "broker/queue/record.h"

namespace estiba {
namespace {

// A batch goes to the log in one piece: big enough to be cheap, small enough to be a copy beside
// the budget for a moment.
constexpr size_t kBatchBytes = 256 << 10;
constexpr uint32_t kBatchMessages = 4'096;

}  // namespace

// The record follows it in memory.
struct Schedule::Node final : TimerWheel::Entry {
  explicit Node(std::string_view r) : bytes(static_cast<uint32_t>(r.size())) {
    std::memcpy(reinterpret_cast<char*>(this + 1), r.data(), r.size());
  }
  std::string_view record() const { return {reinterpret_cast<const char*>(this + 1), bytes}; }

  const uint32_t bytes;
};

Schedule::Schedule(std::shared_ptr<Storage> storage, int64_t now_ms)
    : storage_(std::move(storage)), wheel_(now_ms) {}

Schedule::~Schedule() {
  while (TimerWheel::Entry* entry = wheel_.TakeAny()) {
    Free(static_cast<Node*>(entry));
  }
  const uint64_t charged = charged_ + reserved_ + due_.charged;
  if (charged > 0) storage_->budget.Release(charged);
}

void Schedule::Free(Node* node) {
  node->~Node();
  ::operator delete(node);
}

uint64_t Schedule::ChargeFor(size_t record_bytes) {
  static_assert(sizeof(Node) + 8 + 15 <= kMostBeside);
  // glibc's malloc: 8 bytes in front, in steps of 16.
  return (sizeof(Node) + record_bytes + 8 + 15) / 16 * 16;
}

bool Schedule::TryReserve(uint64_t bytes, uint64_t beside) {
  const uint64_t reserve = kReserve - reserved_;
  if (!storage_->budget.TryCharge(bytes + reserve + beside)) return false;
  charged_ += bytes;
  reserved_ += reserve;
  return true;
}

void Schedule::Return(uint64_t bytes) {
  charged_ -= bytes;
  storage_->budget.Release(bytes);
}

void Schedule::Add(std::string_view record, int64_t due_ms) {
  void* const memory = ::operator new(sizeof(Node) + record.size());
  wheel_.Add(new (memory) Node(record), due_ms);
}

bool Schedule::TakeDue(int64_t now_ms) {
  while (due_.count < kBatchMessages && due_.records.size() < kBatchBytes) {
    Node* const node = static_cast<Node*>(wheel_.Advance(now_ms));
    if (node == nullptr) break;
    const std::string_view record = node->record();
    due_.records.append(record);
    ++due_.count;
    const uint64_t charge = ChargeFor(record.size());
    due_.charged += charge;
    charged_ -= charge;
    due_.ttl.Add(ReadTimes(RecordBody(record.data())).time_to_live_ms);
    Free(node);
  }
  return due_.count > 0;
}

void Schedule::Stored(uint64_t prepaid_left) {
  due_ = {};
  reserved_ = std::min(prepaid_left, kReserve);
  if (prepaid_left > reserved_) storage_->budget.Release(prepaid_left - reserved_);
  // What is missing in the reserve is charged as soon as there is room.
  const uint64_t missing = kReserve - reserved_;
  if (!wheel_.empty() && missing > 0 && storage_->budget.TryCharge(missing)) reserved_ = kReserve;
}

}  // namespace estiba

// Subscription: one that begins with the last messages looks for them before all else.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/subscription.h"

namespace estiba {
namespace {

// Most messages that a turn looks at before others get theirs: a millisecond or two.
constexpr uint32_t kLookMessages = 8'192;

}  // namespace

void Subscription::BeginLook(uint64_t until, bool of_each_key) {
  look_ = std::make_unique<LastLook>(until, of_each_key, config_.filter);
  if (look_->OnlyNewest() && cursor_.sequence() < until) cursor_.SkipTo(until - 1);
}

void Subscription::LookOn() {
  uint32_t left = kLookMessages;
  while (cursor_.sequence() < look_->until()) {
    if (left == 0) {
      scan_on_.SendOnce();
      return YieldTurn();
    }
    StepOn();
    const uint64_t most = std::min<uint64_t>(left, look_->until() - cursor_.sequence());
    const Run run = cursor_.Peek(std::numeric_limits<uint32_t>::max(), static_cast<uint32_t>(most));
    if (run.empty()) break;
    if (!look_->Look(run)) {
      return HandleEnd(absl::ResourceExhaustedError(
          absl::StrCat("from: topic \"", topic_->name(), "\" has more than ", LastLook::kMostKeys,
                       " ordering keys: too many to begin with the last message of each")));
    }
    cursor_.Advance(run);
    left -= run.count;
  }
  look_->ForEach([&](const Run& run) { redeliveries_.Insert({run, 1}); });
  look_.reset();
  BeginOrder();
}

void Subscription::AbandonLook() {
  if (look_ == nullptr) return;
  if (cursor_.sequence() < look_->until()) cursor_.SkipTo(look_->until());
  look_.reset();
}

}  // namespace estiba

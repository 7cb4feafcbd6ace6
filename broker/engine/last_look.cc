#include "broker/engine/last_look.h"

#include "broker/engine/filter.h"
#include "broker/engine/ordering_key.h"
#include "broker/queue/record.h"

namespace estiba {

bool LastLook::Look(const Run& run) {
  const char* p = run.data();
  Run one = run;
  one.count = 1;
  for (uint32_t i = 0; i < run.count; ++i) {
    const std::string_view message = RecordBody(p);
    const char* const next = message.data() + message.size();
    one.first = run.first + i;
    one.offset = run.offset + static_cast<uint32_t>(p - run.data());
    one.bytes = static_cast<uint32_t>(next - p);
    p = next;
    const std::string_view bytes = of_each_key_ ? OrderingKey(message) : std::string_view();
    const absl::string_view key(bytes.data(), bytes.size());
    if (of_each_key_ && key.empty()) continue;
    if (filter_ != nullptr && !filter_->Matches(message)) continue;
    // Not only the message changes: the key lies in it.
    found_.erase(key);
    if (found_.size() >= kMostKeys) return false;
    found_.emplace(key, one);
  }
  return true;
}

void LastLook::Trim(uint64_t sequence) {
  absl::erase_if(found_, [&](const auto& entry) { return entry.second.first < sequence; });
}

}  // namespace estiba

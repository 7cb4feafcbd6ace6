#include "broker/rpc/stream_table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "broker/rpc/call.h"

namespace estiba {
namespace {

constexpr size_t kMaxClientName = 255;

}  // namespace

void StreamActivity::SetNames(std::string_view topic, std::string_view subscription) {
  absl::MutexLock lock(&mutex_);
  topic_.assign(topic);
  subscription_.assign(subscription);
}

void StreamActivity::Fill(StreamInfo* info) const {
  info->messages = messages_.Get();
  info->bytes = bytes_.Get();
  absl::MutexLock lock(&mutex_);
  info->topic = topic_;
  info->subscription = subscription_;
}

StreamInfo DescribeStream(const Call& call, int64_t now_ms) {
  StreamInfo info;
  info.client_name = call.Metadata("estiba-client-name");
  info.peer = call.peer();
  info.method = std::string(ShortMethod(call.method()));
  info.open_time_ms = now_ms;
  return info;
}

absl::Status StreamTable::TryAdd(StreamInfo info, CallHandler* handler,
                                 const StreamActivity* activity, uint64_t* id) {
  if (info.client_name.empty()) info.client_name = info.peer;
  if (info.client_name.size() > kMaxClientName) {
    return absl::InvalidArgumentError(absl::StrCat("estiba-client-name: ", info.client_name.size(),
                                                   " characters: at most ", kMaxClientName));
  }
  if (!std::all_of(info.client_name.begin(), info.client_name.end(),
                   [](unsigned char c) { return absl::ascii_isprint(c); })) {
    return absl::InvalidArgumentError("estiba-client-name: has only printable ASCII characters");
  }
  absl::MutexLock lock(&mutex_);
  if (entries_.size() >= max_streams_) {
    return absl::ResourceExhaustedError(absl::StrCat("the broker has ", max_streams_,
                                                     " open streams, as many as max-streams "
                                                     "allows"));
  }
  *id = info.id = ++last_id_;
  entries_.emplace(*id, Entry{std::move(info), handler, activity});
  return absl::OkStatus();
}

void StreamTable::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  entries_.erase(id);
}

std::vector<StreamInfo> StreamTable::List(std::string_view client_name, uint64_t after,
                                          size_t limit) const {
  std::vector<StreamInfo> list;
  absl::MutexLock lock(&mutex_);
  for (auto it = entries_.upper_bound(after); it != entries_.end() && list.size() < limit; ++it) {
    if (!client_name.empty() && it->second.info.client_name != client_name) continue;
    list.push_back(it->second.info);
    it->second.activity->Fill(&list.back());
  }
  return list;
}

template <typename Match>
uint32_t StreamTable::EndIf(Match&& match, const absl::Status& status) {
  std::vector<CallHandlerPtr> handlers;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, entry] : entries_) {
      if (match(entry.info)) handlers.emplace_back(entry.handler);
    }
  }
  for (const CallHandlerPtr& handler : handlers) handler->End(status);
  return static_cast<uint32_t>(handlers.size());
}

uint32_t StreamTable::EndByClient(std::string_view client_name, const absl::Status& status) {
  return EndIf([=](const StreamInfo& info) { return info.client_name == client_name; }, status);
}

uint32_t StreamTable::EndById(uint64_t id, const absl::Status& status) {
  return EndIf([=](const StreamInfo& info) { return info.id == id; }, status);
}

uint32_t StreamTable::EndAll(const absl::Status& status) {
  return EndIf([](const StreamInfo&) { return true; }, status);
}

uint32_t StreamTable::Count(std::string_view method) const {
  absl::MutexLock lock(&mutex_);
  uint32_t count = 0;
  for (const auto& [id, entry] : entries_) count += entry.info.method == method;
  return count;
}

}  // namespace estiba

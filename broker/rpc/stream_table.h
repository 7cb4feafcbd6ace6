#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "broker/engine/stats.h"

namespace estiba {

class Call;
class CallHandler;

// An open Publish or Subscribe stream, as Admin.ListConnections shows it.
struct StreamInfo {
  uint64_t id = 0;
  std::string client_name;
  std::string peer;
  std::string method;
  int64_t open_time_ms = 0;
  std::string topic;
  std::string subscription;
  uint64_t messages = 0;
  uint64_t bytes = 0;
};

// What is known of a stream when it opens.
StreamInfo DescribeStream(const Call& call, int64_t now_ms);

// The changing part of it. The stream writes, anybody reads.
class StreamActivity {
 public:
  void Count(uint64_t messages, uint64_t bytes) {
    messages_.Add(messages);
    bytes_.Add(bytes);
  }
  void SetNames(std::string_view topic, std::string_view subscription);
  void Fill(StreamInfo* info) const;

 private:
  Counter messages_;
  Counter bytes_;
  mutable absl::Mutex mutex_;
  std::string topic_ ABSL_GUARDED_BY(mutex_);
  std::string subscription_ ABSL_GUARDED_BY(mutex_);
};

// The open streams: who they are, and a way to end them.
// Threads: any. Bound: max_streams; when full, TryAdd says RESOURCE_EXHAUSTED.
class StreamTable {
 public:
  explicit StreamTable(uint32_t max_streams) : max_streams_(max_streams) {}

  // Gives the stream its id. `handler` and `activity` must live until Remove. INVALID_ARGUMENT: the
  // client's name is none.
  absl::Status TryAdd(StreamInfo info, CallHandler* handler, const StreamActivity* activity,
                      uint64_t* id);
  void Remove(uint64_t id);

  // After an id, in the order of ids; client_name empty: all.
  std::vector<StreamInfo> List(std::string_view client_name, uint64_t after, size_t limit) const;
  // Ends those of a client, or one; returns how many.
  uint32_t EndByClient(std::string_view client_name, const absl::Status& status);
  uint32_t EndById(uint64_t id, const absl::Status& status);
  uint32_t EndAll(const absl::Status& status);

  uint32_t Count(std::string_view method) const;

 private:
  struct Entry {
    StreamInfo info;
    CallHandler* handler;
    const StreamActivity* activity;
  };
  template <typename Match>
  uint32_t EndIf(Match&& match, const absl::Status& status);

  const uint32_t max_streams_;
  mutable absl::Mutex mutex_;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::btree_map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba

// Administration of a broker: topics, subscriptions, figures, connections.
//
// Owner and lifetime: a light handle on a Client's connection; make one where it is needed.
//
// Threads: every method may be called from any thread, also in callbacks. The calls block until the
// answer is here or `timeout` has passed (DEADLINE_EXCEEDED); they do not need the Client's
// threads.
//
// Failure: the broker's status as it is: INVALID_ARGUMENT (field, value and rule), NOT_FOUND,
// ALREADY_EXISTS, RESOURCE_EXHAUSTED; UNAVAILABLE when nobody answers or the broker is shutting
// down. Nothing is tried twice.
#ifndef ESTIBA_ADMIN_H_
#define ESTIBA_ADMIN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "estiba/client.h"
#include "estiba/message.h"
#include "estiba/publisher.h"
#include "estiba/subscriber.h"

namespace estiba {

namespace internal {
class StatsWatchImpl;
}  // namespace internal

// What happens to a publish when memory has no room for it; see proto/estiba/v1/admin.proto.
enum class FullPolicy { kDefault, kReject, kBlock, kDropOldest };
// "default", "reject", "block", "drop-oldest".
const char* FullPolicyName(FullPolicy policy);

struct TopicConfig {
  FullPolicy full_policy = FullPolicy::kDefault;
  // Most memory the topic may hold: 64 KiB or more. 0: only the broker's budget limits it.
  uint64_t budget_bytes = 0;
  // Messages older than this are given up: 1 s - 31 days. Zero: never.
  absl::Duration retention_age = absl::ZeroDuration();
  // The oldest messages beyond this are given up: 64 KiB or more. 0: no limit.
  uint64_t retention_bytes = 0;
  // How long a batch's dedup id is remembered: 1 s - 1 h. Zero: 2 minutes.
  absl::Duration dedup_window = absl::ZeroDuration();
  // Deleted when nobody has used it for this long: 1 s - 366 days. Zero: never.
  absl::Duration idle_expiry = absl::ZeroDuration();
};

// Names a batch, so that it is stored once although it may be sent twice.
struct DedupId {
  std::string id = {};        // up to 128 bytes; empty: none
  std::string producer = {};  // whose id it is, up to 64 bytes; empty: anybody's
};

struct TopicStats {
  uint64_t next_sequence = 0;
  uint64_t held_bytes = 0;
  uint64_t held_messages = 0;
  uint64_t scheduled_messages = 0;  // wait for their time; not in held_messages
  uint64_t forgotten_ids = 0;       // dedup ids forgotten too early, for want of room
  uint32_t subscriptions = 0;
  // Counters since the topic was made.
  uint64_t published_messages = 0;
  uint64_t published_bytes = 0;
  uint64_t rejected_batches = 0;
  uint64_t rejected_messages = 0;
  uint64_t blocked_batches = 0;
  uint64_t dropped_messages = 0;
  uint64_t expired_messages = 0;
  uint64_t duplicate_batches = 0;
};

struct TopicInfo {
  std::string name;
  // As in force.
  TopicConfig config;
  absl::Time create_time;
  TopicStats stats;
};

struct SubscriptionStats {
  // The next sequence that is new to it, and the lowest one not yet consumed.
  uint64_t next_sequence = 0;
  uint64_t floor_sequence = 0;
  uint64_t backlog_messages = 0;      // neither delivered nor consumed
  uint64_t outstanding_messages = 0;  // delivered, not yet acked
  uint64_t redeliver_messages = 0;    // waiting to be redelivered
  uint32_t consumers = 0;
  // Counters since the subscription was made.
  uint64_t delivered_messages = 0;
  uint64_t delivered_bytes = 0;
  uint64_t acked_messages = 0;
  uint64_t nacked_messages = 0;
  uint64_t expired_leases = 0;
  uint64_t gap_messages = 0;
  uint64_t filtered_messages = 0;  // did not match the filter
  uint64_t expired_messages = 0;   // outlived their time to live
  uint64_t delayed_messages = 0;   // waiting for the time of their redelivery (no counter)
  uint64_t dead_lettered_messages = 0;
  uint64_t dead_letter_waiting = 0;  // to leave for the dead-letter topic (no counter)
  uint64_t blocked_messages = 0;     // wait for their ordering key (no counter)
  uint64_t skipped_messages = 0;     // passed over by seeks and purges
  uint64_t seeks = 0;
  bool paused = false;
  bool detached = false;
  uint64_t refused_acks = 0;  // exactly-once: acks that did not count
};

// What a seek has done.
struct SeekOutcome {
  // The first sequence that is delivered as new.
  uint64_t next_sequence = 0;
  // Not consumed before, and now counted as consumed.
  uint64_t skipped_messages = 0;
};

struct SubscriptionInfo {
  std::string name;
  std::string topic;
  SubscriptionConfig config;
  absl::Time create_time;
  SubscriptionStats stats;
};

// Requests and replies; see estiba.v1.RequestStats.
struct RequestStats {
  uint64_t pending = 0;  // callers that wait now
  // Counters since the broker started.
  uint64_t requests = 0;
  uint64_t replies = 0;
  uint64_t late_replies = 0;  // reached nobody
  uint64_t expired = 0;       // not answered in time
  uint64_t no_responders = 0;
  uint64_t refused = 0;  // too many were waiting
};

struct SnapshotOptions {
  // At most 64; keys of 1-63 bytes, values of at most 63.
  std::map<std::string, std::string> labels = {};
  // After this long it is deleted: 1 s - 31 days. Zero: 7 days.
  absl::Duration expire_after = absl::ZeroDuration();
};

struct SnapshotInfo {
  std::string name;
  std::string topic;
  std::map<std::string, std::string> labels;
  absl::Time create_time;
  absl::Time expire_time;
  // Every message from here on is in it, and so many before.
  uint64_t next_sequence = 0;
  uint64_t unacked_messages = 0;
  uint64_t lost_messages = 0;  // taken from it by retention or drop-oldest
};

struct BrokerStats {
  absl::Time time;
  std::string version;
  absl::Duration uptime;
  uint64_t budget_bytes = 0;
  uint64_t held_bytes = 0;
  uint64_t peak_held_bytes = 0;
  uint64_t resident_bytes = 0;  // of the process
  uint32_t topic_count = 0;
  uint32_t subscription_count = 0;
  uint32_t publish_streams = 0;
  uint32_t subscribe_streams = 0;
  // Counters since the broker started.
  uint64_t published_messages = 0;
  uint64_t published_bytes = 0;
  uint64_t delivered_messages = 0;
  uint64_t delivered_bytes = 0;
  uint64_t rejected_messages = 0;
  uint64_t dropped_messages = 0;
  uint64_t expired_messages = 0;
  uint64_t idle_topics = 0;  // deleted because nobody used them
  uint64_t idle_subscriptions = 0;
  bool draining = false;
  RequestStats requests;
  // If asked for.
  std::vector<TopicInfo> topics;
  std::vector<SubscriptionInfo> subscriptions;
};

struct ConnectionInfo {
  uint64_t id = 0;
  std::string client_name;
  std::string peer;
  std::string method;  // "Publish" or "Subscribe"
  absl::Time open_time;
  std::string topic;
  std::string subscription;
  uint64_t messages = 0;
  uint64_t bytes = 0;
};

// One page of a list, in the order of names (connections: of ids). An empty token: the last page.
template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;
};

struct PageRequest {
  uint32_t page_size = 0;       // 1-1,000; 0: 100
  std::string page_token = {};  // empty: the first page
};

struct StatsQuery {
  // Also the figures of each topic and its subscriptions (up to 1,000 topics), or of this topic
  // only.
  bool topics = false;
  std::string topic = {};
};

// A running WatchStats. Destroying it cancels, and waits for a running callback to return; it must
// not be destroyed in its own callback (Cancel may be called there).
class StatsWatch {
 public:
  explicit StatsWatch(std::unique_ptr<internal::StatsWatchImpl> impl);
  ~StatsWatch();
  StatsWatch(const StatsWatch&) = delete;
  StatsWatch& operator=(const StatsWatch&) = delete;

  void Cancel();
  // Waits until the watch has ended and returns why: OK after Cancel. DEADLINE_EXCEEDED: it has
  // not.
  absl::Status Wait(absl::Time deadline = absl::InfiniteFuture());

 private:
  std::unique_ptr<internal::StatsWatchImpl> impl_;
};

class Admin {
 public:
  explicit Admin(const Client& client, absl::Duration timeout = absl::Seconds(10));

  absl::StatusOr<TopicInfo> CreateTopic(const std::string& name, const TopicConfig& config = {});
  absl::StatusOr<TopicInfo> GetTopic(const std::string& name);
  absl::StatusOr<Page<TopicInfo>> ListTopics(const PageRequest& page = {});
  // Page after page; the timeout holds for each.
  absl::StatusOr<std::vector<TopicInfo>> ListAllTopics();
  // With its messages and subscriptions.
  absl::Status DeleteTopic(const std::string& name);

  absl::StatusOr<SubscriptionInfo> CreateSubscription(const std::string& name,
                                                      const std::string& topic,
                                                      const SubscriptionConfig& config = {},
                                                      StartFrom from = StartFrom::Earliest());
  absl::StatusOr<SubscriptionInfo> GetSubscription(const std::string& name);
  // Only those of `topic`, unless it is empty.
  absl::StatusOr<Page<SubscriptionInfo>> ListSubscriptions(const std::string& topic = "",
                                                           const PageRequest& page = {});
  absl::StatusOr<std::vector<SubscriptionInfo>> ListAllSubscriptions(const std::string& topic = "");
  absl::Status DeleteSubscription(const std::string& name);
  // Everything published before counts as consumed. How many messages were not before.
  absl::StatusOr<uint64_t> PurgeSubscription(const std::string& name);
  // A paused subscription keeps consumers and backlog, and delivers nothing.
  absl::StatusOr<SubscriptionInfo> PauseSubscription(const std::string& name);
  absl::StatusOr<SubscriptionInfo> ResumeSubscription(const std::string& name);
  // Everything before `to` counts as consumed; what is kept from there on is delivered, again if
  // need be. See SeekSubscription in proto/estiba/v1/admin.proto.
  absl::StatusOr<SeekOutcome> SeekSubscription(const std::string& name, StartFrom to);
  absl::StatusOr<SeekOutcome> SeekSubscriptionToSnapshot(const std::string& name,
                                                         const std::string& snapshot);
  // Drops all it holds; streams and requests get FAILED_PRECONDITION until it is deleted.
  absl::Status DetachSubscription(const std::string& name);

  // What the subscription has not consumed now, and everything published after.
  absl::StatusOr<SnapshotInfo> CreateSnapshot(const std::string& name,
                                              const std::string& subscription,
                                              const SnapshotOptions& options = {});
  absl::StatusOr<SnapshotInfo> GetSnapshot(const std::string& name);
  // Only those of `topic`, unless it is empty.
  absl::StatusOr<Page<SnapshotInfo>> ListSnapshots(const std::string& topic = "",
                                                   const PageRequest& page = {});
  absl::StatusOr<std::vector<SnapshotInfo>> ListAllSnapshots(const std::string& topic = "");
  absl::Status DeleteSnapshot(const std::string& name);

  absl::StatusOr<BrokerStats> Stats(const StatsQuery& query = {});
  // The figures at once and after each interval (100 ms - 1 h), on a Client thread, until cancelled
  // or the stream ends (a lost connection is not opened again).
  std::unique_ptr<StatsWatch> WatchStats(absl::Duration interval, const StatsQuery& query,
                                         std::function<void(const BrokerStats&)> callback);

  // Only those of `client_name`, unless it is empty.
  absl::StatusOr<Page<ConnectionInfo>> ListConnections(const std::string& client_name = "",
                                                       const PageRequest& page = {});
  absl::StatusOr<std::vector<ConnectionInfo>> ListAllConnections(
      const std::string& client_name = "");
  // Ends streams with ABORTED and returns how many.
  absl::StatusOr<uint32_t> CloseConnections(const std::string& client_name);
  absl::StatusOr<uint32_t> CloseConnection(uint64_t id);

  // Publishes one batch by a single call: no stream and no retry. With an id it may be called again
  // after a failure, with the same messages, inside the topic's dedup_window: the batch is stored
  // once (PublishedBatch::duplicate says that it was there already). A full topic:
  // RESOURCE_EXHAUSTED (see RetryAfter in client.h), or waiting until the timeout under the block
  // policy.
  absl::StatusOr<PublishedBatch> PublishOnce(const std::string& topic,
                                             absl::Span<const Message> messages,
                                             const DedupId& dedup = {});

 private:
  std::shared_ptr<internal::Connection> connection_;
  absl::Duration timeout_;
};

}  // namespace estiba

#endif  // ESTIBA_ADMIN_H_

#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "broker/engine/attachment.h"
#include "broker/engine/bookkeeping.h"
#include "broker/engine/gap.h"
#include "broker/engine/topic.h"
#include "broker/queue/log.h"

namespace estiba {

// What a subscription holds, besides what the log has from a place on.
struct SnapshotContents {
  Cursor place;
  uint64_t pass_over = 0;
  IntervalMap<Redelivery> unacked;
  std::vector<Gap> lost;
};

// What a subscription had not consumed at a moment, and everything published after: a place to
// which subscriptions of the same topic can be sought. It holds that memory until it is dropped;
// what the topic gives up is given up here too, and remembered as lost.
//
// Threads: the constant parts and the figures from any; everything else in turns of the topic.
// Lifetime: reference-counted; the broker's directory and, from Keep to Drop, the topic hold it.
class Snapshot final : public boost::intrusive_ref_counter<Snapshot> {
 public:
  using Labels = std::map<std::string, std::string>;

  Snapshot(std::string name, TopicPtr topic, Labels labels, int64_t create_time_ms,
           int64_t expire_time_ms);

  const std::string& name() const { return name_; }
  const TopicPtr& topic() const { return topic_; }
  const Labels& labels() const { return labels_; }
  int64_t create_time_ms() const { return create_time_ms_; }
  int64_t expire_time_ms() const { return expire_time_ms_; }
  // Everything from here on is in it; before that, so many messages; what it had and has no more.
  uint64_t next_sequence() const { return next_sequence_.Get(); }
  uint64_t unacked_messages() const { return unacked_messages_.Get(); }
  uint64_t lost_messages() const { return lost_messages_.Get(); }

  // --- For its topic ---
  void Keep(SnapshotContents contents);
  void Drop();
  // The topic gives up what comes before.
  void Trim(uint64_t sequence);
  // Steps out of a segment that has ended.
  void StepOn();
  // What a subscription is to be sought to.
  Attachment Place() const;

 private:
  void UpdateFigures();

  const std::string name_;
  const TopicPtr topic_;
  const Labels labels_;
  const int64_t create_time_ms_;
  const int64_t expire_time_ms_;
  SnapshotContents contents_;
  Bookkeeping charge_;
  Counter next_sequence_;
  Counter unacked_messages_;
  Counter lost_messages_;
};

using SnapshotPtr = boost::intrusive_ptr<Snapshot>;

}  // namespace estiba

#pragma once

#include <cstdint>
#include <limits>
#include <list>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace estiba {

// What a topic remembers of its producers, so that a batch sent again is answered and not stored,
// and a batch that skips a number is refused. The rules stand at PublishRequest.producer in
// proto/estiba/v1/broker.proto.
//
// Bound: the last kBatches batches of the kProducers producers active last, or of fewer where that
// would take more than max_bytes. A producer forgotten may begin with any number.
// Threads: one at a time (the topic's turn).
class ProducerTable {
 public:
  static constexpr uint32_t kBatches = 256;
  static constexpr uint32_t kProducers = 4096;

  // What a batch got; see PublishResult.
  struct Taken {
    uint64_t first_sequence = 0;
    uint32_t count = 0;
    uint32_t scheduled = 0;
  };

  enum class Verdict {
    kNew,        // take it, then Record it
    kDuplicate,  // `taken` says what it got
    kForgotten,  // taken before, but too long ago to say what it got
    kSkipped,    // `expected` is the number that must come first
  };
  struct Answer {
    Verdict verdict = Verdict::kNew;
    Taken taken;
    uint64_t expected = 0;
  };

  explicit ProducerTable(uint64_t max_bytes = std::numeric_limits<uint64_t>::max())
      : max_bytes_(max_bytes) {}

  // `batch` at least 1.
  Answer Look(absl::string_view producer, uint64_t batch);
  void Record(absl::string_view producer, uint64_t batch, const Taken& taken);

  // Memory held, approximately.
  uint64_t bytes() const { return bytes_; }

 private:
  struct Producer {
    std::string id;
    uint64_t last_batch = 0;
    // The last batches, up to kBatches; a ring once it is full.
    std::vector<Taken> taken;
    size_t newest = 0;

    void Remember(Taken t) {
      if (taken.size() < kBatches) {
        newest = taken.size();
        taken.push_back(t);
      } else {
        newest = (newest + 1) % kBatches;
        taken[newest] = t;
      }
    }
    const Taken& Back(uint64_t n) const {
      return taken[(newest + taken.size() - n) % taken.size()];
    }
  };
  using Producers = std::list<Producer>;

  void ForgetLeastActive();

  const uint64_t max_bytes_;

  Producers by_activity_;  // the latest first
  absl::flat_hash_map<absl::string_view, Producers::iterator> by_id_;
  uint64_t bytes_ = 0;
};

}  // namespace estiba

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "broker/engine/config.h"

namespace estiba {

struct SequenceRange {
  uint64_t first = 0;
  uint64_t last = 0;
};

struct Extension {
  SequenceRange range;
  int64_t deadline_ms = 0;  // from now; 0: a nack
};

struct DelayedNack {
  SequenceRange range;
  int64_t delay_ms = 0;
};

// To be delivered no more: dead letters.
struct Termination {
  SequenceRange range;
  std::string reason;
};

// What a consumer sends upstream, in one piece.
struct ConsumerUpdate {
  std::vector<SequenceRange> acks;
  std::vector<SequenceRange> nacks;  // to come again as the subscription's retry policy says
  std::vector<DelayedNack> delayed_nacks;
  std::vector<Termination> terminations;  // only with a dead-letter topic
  std::vector<Extension> extensions;
  CreditLimits credit;  // members that are 0 change nothing
  uint64_t return_messages = 0;
  uint64_t return_bytes = 0;

  // How much it says of messages.
  size_t entries() const {
    return acks.size() + nacks.size() + delayed_nacks.size() + terminations.size() +
           extensions.size();
  }
};

}  // namespace estiba

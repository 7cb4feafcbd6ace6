// Latencies, counted in bins that grow with the value: any latency is known to about 1 %, however
// long the run and however slow its tail, in a few kilobytes.
#ifndef CLIENT_CLI_LATENCY_HISTOGRAM_H_
#define CLIENT_CLI_LATENCY_HISTOGRAM_H_

#include <boost/histogram/axis/regular.hpp>
#include <boost/histogram/histogram.hpp>
#include <boost/histogram/storage_adaptor.hpp>
#include <cstdint>
#include <tuple>
#include <vector>

#include "absl/time/time.h"

namespace estiba::cli {

// From 1 us to 1000 s; below and above count as the first and the last bin. The greatest value is
// kept exactly. Allocates only when it is made. One thread at a time.
class LatencyHistogram {
 public:
  LatencyHistogram();

  // `count` messages took this long.
  void Record(int64_t nanoseconds, uint64_t count = 1);
  void Add(const LatencyHistogram& other);
  void Reset();

  uint64_t count() const { return count_; }
  absl::Duration max() const { return absl::Nanoseconds(max_); }
  // What a share of `quantile` (0 to 1) of the messages did not exceed, to about 1 % upwards; never
  // above max(). Zero where nothing was recorded.
  absl::Duration Quantile(double quantile) const;

 private:
  using Axis = boost::histogram::axis::regular<double, boost::histogram::axis::transform::log>;
  boost::histogram::histogram<std::tuple<Axis>,
                              boost::histogram::storage_adaptor<std::vector<uint64_t>>>
      bins_;
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_LATENCY_HISTOGRAM_H_

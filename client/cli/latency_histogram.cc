#include "client/cli/latency_histogram.h"

#include <algorithm>
#include <boost/histogram/make_histogram.hpp>
#include <boost/histogram/weight.hpp>
#include <cmath>

namespace estiba::cli {
namespace {

constexpr double kLowest = 1e3;      // nanoseconds
constexpr double kHighest = 1e12;    // nine decades
constexpr unsigned kBins = 9 * 232;  // 10^(1/232) = 1.01

}  // namespace

LatencyHistogram::LatencyHistogram()
    : bins_(boost::histogram::make_histogram_with(
          boost::histogram::storage_adaptor<std::vector<uint64_t>>(),
          Axis(kBins, kLowest, kHighest))) {}

void LatencyHistogram::Record(int64_t nanoseconds, uint64_t count) {
  const double value = std::clamp(static_cast<double>(nanoseconds), kLowest, kHighest * 0.999);
  bins_(value, boost::histogram::weight(count));
  count_ += count;
  max_ = std::max(max_, nanoseconds);
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  bins_ += other.bins_;
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

void LatencyHistogram::Reset() {
  bins_.reset();
  count_ = 0;
  max_ = 0;
}

absl::Duration LatencyHistogram::Quantile(double quantile) const {
  if (count_ == 0) return absl::ZeroDuration();
  const uint64_t wanted = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (int i = 0; i < static_cast<int>(kBins); ++i) {
    seen += bins_.at(i);
    if (seen < wanted) continue;
    return std::min(absl::Nanoseconds(bins_.axis().bin(i).upper()), max());
  }
  return max();
}

}  // namespace estiba::cli

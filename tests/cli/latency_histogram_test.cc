#include "client/cli/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::cli {
namespace {

TEST_CASE("an empty histogram has no latencies") {
  const LatencyHistogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.Quantile(0.5) == absl::ZeroDuration());
  CHECK(histogram.max() == absl::ZeroDuration());
}

TEST_CASE("one latency is every quantile") {
  LatencyHistogram histogram;
  histogram.Record(123'456);
  for (const double quantile : {0.0, 0.5, 0.999, 1.0}) {
    CHECK(histogram.Quantile(quantile) == absl::Nanoseconds(123'456));
  }
}

TEST_CASE("what takes less or more than the range counts as its ends, the maximum stays exact") {
  LatencyHistogram histogram;
  histogram.Record(-5);
  histogram.Record(10);
  histogram.Record(5'000'000'000'000);
  CHECK(histogram.count() == 3);
  CHECK(histogram.Quantile(0.5) <= absl::Nanoseconds(1'020));
  CHECK(histogram.max() == absl::Seconds(5000));
  CHECK(histogram.Quantile(1) <= absl::Seconds(1000));
}

TEST_CASE("quantiles are those of the sorted values, to one percent upwards") {
  std::mt19937_64 random(testing::Seed());
  std::lognormal_distribution<double> latencies(std::log(80e3), 1.5);
  std::vector<double> values(20'000);
  LatencyHistogram histogram;
  for (double& value : values) {
    value = std::clamp(std::floor(latencies(random)), 2e3, 1e11);
    histogram.Record(static_cast<int64_t>(value));
  }
  std::sort(values.begin(), values.end());
  for (const double quantile : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(quantile * 20'000)) - 1;
    const double found = absl::ToDoubleNanoseconds(histogram.Quantile(quantile));
    INFO("quantile " << quantile << ", exact " << values[rank] << ", found " << found);
    CHECK(found >= values[rank] * 0.9999);
    CHECK(found <= values[rank] * 1.011);
  }
}

TEST_CASE("a weight counts as many values, and histograms add up") {
  LatencyHistogram a, b;
  a.Record(1'000'000, 99);
  b.Record(50'000'000);
  a.Add(b);
  CHECK(a.count() == 100);
  CHECK(a.Quantile(0.99) < absl::Microseconds(1'011));
  CHECK(a.Quantile(1) == absl::Milliseconds(50));
  a.Reset();
  CHECK(a.count() == 0);
  CHECK(a.Quantile(0.5) == absl::ZeroDuration());
}

}  // namespace
}  // namespace estiba::cli

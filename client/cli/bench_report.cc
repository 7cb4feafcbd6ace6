#include "client/cli/bench_report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/table.h"
#include "client/cli/units.h"

namespace estiba::cli {
namespace {

struct Percentile {
  const char* name;
  double quantile;
};
constexpr Percentile kPercentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

double PerSecond(uint64_t count, absl::Duration time) {
  const double seconds = absl::ToDoubleSeconds(time);
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double Microseconds(absl::Duration duration) { return absl::ToDoubleMicroseconds(duration); }

std::string Plural(uint64_t count, const char* noun) {
  return absl::StrCat(HumanCount(count), " ", noun, count == 1 ? "" : "s");
}

std::string Shape(const BenchOptions& options) {
  const char* sharing = "";
  if (options.subscribers > 1)
    sharing = options.shared ? " that share" : " that each get everything";
  std::string text = absl::StrCat(
      Plural(options.topics, "topic"), options.topics == 1 ? " with " : ", each with ",
      Plural(options.publishers, "publisher"), " and ", Plural(options.subscribers, "subscriber"),
      sharing, ", ", Plural(options.size, "byte"), ", ",
      options.ack == AckMode::kAuto ? "automatic" : "explicit", " acks");
  if (options.one_at_a_time) absl::StrAppend(&text, ", one at a time");
  if (options.rate) absl::StrAppend(&text, ", ", ShortNumber(*options.rate), "/s in all");
  if (options.batch) absl::StrAppend(&text, ", batches of ", *options.batch);
  return text;
}

std::string Throughput(uint64_t count, absl::Duration time, uint64_t size) {
  const double rate = PerSecond(count, time);
  return absl::StrFormat("%s messages in %s: %s/s, %.1f MB/s", HumanCount(count),
                         HumanDuration(time), ShortNumber(rate),
                         rate * static_cast<double>(size) / 1e6);
}

// What the latencies are counted from.
const char* LatencyFrom(const BenchOptions& options) {
  if (options.rate) return "from the time each message was due";
  if (options.one_at_a_time) return "from publish to delivery";
  return "from hand-over to delivery, time in queues included";
}

std::string Latencies(const BenchOptions& options, const BenchResult& result) {
  std::string text;
  for (const Percentile& percentile : kPercentiles) {
    absl::StrAppend(&text, percentile.name, " ",
                    HumanDuration(result.latency.Quantile(percentile.quantile)), "  ");
  }
  return absl::StrCat(text, "max ", HumanDuration(result.latency.max()), "  (",
                      LatencyFrom(options), ")");
}

nlohmann::ordered_json ThroughputJson(uint64_t count, absl::Duration time, uint64_t size) {
  const double rate = PerSecond(count, time);
  return {{"messages", count},
          {"seconds", absl::ToDoubleSeconds(time)},
          {"messages_per_second", rate},
          {"megabytes_per_second", rate * static_cast<double>(size) / 1e6}};
}

}  // namespace

std::string DescribeBench(const BenchOptions& options, const BenchResult& result, bool color) {
  std::vector<std::pair<std::string, std::string>> fields = {
      {"run", Shape(options)},
      {"published", Throughput(result.published, result.publish_time, options.size)},
      {"delivered", Throughput(result.delivered, result.delivery_time, options.size)}};
  if (result.latency.count() > 0) fields.emplace_back("latency", Latencies(options, result));
  const std::string verdict =
      result.sound()
          ? Styled("nothing lost, doubled, out of order or changed", Style::kGreen, color)
          : Styled(absl::StrCat("lost ", HumanCount(result.lost), ", doubled ",
                                HumanCount(result.duplicated), ", out of order ",
                                HumanCount(result.out_of_order), ", changed ",
                                HumanCount(result.changed), ", not published ",
                                HumanCount(result.failed)),
                   Style::kRed, color);
  fields.emplace_back(result.verified ? "verified" : "counted",
                      result.verified || !result.sound()
                          ? verdict
                          : "as many as published (below 16 bytes there is no room for numbers)");
  return RenderFields(fields, color);
}

nlohmann::ordered_json BenchJson(const BenchOptions& options, const BenchResult& result) {
  nlohmann::ordered_json config = {{"topics", options.topics},
                                   {"publishers", options.publishers},
                                   {"subscribers", options.subscribers},
                                   {"size", options.size},
                                   {"ack", options.ack == AckMode::kAuto ? "auto" : "explicit"},
                                   {"shared", options.shared},
                                   {"one_at_a_time", options.one_at_a_time}};
  if (options.rate) config["rate"] = *options.rate;
  if (options.batch) config["batch"] = *options.batch;
  if (options.batch_bytes > 0) config["batch_bytes"] = options.batch_bytes;
  config["max_answer_delay_ms"] = absl::ToInt64Milliseconds(options.max_answer_delay);
  config["busy_poll_us"] = absl::ToInt64Microseconds(options.busy_poll);
  nlohmann::ordered_json json = {
      {"config", std::move(config)},
      {"published", ThroughputJson(result.published, result.publish_time, options.size)},
      {"delivered", ThroughputJson(result.delivered, result.delivery_time, options.size)}};
  if (result.latency.count() > 0) {
    nlohmann::ordered_json latency = {{"from", LatencyFrom(options)}};
    for (const Percentile& percentile : kPercentiles) {
      latency[percentile.name] = Microseconds(result.latency.Quantile(percentile.quantile));
    }
    latency["max"] = Microseconds(result.latency.max());
    json["latency_us"] = std::move(latency);
  }
  json["verified"] = result.verified;
  json["lost"] = result.lost;
  json["duplicated"] = result.duplicated;
  json["out_of_order"] = result.out_of_order;
  json["changed"] = result.changed;
  json["failed"] = result.failed;
  return json;
}

}  // namespace estiba::cli

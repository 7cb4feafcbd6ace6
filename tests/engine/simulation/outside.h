// Doubles of what lies outside the engine: publishers and consumers' streams. They do what the
// contracts in broker/engine/publish.h and consumer.h allow, and note what breaks them.
#ifndef TESTS_ENGINE_SIMULATION_OUTSIDE_H_
#define TESTS_ENGINE_SIMULATION_OUTSIDE_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/engine/message_times.h"
#include "broker/engine/publish.h"
#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"
#include "tests/queue/records.h"

namespace estiba::testing {

// A batch with its memory. `done` is called in Done, the batch stays alive until its owner drops
// it.
class Batch final : public PublishCommand {
 public:
  explicit Batch(const std::vector<std::string>& bodies) {
    for (const std::string& body : bodies) encoded += MakeRecord(body);
    records = encoded.data();
    bytes = static_cast<uint32_t>(encoded.size());
    count = static_cast<uint32_t>(bodies.size());
    abandoned = &abandoned_flag;
  }
  // For bodies that are encoded messages.
  void TakeTimesOf(const std::vector<std::string>& bodies) {
    for (const std::string& body : bodies) {
      const MessageTimes times = ReadTimes(body);
      scheduled |= times.scheduled();
      expires |= times.time_to_live_ms != 0;
    }
  }
  void Waits(Topic& topic) override { waited_in.push_back(&topic); }
  void SetProducer(std::string name, uint64_t number) {
    producer_name = std::move(name);
    producer = &producer_name;
    batch = number;
  }
  void SetDedupId(std::string name, std::string id) {
    producer_name = std::move(name);
    id_text = std::move(id);
    producer = producer_name.empty() ? nullptr : &producer_name;
    dedup_id = id_text;
  }
  void Done() override {
    ++answers;
    if (done) done();
  }
  bool answered() const { return answers > 0; }
  bool taken() const { return answered() && result.status.ok(); }

  std::string encoded;
  std::string producer_name;
  std::string id_text;
  std::atomic<bool> abandoned_flag{false};
  std::function<void()> done;
  std::vector<Topic*> waited_in;
  int answers = 0;
};

// A Subscribe stream. Remembers what it was sent, in copies; whoever owns it says when a send has
// been accepted.
class Stream final : public Consumer {
 public:
  struct Frame {
    uint64_t first = 0;
    uint32_t attempt = 0;
    std::vector<std::string> bodies;
    std::vector<uint64_t> sequences;  // of the bodies
    int64_t time_ms = 0;              // steady, when it was sent
  };

  explicit Stream(const ConsumerOptions& options) : Consumer(options) {}
  uint64_t name = 0;  // for traces

  // Accepts the send under way, or (false) refuses it.
  void Accept(Subscription& subscription, bool ok = true) {
    sending = false;
    subscription.Sent(this, ok);
  }

  std::vector<Started> started;
  std::vector<Gap> gaps;
  std::vector<Frame> frames;
  std::deque<Verdicts> due;        // verdicts given, and not sent yet
  std::vector<Verdicts> verdicts;  // sent, parts put together
  std::vector<absl::Status> ends;
  bool sending = false;
  std::string broken_rule;  // the first, if any
  // Called after each send has been noted, in the subscription's turn.
  std::function<void()> on_started;
  std::function<void(const Gap&)> on_gap;
  std::function<void(const Delivery&, const Frame&)> on_delivery;
  std::function<void()> on_verdicts_sent;
  // Called in the turn in which they are given.
  std::function<void(const Verdicts&)> on_verdicts;
  std::function<void()> on_end;

  // All bodies in the order they came.
  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const Frame& f : frames) all.insert(all.end(), f.bodies.begin(), f.bodies.end());
    return all;
  }
  std::vector<uint64_t> sequences() const {
    std::vector<uint64_t> all;
    for (const Frame& f : frames) all.insert(all.end(), f.sequences.begin(), f.sequences.end());
    return all;
  }

 private:
  void SendStarted(const Started& s) override {
    Begin("started");
    if (!started.empty()) Break("started twice");
    started.push_back(s);
    if (on_started) on_started();
  }
  void SendGap(const Gap& gap) override {
    Begin("gap");
    if (gap.first == 0 || gap.last < gap.first) {
      Break(absl::StrCat("gap ", gap.first, "..", gap.last));
    }
    gaps.push_back(gap);
    if (on_gap) on_gap(gap);
  }
  void SendDelivery(const Delivery& delivery) override {
    Begin("delivery");
    if (started.empty()) Break("a delivery before started");
    Frame frame;
    frame.attempt = delivery.attempt;
    for (const Run& run : delivery.runs()) {
      const std::vector<std::string> bodies = Bodies(run);
      if (bodies.size() != run.count) {
        Break(absl::StrCat("a run of ", run.count, " messages has ", bodies.size()));
      }
      if (!frame.sequences.empty() && run.first <= frame.sequences.back()) {
        Break("a frame is not in the order of sequences");
      }
      for (uint32_t i = 0; i < run.count; ++i) frame.sequences.push_back(run.first + i);
      frame.bodies.insert(frame.bodies.end(), bodies.begin(), bodies.end());
    }
    if (frame.bodies.empty()) {
      Break("an empty delivery");
    } else {
      frame.first = frame.sequences.front();
    }
    if (frame.bodies.size() != delivery.messages()) Break("a delivery's count is wrong");
    frames.push_back(frame);
    if (on_delivery) on_delivery(delivery, frame);
  }
  void SendVerdicts(const std::vector<Verdicts>& sent) override {
    Begin("verdicts");
    if (started.empty()) Break("verdicts before started");
    for (const Verdicts& part : sent) {
      part_.list.insert(part_.list.end(), part.list.begin(), part.list.end());
      if (part.more) continue;
      part_.entries = part.entries;
      verdicts.push_back(std::exchange(part_, {}));
      if (due.empty() || !Same(verdicts.back(), due.front())) {
        Break("verdicts are not those that were given");
      } else {
        due.pop_front();
      }
    }
    if (on_verdicts_sent) on_verdicts_sent();
  }
  void OnVerdicts(Verdicts given) override {
    due.push_back(given);
    if (on_verdicts) on_verdicts(given);
    Consumer::OnVerdicts(std::move(given));
  }
  static bool Same(const Verdicts& a, const Verdicts& b) {
    const auto same = [](const Verdict& x, const Verdict& y) {
      return x.of == y.of && x.outcome == y.outcome && x.range.first == y.range.first &&
             x.range.last == y.range.last;
    };
    return a.entries == b.entries &&
           std::equal(a.list.begin(), a.list.end(), b.list.begin(), b.list.end(), same);
  }
  void OnEnd(const absl::Status& status) override {
    if (!ends.empty()) Break("ended twice");
    ends.push_back(status);
    if (on_end) on_end();
  }
  void Begin(const std::string& what) {
    if (sending) Break(absl::StrCat(what, " while a send is under way"));
    if (!ends.empty()) Break(absl::StrCat(what, " after the end"));
    sending = true;
  }
  void Break(const std::string& rule) {
    if (broken_rule.empty()) broken_rule = rule;
  }

  Verdicts part_;  // of verdicts that come in several
};
using StreamPtr = boost::intrusive_ptr<Stream>;

}  // namespace estiba::testing

#endif  // TESTS_ENGINE_SIMULATION_OUTSIDE_H_

#include "client/src/publish_queue.h"

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "client/src/status.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::internal {
namespace {

std::unique_ptr<Batch> MakeBatch(const std::string& content = "x",
                                 absl::Time deadline = absl::InfiniteFuture()) {
  auto batch = std::make_unique<Batch>();
  batch->records = grpc::Slice(content);
  batch->count = 1;
  batch->deadline = deadline;
  return batch;
}

std::string Content(const Batch& batch) {
  return std::string(reinterpret_cast<const char*>(batch.records.begin()), batch.records.size());
}

BatchResult Taken(uint64_t batch, uint64_t first_sequence = 1) {
  return BatchResult{batch, first_sequence, 1, false, absl::OkStatus()};
}
BatchResult Refused(uint64_t batch, absl::Status error) {
  return BatchResult{batch, 0, 0, false, std::move(error)};
}

// Adds batches "1" .. "count", and has the first one taken, so that the others may go together.
void AddAndTakeFirst(PublishQueue& queue, int count) {
  queue.OnStreamOpen();
  for (int i = 1; i <= count; ++i) queue.Add(MakeBatch(std::to_string(i)));
  REQUIRE(queue.Send().number == 1);
  REQUIRE(*queue.OnResult(Taken(1)));
}

TEST_CASE("An empty queue has nothing to send and no deadline") {
  PublishQueue queue;
  REQUIRE(queue.empty());
  REQUIRE_FALSE(queue.has_unsent());
  REQUIRE_FALSE(queue.deadline());
  REQUIRE(queue.GiveUp(absl::InfiniteFuture(), absl::UnavailableError("")).empty());
}

TEST_CASE("The first batch on a stream goes alone, the next ones together with rising numbers") {
  PublishQueue queue;
  queue.OnStreamOpen();
  for (int i = 0; i < 3; ++i) queue.Add(MakeBatch());
  REQUIRE(queue.may_send());
  REQUIRE(queue.Send().number == 1);
  REQUIRE_FALSE(queue.may_send());
  REQUIRE(*queue.OnResult(Taken(1)));
  REQUIRE(queue.may_send());
  REQUIRE(queue.Send().number == 2);
  REQUIRE(queue.may_send());
  REQUIRE(queue.Send().number == 3);
  REQUIRE_FALSE(queue.has_unsent());
}

TEST_CASE("No more batches are on the wire than the broker remembers") {
  PublishQueue queue;
  AddAndTakeFirst(queue, 300);
  while (queue.may_send()) queue.Send();
  REQUIRE(queue.sent() == 256);
}

TEST_CASE("A taken batch is settled with its sequences") {
  PublishQueue queue;
  queue.OnStreamOpen();
  queue.Add(MakeBatch("content"));
  queue.Send();
  const auto settled = queue.OnResult(BatchResult{1, 77, 1, true, absl::OkStatus()});
  REQUIRE(settled.ok());
  REQUIRE(*settled);
  REQUIRE((*settled)->status.ok());
  REQUIRE((*settled)->published.first_sequence == 77);
  REQUIRE((*settled)->published.duplicate);
  REQUIRE(Content(*(*settled)->batch) == "content");
  REQUIRE(queue.empty());
}

TEST_CASE("An answer to what was not sent, or for another number of messages, is an error") {
  PublishQueue queue;
  REQUIRE(absl::IsInternal(queue.OnResult(Taken(1)).status()));
  queue.OnStreamOpen();
  queue.Add(MakeBatch());
  REQUIRE(absl::IsInternal(queue.OnResult(Taken(1)).status()));
  queue.Send();
  REQUIRE(absl::IsInternal(queue.OnResult(Taken(2)).status()));
  REQUIRE(absl::IsInternal(queue.OnResult(BatchResult{1, 1, 5, false, {}}).status()));
}

TEST_CASE("Messages that are scheduled count as taken") {
  PublishQueue queue;
  queue.OnStreamOpen();
  queue.Add(MakeBatch());
  const uint32_t count = queue.Send().count;
  BatchResult result{1, 0, 0, false, {}};
  result.scheduled = count;
  const auto settled = queue.OnResult(result);
  REQUIRE(settled.ok());
  REQUIRE(settled->has_value());
  CHECK((*settled)->status.ok());
  CHECK((*settled)->published.scheduled == count);
  CHECK((*settled)->published.count == 0);
}

TEST_CASE("A batch refused for good fails alone; those behind it are sent again with its number") {
  PublishQueue queue;
  AddAndTakeFirst(queue, 4);
  while (queue.has_unsent()) queue.Send();
  const auto failed = queue.OnResult(Refused(2, absl::InvalidArgumentError("data")));
  REQUIRE(*failed);
  REQUIRE(absl::IsInvalidArgument((*failed)->status));
  REQUIRE_FALSE(queue.may_send());
  REQUIRE_FALSE(*queue.OnResult(Refused(3, absl::AbortedError("skipped"))));
  REQUIRE_FALSE(*queue.OnResult(Refused(4, absl::AbortedError("skipped"))));
  REQUIRE(queue.may_send());
  REQUIRE_FALSE(queue.retry_wait());
  const Batch& third = queue.Send();
  REQUIRE(third.number == 2);
  REQUIRE(Content(third) == "3");
  REQUIRE(Content(queue.Send()) == "4");
  REQUIRE(*queue.OnResult(Taken(2)));
  REQUIRE(*queue.OnResult(Taken(3)));
  REQUIRE(queue.empty());
  REQUIRE(queue.resent_batches() == 2);
}

TEST_CASE("A full topic makes the batch and those behind it wait, then go again in order") {
  PublishQueue queue;
  AddAndTakeFirst(queue, 3);
  while (queue.has_unsent()) queue.Send();
  absl::Status full = MakeStatus(8, "full", absl::Milliseconds(30));
  REQUIRE_FALSE(*queue.OnResult(Refused(2, full)));
  REQUIRE_FALSE(queue.retry_wait());  // an answer is still to come
  REQUIRE_FALSE(*queue.OnResult(Refused(3, absl::AbortedError("skipped"))));
  REQUIRE(queue.retry_wait() == absl::Milliseconds(30));
  REQUIRE_FALSE(queue.may_send());
  queue.Retry();
  REQUIRE(Content(queue.Send()) == "2");
  REQUIRE(queue.Send().number == 3);
  REQUIRE(*queue.OnResult(Taken(2)));
  REQUIRE(*queue.OnResult(Taken(3)));
}

TEST_CASE("A skipped number without a refusal before it is a failure, not a loop") {
  PublishQueue queue;
  AddAndTakeFirst(queue, 2);
  queue.Send();
  const auto failed = queue.OnResult(Refused(2, absl::AbortedError("the topic was deleted")));
  REQUIRE(*failed);
  REQUIRE(absl::IsAborted((*failed)->status));
}

TEST_CASE("After a broken stream the unanswered batches go again under their numbers") {
  PublishQueue queue;
  AddAndTakeFirst(queue, 3);
  while (queue.has_unsent()) queue.Send();
  queue.OnStreamEnd();
  queue.OnStreamOpen();
  REQUIRE(queue.Send().number == 2);
  REQUIRE_FALSE(queue.may_send());  // alone, on a new stream
  REQUIRE(*queue.OnResult(Taken(2)));
  REQUIRE(queue.Send().number == 3);
}

TEST_CASE("What was never sent is given up alone, at its deadline") {
  const absl::Time now = absl::UnixEpoch();
  PublishQueue queue;
  queue.Add(MakeBatch("old", now));
  queue.Add(MakeBatch("new", now + absl::Seconds(1)));
  REQUIRE(queue.deadline() == now);
  const auto settled = queue.GiveUp(now, absl::UnavailableError("gone"));
  REQUIRE(settled.size() == 1);
  REQUIRE(Content(*settled[0].batch) == "old");
  REQUIRE(absl::IsUnavailable(settled[0].status));
  REQUIRE(queue.identity() == 0);
  REQUIRE(queue.deadline() == now + absl::Seconds(1));
}

TEST_CASE("A batch of unknown fate takes those of its kind along, and the producer's name") {
  const absl::Time now = absl::UnixEpoch();
  PublishQueue queue;
  AddAndTakeFirst(queue, 1);
  queue.Add(MakeBatch("2", now));
  queue.Add(MakeBatch("3", now + absl::Seconds(9)));
  queue.Add(MakeBatch("never sent", now + absl::Seconds(9)));
  queue.Send();
  queue.Send();
  queue.OnStreamEnd();
  const auto settled = queue.GiveUp(now, absl::UnavailableError("gone"));
  REQUIRE(settled.size() == 2);
  REQUIRE(queue.identity() == 1);
  queue.OnStreamOpen();
  const Batch& next = queue.Send();
  REQUIRE(Content(next) == "never sent");
  REQUIRE(next.number == 1);
}

TEST_CASE("A refused batch is given up with the broker's reason, and its number goes on") {
  const absl::Time now = absl::UnixEpoch();
  PublishQueue queue;
  AddAndTakeFirst(queue, 1);
  queue.Add(MakeBatch("2", now));
  queue.Add(MakeBatch("3"));
  queue.Send();
  REQUIRE_FALSE(*queue.OnResult(Refused(2, absl::ResourceExhaustedError("full"))));
  const auto settled = queue.GiveUp(now, absl::UnavailableError("gone"));
  REQUIRE(settled.size() == 1);
  REQUIRE(absl::IsResourceExhausted(settled[0].status));
  REQUIRE(queue.identity() == 0);
  REQUIRE(queue.may_send());
  REQUIRE(queue.Send().number == 2);
}

// A broker by the contract in broker.proto, with a topic that is full or closed at random.
class ModelBroker {
 public:
  explicit ModelBroker(std::mt19937_64& random) : random_(random) {}

  BatchResult Take(uint64_t producer, uint64_t number, const std::string& content) {
    auto known = producers_.find(producer);
    if (known != producers_.end()) {
      const auto before = known->second.find(number);
      if (before != known->second.end()) return {number, before->second, 1, true, {}};
      if (number != known->second.rbegin()->first + 1) {
        return Refused(number, absl::AbortedError("skipped a number"));
      }
    }
    switch (random_() % 12) {
      case 0:
        return Refused(number, absl::ResourceExhaustedError("full"));
      case 1:
        return Refused(number, absl::UnavailableError("shutting down"));
      case 2:
        return Refused(number, absl::InvalidArgumentError("not this one"));
      default:
        break;
    }
    log.push_back(content);
    producers_[producer][number] = log.size();
    auto& numbers = producers_[producer];
    if (numbers.size() > 256) numbers.erase(numbers.begin());
    return Taken(number, log.size());
  }

  std::vector<std::string> log;

 private:
  std::mt19937_64& random_;
  std::map<uint64_t, std::map<uint64_t, uint64_t>> producers_;
};

struct Request {
  uint64_t producer;
  uint64_t number;
  std::string content;
};

TEST_CASE("Whatever breaks: nothing taken is lost, stored twice or out of order") {
  std::mt19937_64 random(estiba::testing::Seed());
  for (int run = 0; run < 200; ++run) {
    ModelBroker broker(random);
    PublishQueue queue;
    std::deque<Request> to_broker;
    std::deque<BatchResult> to_client;
    std::map<std::string, SettledBatch> outcomes;
    absl::Time now = absl::UnixEpoch();
    bool open = false;
    int published = 0;
    const int total = 300;
    const auto settle = [&](SettledBatch settled) {
      const std::string content = Content(*settled.batch);
      REQUIRE(outcomes.emplace(content, std::move(settled)).second);
    };

    while (published < total || !queue.empty()) {
      now += absl::Milliseconds(1);
      switch (random() % 16) {
        case 0:  // the stream breaks; the broker may have read some of what was under way
          for (size_t i = random() % (to_broker.size() + 1); i > 0; --i) {
            const Request& request = to_broker.front();
            broker.Take(request.producer, request.number, request.content);
            to_broker.pop_front();
          }
          to_broker.clear();
          to_client.clear();
          if (open) queue.OnStreamEnd();
          open = false;
          break;
        case 1:
        case 2:
          if (!open) queue.OnStreamOpen();
          open = true;
          break;
        case 3:
        case 4:
          if (published < total) {
            queue.Add(MakeBatch(std::to_string(1000 + published),
                                now + absl::Milliseconds(random() % 200)));
            ++published;
          }
          break;
        case 5:
          queue.Retry();
          break;
        case 6:
          // As the owner does: what is not on the wire, while it cannot be sent.
          if (!open || !queue.may_send()) {
            for (SettledBatch& one : queue.GiveUp(now, absl::UnavailableError("gone"))) {
              settle(std::move(one));
            }
          }
          break;
        default:
          if (open && queue.may_send() && queue.has_unsent()) {
            const Batch& batch = queue.Send();
            to_broker.push_back({queue.identity(), batch.number, Content(batch)});
          }
          if (!to_broker.empty() && random() % 2 == 0) {
            const Request& request = to_broker.front();
            to_client.push_back(broker.Take(request.producer, request.number, request.content));
            to_broker.pop_front();
          }
          if (!to_client.empty() && random() % 2 == 0) {
            auto result = queue.OnResult(to_client.front());
            REQUIRE(result.ok());
            if (*result) settle(std::move(**result));
            to_client.pop_front();
          }
          break;
      }
    }

    REQUIRE(outcomes.size() == static_cast<size_t>(total));
    for (size_t i = 1; i < broker.log.size(); ++i) REQUIRE(broker.log[i - 1] < broker.log[i]);
    for (const auto& [content, settled] : outcomes) {
      if (settled.status.ok()) {
        REQUIRE(broker.log.at(settled.published.first_sequence - 1) == content);
      } else if (absl::IsInvalidArgument(settled.status)) {
        for (const std::string& stored : broker.log) REQUIRE(stored != content);
      }
    }
  }
}

}  // namespace
}  // namespace estiba::internal

#include "client/src/publish_codec.h"

#include <limits>
#include <string>

#include "client/src/connection.h"
#include "estiba/client.h"
#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"

namespace estiba::internal {
namespace {

v1::PublishRequest Encode(const PublishStreamStart& start, uint64_t batch) {
  v1::PublishRequest records;
  records.add_messages()->set_data("one");
  records.add_messages()->set_data("two");
  v1::PublishRequest request;
  REQUIRE(
      Parse(EncodePublishRequest(start, batch, grpc::Slice(records.SerializeAsString())), request));
  REQUIRE(request.messages_size() == 2);
  REQUIRE(request.messages(1).data() == "two");
  return request;
}

TEST_CASE("A first request carries topic, producer, delay and batch number with its messages") {
  const std::string producer(16, '\x9c');
  const v1::PublishRequest request = Encode({"orders", producer, 10'000}, 1);
  REQUIRE(request.topic() == "orders");
  REQUIRE(request.producer() == producer);
  REQUIRE(request.max_answer_delay_ms() == 10'000);
  REQUIRE(request.batch() == 1);
}

TEST_CASE("A later request carries only its batch number, of any size") {
  for (const uint64_t batch : {uint64_t{1}, uint64_t{300}, std::numeric_limits<uint64_t>::max()}) {
    const v1::PublishRequest request = Encode({}, batch);
    REQUIRE(request.topic().empty());
    REQUIRE(request.producer().empty());
    REQUIRE(request.max_answer_delay_ms() == 0);
    REQUIRE(request.batch() == batch);
  }
}

TEST_CASE("The longest topic and producer fit") {
  const std::string topic(255, 't');
  const std::string producer(64, 'p');
  const v1::PublishRequest request = Encode({topic, producer}, 1);
  REQUIRE(request.topic().size() == 255);
  REQUIRE(request.producer().size() == 64);
}

TEST_CASE("A response's results are read with all that they say") {
  v1::PublishResponse response;
  v1::BatchResult& taken = *response.add_results();
  taken.set_batch(7);
  taken.set_first_sequence(1'000'000'000'000);
  taken.set_count(64);
  taken.set_duplicate(true);
  v1::BatchResult& refused = *response.add_results();
  refused.set_batch(8);
  refused.mutable_error()->set_code(8);
  refused.mutable_error()->set_message("budget-bytes: full");
  refused.mutable_error()->mutable_retry_after()->set_nanos(50'000'000);

  std::vector<BatchResult> results(3);
  const std::string encoded = response.SerializeAsString();
  REQUIRE(ParsePublishResponse(encoded, results));
  REQUIRE(results.size() == 2);
  REQUIRE(results[0].batch == 7);
  REQUIRE(results[0].first_sequence == 1'000'000'000'000);
  REQUIRE(results[0].count == 64);
  REQUIRE(results[0].duplicate);
  REQUIRE(results[0].error.ok());
  REQUIRE(results[1].batch == 8);
  REQUIRE(absl::IsResourceExhausted(results[1].error));
  REQUIRE(results[1].error.message() == "budget-bytes: full");
  REQUIRE(RetryAfter(results[1].error) == absl::Milliseconds(50));
}

TEST_CASE("A response that is cut off inside a result is refused") {
  v1::PublishResponse response;
  response.add_results()->set_batch(300);
  const std::string encoded = response.SerializeAsString();
  std::vector<BatchResult> results;
  REQUIRE(ParsePublishResponse(std::string_view(), results));
  for (size_t size = 1; size < encoded.size(); ++size) {
    REQUIRE_FALSE(ParsePublishResponse(std::string_view(encoded).substr(0, size), results));
  }
}

}  // namespace
}  // namespace estiba::internal

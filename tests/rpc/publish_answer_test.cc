#include "broker/rpc/publish_answer.h"

#include <limits>

#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

v1::PublishResponse Decode(const std::string& bytes) {
  v1::PublishResponse response;
  REQUIRE(response.ParseFromString(bytes));
  return response;
}

TEST_CASE("An answer carries the batch's number, first sequence and count") {
  PublishResult result;
  result.first_sequence = std::numeric_limits<uint64_t>::max();
  result.count = std::numeric_limits<uint32_t>::max();
  std::string bytes;
  AppendResult(1, result, &bytes);
  const v1::PublishResponse response = Decode(bytes);
  REQUIRE(response.results_size() == 1);
  CHECK(response.results(0).batch() == 1);
  CHECK(response.results(0).first_sequence() == result.first_sequence);
  CHECK(response.results(0).count() == result.count);
  CHECK_FALSE(response.results(0).duplicate());
  CHECK_FALSE(response.results(0).has_error());
}

TEST_CASE("One response carries many answers, in the order they were appended") {
  std::string bytes;
  for (uint64_t i = 0; i < 1000; ++i) {
    PublishResult result;
    result.first_sequence = i + 1;
    result.count = 1;
    result.duplicate = i % 2 == 1;
    AppendResult(i, result, &bytes);
  }
  const v1::PublishResponse response = Decode(bytes);
  REQUIRE(response.results_size() == 1000);
  for (int i = 0; i < 1000; ++i) {
    CHECK(response.results(i).batch() == static_cast<uint64_t>(i));
    CHECK(response.results(i).first_sequence() == static_cast<uint64_t>(i) + 1);
    CHECK(response.results(i).duplicate() == (i % 2 == 1));
  }
}

TEST_CASE("A refused batch's answer carries code, message and when to try again") {
  PublishResult result;
  result.status = absl::ResourceExhaustedError("full");
  result.retry_after_ms = 2345;
  result.first_sequence = 99;
  std::string bytes;
  AppendResult(7, result, &bytes);
  result = {};
  result.status = absl::NotFoundError(std::string(10'000, 'n'));
  AppendResult(8, result, &bytes);

  const v1::PublishResponse response = Decode(bytes);
  REQUIRE(response.results_size() == 2);
  const v1::BatchResult& full = response.results(0);
  CHECK(full.batch() == 7);
  CHECK(full.first_sequence() == 0);
  CHECK(full.count() == 0);
  CHECK(full.error().code() == 8);  // google.rpc.Code
  CHECK(full.error().message() == "full");
  CHECK(full.error().retry_after().seconds() == 2);
  CHECK(full.error().retry_after().nanos() == 345'000'000);
  CHECK(response.results(1).error().code() == 5);
  CHECK(response.results(1).error().message().size() == 10'000);
  CHECK_FALSE(response.results(1).error().has_retry_after());
}

}  // namespace
}  // namespace estiba::testing

#include "broker/rpc/verdict_frame.h"

#include <grpcpp/support/slice.h>

#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("Verdicts decode as what they are, update by update") {
  Verdicts first;
  first.Add(Settlement::kAck, 1, 2, Outcome::kDone);
  first.Add(Settlement::kAck, 3, 3, Outcome::kDone);
  first.Add(Settlement::kAck, 4, UINT64_MAX, Outcome::kUnordered);
  first.Add(Settlement::kExtension, 5, 5, Outcome::kRefused);
  first.more = true;
  Verdicts second;
  second.topic = 7;
  second.Add(Settlement::kNack, 1, 1, Outcome::kDone);
  second.Add(Settlement::kDelayedNack, 1, 1, Outcome::kDone);
  second.Add(Settlement::kTermination, 1, 1, Outcome::kDone);
  grpc::Slice slice;
  REQUIRE(EncodeVerdicts({first, second}).DumpToSingleSlice(&slice).ok());
  v1::SubscribeResponse response;
  REQUIRE(response.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  REQUIRE(response.GetReflection()->GetUnknownFields(response).empty());

  REQUIRE(response.verdicts_size() == 2);
  const v1::Verdicts& a = response.verdicts(0);
  CHECK(a.more());
  CHECK(a.topic() == 0);
  REQUIRE(a.verdicts_size() == 3);
  CHECK(a.verdicts(0).of() == v1::Verdict::ACK);
  CHECK(a.verdicts(0).outcome() == v1::Verdict::DONE);
  CHECK(a.verdicts(0).first() == 1);
  CHECK(a.verdicts(0).last() == 3);
  CHECK(a.verdicts(1).outcome() == v1::Verdict::UNORDERED);
  CHECK(a.verdicts(1).last() == UINT64_MAX);
  CHECK(a.verdicts(2).of() == v1::Verdict::EXTEND);
  CHECK(a.verdicts(2).outcome() == v1::Verdict::REFUSED);
  const v1::Verdicts& b = response.verdicts(1);
  CHECK_FALSE(b.more());
  CHECK(b.topic() == 7);
  REQUIRE(b.verdicts_size() == 3);
  CHECK(b.verdicts(0).of() == v1::Verdict::NACK);
  CHECK(b.verdicts(1).of() == v1::Verdict::NACK_LATER);
  CHECK(b.verdicts(2).of() == v1::Verdict::TERMINATE);
}

}  // namespace
}  // namespace estiba::testing

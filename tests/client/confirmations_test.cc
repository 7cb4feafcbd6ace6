#include "client/src/confirmations.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/support/catch.h"

namespace estiba::internal {
namespace {

// Acks that note what they are told.
struct Account {
  ConfirmationPtr Make(uint64_t messages) {
    const size_t index = told.size();
    told.emplace_back();
    return std::make_shared<Confirmation>(
        messages, [this, index](absl::Status status) { told[index].push_back(status); });
  }
  void Take(const Answer& answer) {
    Confirmations::Decided decided;
    refused += confirmations.Take(answer, decided);
    Confirmations::Tell(std::move(decided));
  }

  Confirmations confirmations;
  std::vector<std::vector<absl::Status>> told;
  uint64_t refused = 0;
};

VerdictRange Done(uint64_t first, uint64_t last) { return {{first, last}, true, true, false}; }
VerdictRange Refused(uint64_t first, uint64_t last) { return {{first, last}, true, false, false}; }
VerdictRange Unordered(uint64_t first, uint64_t last) { return {{first, last}, true, false, true}; }

TEST_CASE("Each ack is told its own verdict, of ranges that are cut otherwise") {
  Account a;
  const ConfirmationPtr whole = a.Make(6);
  a.confirmations.Expect({{0,
                           {{{7, 9}, whole},
                            {{1, 1}, a.Make(1)},
                            {{2, 2}, a.Make(1)},
                            {{3, 4}, a.Make(2)},
                            {{20, 22}, whole}}}});
  REQUIRE_FALSE(a.confirmations.empty());
  a.Take({0, {Done(1, 1), Refused(2, 2), Done(3, 3), Unordered(4, 4), Done(5, 40)}, false});
  CHECK(a.confirmations.empty());
  CHECK(a.refused == 2);
  for (const auto& told : a.told) REQUIRE(told.size() == 1);
  CHECK(a.told[0][0].ok());
  CHECK(a.told[1][0].ok());
  CHECK(absl::IsFailedPrecondition(a.told[2][0]));
  CHECK(a.told[2][0].message().find("message 2 is not held") == 0);
  CHECK(absl::IsFailedPrecondition(a.told[3][0]));
  CHECK(a.told[3][0].message().find("message 4 was acked before an earlier") == 0);
}

TEST_CASE("Answers belong to the requests of their topic, in order, also in parts") {
  Account a;
  a.confirmations.Expect({{1, {{{1, 1}, a.Make(1)}}}, {2, {{{1, 1}, a.Make(1)}}}});
  a.confirmations.Expect({{1, {}}});  // of nacks
  a.confirmations.Expect({{1, {{{2, 3}, a.Make(2)}}}});
  a.Take({2, {Refused(1, 1)}, false});
  CHECK(a.told[0].empty());
  REQUIRE(a.told[1].size() == 1);
  a.Take({1, {Done(1, 1)}, false});
  REQUIRE(a.told[0].size() == 1);
  CHECK(a.told[0][0].ok());
  a.Take({1, {{{2, 3}, false, true, false}}, false});
  CHECK(a.told[2].empty());
  a.Take({1, {Done(2, 2)}, true});
  CHECK(a.told[2].empty());
  a.Take({1, {Done(3, 3)}, false});
  REQUIRE(a.told[2].size() == 1);
  CHECK(a.confirmations.empty());
  a.Take({1, {Done(3, 3)}, false});  // nobody asked
  CHECK(a.told[2].size() == 1);
}

TEST_CASE("An ack in several requests is told once, when all are answered or none will be") {
  Account a;
  const ConfirmationPtr some = a.Make(2);
  a.confirmations.Expect({{0, {{{1, 1}, some}}}});
  a.confirmations.Expect({{0, {{{2, 2}, some}}}});
  a.Take({0, {Done(1, 1)}, false});
  CHECK(a.told[0].empty());
  Confirmations::Decided decided;
  a.confirmations.Fail(absl::UnavailableError("gone"), decided);
  Confirmations::Tell(std::move(decided));
  REQUIRE(a.told[0].size() == 1);
  CHECK(absl::IsUnavailable(a.told[0][0]));
  CHECK(a.confirmations.empty());
}

}  // namespace
}  // namespace estiba::internal

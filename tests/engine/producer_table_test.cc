#include "broker/engine/producer_table.h"

#include <string>

#include "tests/support/catch.h"

namespace estiba {
namespace {

using Verdict = ProducerTable::Verdict;

TEST_CASE("ProducerTable: a new producer may begin anywhere, then counts by one") {
  ProducerTable table;
  CHECK(table.Look("p", 17).verdict == Verdict::kNew);
  table.Record("p", 17, {100, 5, 2});
  CHECK(table.Look("p", 18).verdict == Verdict::kNew);
  CHECK(table.Look("p", 20).verdict == Verdict::kSkipped);
  CHECK(table.Look("p", 20).expected == 18);
  CHECK(table.Look("p", 17).verdict == Verdict::kDuplicate);
  CHECK(table.Look("p", 17).taken.first_sequence == 100);
  CHECK(table.Look("p", 17).taken.count == 5);
  CHECK(table.Look("p", 17).taken.scheduled == 2);
  CHECK(table.Look("p", 16).verdict == Verdict::kForgotten);
  CHECK(table.Look("q", 3).verdict == Verdict::kNew);
}

TEST_CASE("ProducerTable: the last 256 batches are remembered, exactly") {
  ProducerTable table;
  for (uint64_t b = 1; b <= 1'000; ++b) {
    table.Record("p", b, {b * 10, static_cast<uint32_t>(b % 7 + 1), 0});
    for (uint64_t back = 0; back < std::min<uint64_t>(b, 256); back += 5) {
      const ProducerTable::Answer answer = table.Look("p", b - back);
      REQUIRE(answer.verdict == Verdict::kDuplicate);
      REQUIRE(answer.taken.first_sequence == (b - back) * 10);
      REQUIRE(answer.taken.count == (b - back) % 7 + 1);
    }
    if (b > 256) REQUIRE(table.Look("p", b - 256).verdict == Verdict::kForgotten);
  }
}

TEST_CASE("ProducerTable: of more than 4,096 producers the one active longest ago is forgotten") {
  ProducerTable table;
  for (uint64_t p = 0; p < ProducerTable::kProducers; ++p) {
    table.Record(std::to_string(p), 1, {p + 1, 1, 0});
  }
  table.Record("0", 2, {10'000, 1, 0});  // active again
  table.Record("another", 1, {10'001, 1, 0});
  CHECK(table.Look("0", 1).verdict == Verdict::kDuplicate);
  CHECK(table.Look("1", 1).verdict == Verdict::kNew);
  CHECK(table.Look("2", 1).verdict == Verdict::kDuplicate);
}

TEST_CASE("ProducerTable: keeps to its bytes, but always knows the latest producer") {
  ProducerTable table(8'192);
  for (uint64_t p = 0; p < 500; ++p) {
    for (uint64_t b = 1; b <= 20; ++b) {
      table.Record(std::to_string(p), b, {b, 1, 0});
      REQUIRE(table.bytes() <= 8'192);
      REQUIRE(table.Look(std::to_string(p), b).verdict == Verdict::kDuplicate);
    }
  }
  ProducerTable tiny(1);
  tiny.Record("p", 1, {1, 1, 0});
  CHECK(tiny.Look("p", 1).verdict == Verdict::kDuplicate);
}

}  // namespace
}  // namespace estiba

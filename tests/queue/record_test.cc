#include "broker/queue/record.h"

#include <string>

#include "tests/queue/records.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::MakeRecord;

TEST_CASE("Record: skips past one of every length of the length itself") {
  for (const size_t bytes : {0, 1, 127, 128, 16383, 16384, 2097151, 2097152}) {
    const std::string record = MakeRecord(std::string(bytes, 'x'));
    CHECK(SkipRecord(record.data()) == record.data() + record.size());
  }
}

TEST_CASE("Record: a length with needless continuation bytes counts as its value") {
  // Well-formed protobuf, if not the shortest: what a foreign encoder may send.
  const std::string record = std::string("\x12\x83\x80\x00", 4) + "abc";
  CHECK(SkipRecord(record.data()) == record.data() + record.size());
}

TEST_CASE("Record: skips none, one, many") {
  std::string records;
  for (int i = 0; i < 1000; ++i) records += MakeRecord(std::string(i, 'x'));
  const char* const p = records.data();
  CHECK(SkipRecords(p, 0) == p);
  CHECK(SkipRecords(p, 1) == p + 2);
  CHECK(SkipRecords(p, 2) == p + 5);
  CHECK(SkipRecords(p, 1000) == p + records.size());
}

}  // namespace
}  // namespace estiba

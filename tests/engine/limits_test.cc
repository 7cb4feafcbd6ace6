#include "broker/engine/limits.h"

#include <string>

#include "tests/support/catch.h"

namespace estiba {
namespace {

TEST_CASE("CheckName: takes what message.proto allows") {
  for (const std::string& name :
       {std::string("a"), std::string("0"), std::string("Orders.eu-west_1~x+y%20/z"),
        std::string(255, 'n')}) {
    CHECK(CheckName("topic", name).ok());
  }
}

TEST_CASE("CheckName: refuses everything else, naming field, value and rule") {
  const auto error = [](const std::string& name) {
    const absl::Status status = CheckName("topic", name);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK_THAT(std::string(status.message()), testing::HasText("topic: "));
    return std::string(status.message());
  };
  CHECK_THAT(error(""), testing::HasText("a name is required"));
  CHECK_THAT(error(std::string(256, 'n')), testing::HasText("at most 255 characters"));
  CHECK_THAT(error("-a"), testing::HasText("\"-a\": a name starts with a letter or a digit"));
  CHECK_THAT(error("a b"), testing::HasText("a name has only letters"));
  CHECK_THAT(error("a\n"), testing::HasText("a\\n"));  // escaped: it goes into logs
  CHECK_THAT(error("caf\xc3\xa9"), testing::HasText("a name has only letters"));
  CHECK_THAT(error(std::string("a\0b", 3)), testing::HasText("a name has only letters"));
}

}  // namespace
}  // namespace estiba

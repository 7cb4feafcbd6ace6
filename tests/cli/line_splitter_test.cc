#include "client/cli/line_splitter.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::cli {
namespace {

// Feeds `input` in pieces of the sizes that `next_size` gives.
template <typename NextSize>
std::vector<std::string> SplitAll(LineSplitter& splitter, std::string_view input,
                                  NextSize next_size) {
  std::vector<std::string> records;
  const auto keep = [&](const std::vector<std::string_view>& views) {
    records.insert(records.end(), views.begin(), views.end());
  };
  while (!input.empty()) {
    const LineSplitter::Space room = splitter.Room();
    const size_t size = std::min({next_size(), room.size, input.size()});
    std::memcpy(room.data, input.data(), size);
    input.remove_prefix(size);
    keep(splitter.Take(size));
  }
  keep(splitter.Finish());
  return records;
}

std::vector<std::string> Split(std::string_view input, char separator = '\n') {
  LineSplitter splitter(separator);
  return SplitAll(splitter, input, [] { return size_t{1} << 20; });
}

using Records = std::vector<std::string>;

TEST_CASE("no bytes are no records") { CHECK(Split("") == Records{}); }

TEST_CASE("lines are cut at newlines, the last one needs none") {
  CHECK(Split("a\nbc\n") == Records{"a", "bc"});
  CHECK(Split("a\nbc") == Records{"a", "bc"});
  CHECK(Split("a") == Records{"a"});
}

TEST_CASE("empty lines are empty records") {
  CHECK(Split("\n") == Records{""});
  CHECK(Split("\n\na\n\n") == Records{"", "", "a", ""});
}

TEST_CASE("all other bytes stay as they are") {
  CHECK(Split(std::string_view("\xff\0\r\nb", 5)) == Records{std::string("\xff\0\r", 3), "b"});
  CHECK(Split(std::string_view("a\nb\0\0c", 6), '\0') == Records{"a\nb", "", "c"});
}

TEST_CASE("records longer than a block are put together") {
  LineSplitter splitter('\n', 4);
  const std::string longest(1000, 'x');
  const std::string input = "ab\n" + longest + "\ncd\n";
  size_t one = 1;
  CHECK(SplitAll(splitter, input, [&] { return one; }) == Records{"ab", longest, "cd"});
}

TEST_CASE("how the bytes come in pieces makes no difference") {
  std::mt19937_64 random(testing::Seed());
  for (int round = 0; round < 200; ++round) {
    std::string input(random() % 300, '\0');
    for (char& c : input) c = "\nab\0"[random() % 4];
    LineSplitter splitter('\n', 1 + random() % 16);
    INFO("round " << round);
    REQUIRE(SplitAll(splitter, input, [&] { return 1 + random() % 20; }) == Split(input));
  }
}

TEST_CASE("the unfinished record is counted") {
  LineSplitter splitter('\n');
  const LineSplitter::Space room = splitter.Room();
  std::memcpy(room.data, "ab\ncde", 6);
  splitter.Take(6);
  CHECK(splitter.pending_bytes() == 3);
}

}  // namespace
}  // namespace estiba::cli

// Catch2 in the version at hand: 2.13 (Debian 12) or 3 (Debian 13). Tests include this, never
// <catch2/...>, and give no main(): estiba_add_test links main.cc.
//
// Assertions belong to the main thread; helper threads record, the main thread asserts.
#ifndef TESTS_SUPPORT_CATCH_H_
#define TESTS_SUPPORT_CATCH_H_

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#define ESTIBA_CATCH_VERSION 3
#else
#include <catch2/catch.hpp>
#define ESTIBA_CATCH_VERSION 2
#endif

namespace estiba::testing {

// Matches a string that contains `text`: REQUIRE_THAT(status.ToString(), HasText("max_messages")).
// The two versions of Catch2 call it by different names.
inline auto HasText(const std::string& text) {
#if ESTIBA_CATCH_VERSION == 3
  return Catch::Matchers::ContainsSubstring(text);
#else
  return Catch::Matchers::Contains(text);
#endif
}

}  // namespace estiba::testing

#endif  // TESTS_SUPPORT_CATCH_H_

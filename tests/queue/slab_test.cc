#include "broker/queue/slab.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

constexpr size_t kPage = Slab::kPageBytes;

// The same, kept the plain way: a state for each page.
struct Model {
  enum class State { kTaken, kIdle, kEmpty };

  uint32_t Count(State state) const {
    return static_cast<uint32_t>(std::count(pages.begin(), pages.end(), state));
  }
  bool AnyIs(State state, const Slab::Pages& run) const {
    const auto begin = pages.begin() + run.first;
    return std::find(begin, begin + run.count, state) != begin + run.count;
  }
  void Set(const Slab::Pages& run, State state) {
    std::fill_n(pages.begin() + run.first, run.count, state);
  }
  // The first place for so many pages; size() if there is none.
  uint32_t FirstFit(uint32_t count) const {
    uint32_t free = 0;
    for (uint32_t i = 0; i < pages.size(); ++i) {
      free = pages[i] == State::kTaken ? 0 : free + 1;
      if (free == count) return i + 1 - count;
    }
    return static_cast<uint32_t>(pages.size());
  }

  uint32_t EmptyFrom(uint32_t first, uint32_t most) const {
    uint32_t count = 0;
    while (count < most && first + count < pages.size() && pages[first + count] == State::kEmpty) {
      ++count;
    }
    return count;
  }

  std::vector<State> pages;
};

TEST_CASE("Slab: does what a plain list of pages does") {
  using State = Model::State;
  std::mt19937_64 random(testing::Seed());
  for (const uint32_t size : {16u, 63u, 64u, 128u, 256u}) {
    const bool resident = size % 2 == 0;
    static std::array<char, 256 * Slab::kPageBytes> memory;
    Slab slab(memory.data(), size * kPage, resident);
    Model model{std::vector<State>(size, resident ? State::kIdle : State::kEmpty)};
    std::vector<Slab::Pages> taken;
    for (int step = 0; step < 5000; ++step) {
      const auto choice = random() % 10;
      if (choice < 5 && slab.longest_run() > 0) {
        const uint32_t count = 1 + static_cast<uint32_t>(random() % slab.longest_run());
        bool held = false;
        const Slab::Pages pages = slab.Take(count, &held);
        REQUIRE(pages.count == count);
        REQUIRE(pages.first == model.FirstFit(count));
        REQUIRE(held == !model.AnyIs(State::kEmpty, pages));
        model.Set(pages, State::kTaken);
        taken.push_back(pages);
        if (choice == 0) {
          const uint32_t most = 1 + static_cast<uint32_t>(random() % 20);
          const Slab::Pages ahead = slab.TakeEmpty(pages, most);
          REQUIRE(ahead.count == model.EmptyFrom(pages.first + count, most));
          if (ahead.count > 0) {
            REQUIRE(ahead.first == pages.first + count);
            model.Set(ahead, State::kTaken);
            taken.push_back(ahead);
          }
        }
      } else if (choice < 9 && !taken.empty()) {
        std::swap(taken[random() % taken.size()], taken.back());
        const Slab::Pages pages = taken.back();
        taken.pop_back();
        const Slab::Pages found = slab.PagesAt(slab.At(pages), pages.count * kPage);
        REQUIRE(found.first == pages.first);
        REQUIRE(found.count == pages.count);
        slab.Give(pages);
        model.Set(pages, State::kIdle);
      } else {
        const uint32_t most = 1 + static_cast<uint32_t>(random() % size);
        const Slab::Pages pages = slab.TakeIdle(static_cast<uint32_t>(random() % size), most);
        REQUIRE(pages.count <= most);
        if (pages.count > 0) {
          REQUIRE_FALSE(model.AnyIs(State::kTaken, pages));
          REQUIRE_FALSE(model.AnyIs(State::kEmpty, pages));
          model.Set(pages, State::kEmpty);
        }
      }
      REQUIRE(slab.free_pages() == size - model.Count(State::kTaken));
      REQUIRE(slab.idle_pages() == model.Count(State::kIdle));
      const uint32_t longest = slab.longest_run();
      REQUIRE((longest == 0 || model.FirstFit(longest) < size));
      REQUIRE(model.FirstFit(longest + 1) == size);
    }
    while (slab.TakeIdle(0, size).count > 0) {
    }
    CHECK(slab.idle_pages() == 0);
  }
}

}  // namespace
}  // namespace estiba

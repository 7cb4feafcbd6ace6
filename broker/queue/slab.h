#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace estiba {

// A block that is handed out in runs of pages: which of its pages are taken, and which of the free
// ones hold memory. Looks at no page itself.
//
// Threads: one at a time.
class Slab {
 public:
  static constexpr uint32_t kPageBytes = 4 << 10;
  static constexpr uint32_t kMostPages = 256;

  // Consecutive pages.
  struct Pages {
    uint32_t first;
    uint32_t count;
  };

  // `bytes`: a multiple of the page size, at most kMostPages pages. All are free; `resident`: and
  // hold memory.
  Slab(char* base, size_t bytes, bool resident);
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  char* base() const { return base_; }
  char* At(const Pages& pages) const { return base_ + size_t{pages.first} * kPageBytes; }
  size_t bytes() const { return size_t{pages_} * kPageBytes; }

  uint32_t free_pages() const { return free_pages_; }
  // Free pages that hold memory.
  uint32_t idle_pages() const { return idle_pages_; }
  // The most pages that Take could give.
  uint32_t longest_run() const { return longest_run_; }

  // The first run of `count` pages, at least 1 and at most longest_run(). They hold memory from
  // then on; `held`: they did before.
  Pages Take(uint32_t count, bool* held);
  void Give(const Pages& pages);
  // Takes the free pages right after some, at most so many, as far as they hold no memory. They do
  // from then on.
  Pages TakeEmpty(const Pages& after, uint32_t most);
  Pages PagesAt(const char* data, size_t bytes) const;

  // A run of at most `most` free pages that hold memory, at or after a page; none: count is 0. They
  // count as empty afterwards.
  Pages TakeIdle(uint32_t from, uint32_t most);

 private:
  // A set of page numbers.
  class PageSet {
   public:
    void Set(const Pages& pages, bool value);
    // The first page, at or after one, that is in the set or is not; kMostPages: none.
    uint32_t Next(uint32_t from, bool value) const;
    uint32_t CountIn(const Pages& pages) const;

   private:
    std::array<uint64_t, kMostPages / 64> words_{};
  };

  void Measure();

  char* const base_;
  const uint32_t pages_;
  PageSet free_;
  PageSet resident_;  // taken pages as well
  uint32_t free_pages_;
  uint32_t idle_pages_;
  uint32_t longest_run_;

 public:
  // The pool's: where this one stands in its lists.
  uint32_t list = 0;
  uint32_t place = 0;
};

}  // namespace estiba

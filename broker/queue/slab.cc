#include "broker/queue/slab.h"

#include <algorithm>
#include <bit>

namespace estiba {
namespace {

// The bits of word `w` that belong to these pages.
uint64_t Mask(const Slab::Pages& pages, uint32_t w) {
  const uint32_t low = std::max(pages.first, w * 64);
  const uint32_t high = std::min(pages.first + pages.count, w * 64 + 64);
  if (low >= high) return 0;
  return ~uint64_t{0} >> (64 - (high - low)) << (low - w * 64);
}

}  // namespace

void Slab::PageSet::Set(const Pages& pages, bool value) {
  for (uint32_t w = pages.first / 64; w < words_.size(); ++w) {
    const uint64_t mask = Mask(pages, w);
    if (mask == 0) break;
    words_[w] = value ? words_[w] | mask : words_[w] & ~mask;
  }
}

uint32_t Slab::PageSet::Next(uint32_t from, bool value) const {
  for (uint32_t w = from / 64; w < words_.size(); ++w) {
    uint64_t word = value ? words_[w] : ~words_[w];
    if (w == from / 64) word &= ~uint64_t{0} << (from % 64);
    if (word != 0) return w * 64 + static_cast<uint32_t>(std::countr_zero(word));
  }
  return kMostPages;
}

uint32_t Slab::PageSet::CountIn(const Pages& pages) const {
  uint32_t count = 0;
  for (uint32_t w = pages.first / 64; w < words_.size(); ++w) {
    const uint64_t mask = Mask(pages, w);
    if (mask == 0) break;
    count += static_cast<uint32_t>(std::popcount(words_[w] & mask));
  }
  return count;
}

Slab::Slab(char* base, size_t bytes, bool resident)
    : base_(base),
      pages_(static_cast<uint32_t>(bytes / kPageBytes)),
      free_pages_(pages_),
      idle_pages_(resident ? pages_ : 0),
      longest_run_(pages_) {
  free_.Set({0, pages_}, true);
  resident_.Set({0, pages_}, resident);
}

Slab::Pages Slab::Take(uint32_t count, bool* held) {
  uint32_t first = free_.Next(0, true);
  for (uint32_t end = free_.Next(first, false); end - first < count;
       end = free_.Next(first, false)) {
    first = free_.Next(end, true);
  }
  const Pages pages{first, count};
  const uint32_t idle = resident_.CountIn(pages);
  *held = idle == count;
  free_.Set(pages, false);
  resident_.Set(pages, true);
  free_pages_ -= count;
  idle_pages_ -= idle;
  Measure();
  return pages;
}

void Slab::Give(const Pages& pages) {
  free_.Set(pages, true);
  free_pages_ += pages.count;
  idle_pages_ += pages.count;
  Measure();
}

Slab::Pages Slab::TakeEmpty(const Pages& after, uint32_t most) {
  const uint32_t first = after.first + after.count;
  const uint32_t end =
      std::min({pages_, first + most, free_.Next(first, false), resident_.Next(first, true)});
  if (first >= end) return {first, 0};
  const Pages pages{first, end - first};
  free_.Set(pages, false);
  resident_.Set(pages, true);
  free_pages_ -= pages.count;
  Measure();
  return pages;
}

Slab::Pages Slab::PagesAt(const char* data, size_t bytes) const {
  return {static_cast<uint32_t>((data - base_) / kPageBytes),
          static_cast<uint32_t>(bytes / kPageBytes)};
}

Slab::Pages Slab::TakeIdle(uint32_t from, uint32_t most) {
  for (uint32_t first = free_.Next(from, true); first < pages_; first = free_.Next(from, true)) {
    const uint32_t end = free_.Next(first, false);
    const uint32_t idle = resident_.Next(first, true);
    if (idle < end) {
      const uint32_t count = std::min(end, resident_.Next(idle, false)) - idle;
      const Pages pages{idle, std::min(count, most)};
      resident_.Set(pages, false);
      idle_pages_ -= pages.count;
      return pages;
    }
    from = end;
  }
  return {pages_, 0};
}

void Slab::Measure() {
  longest_run_ = 0;
  for (uint32_t first = free_.Next(0, true); first < pages_;) {
    const uint32_t end = free_.Next(first, false);
    longest_run_ = std::max(longest_run_, end - first);
    first = free_.Next(end, true);
  }
}

}  // namespace estiba

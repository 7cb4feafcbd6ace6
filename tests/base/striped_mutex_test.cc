// Readers beside each other, and writers alone.
#include "broker/base/striped_mutex.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

constexpr int kThreads = 20;  // more than there are stripes

TEST_CASE("StripedMutex: readers are beside each other, on however many threads") {
  StripedMutex mutex;
  std::latch all(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      StripedReaderLock lock(&mutex);
      all.arrive_and_wait();  // comes back only if all are in
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("StripedMutex: a writer is alone, and readers see what it has written") {
  StripedMutex mutex;
  int written = 0;
  int same = 0;
  std::atomic<int> torn = 0;
  constexpr int kTimes = 2'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, writes = i % 5 == 0] {
      for (int n = 0; n < kTimes; ++n) {
        if (writes) {
          StripedMutexLock lock(&mutex);
          ++written;
          if (n % 64 == 0) std::this_thread::yield();
          ++same;
        } else {
          StripedReaderLock lock(&mutex);
          torn += written != same;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(torn == 0);
  CHECK(written == kTimes * kThreads / 5);
  CHECK(same == written);
}

}  // namespace
}  // namespace estiba::testing

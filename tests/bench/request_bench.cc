// request_bench HOST:PORT: requests and replies of 128 bytes over a broker that runs there, asker
// and responder in this process on a connection each: one at a time, and with 64 waiting.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "estiba/requester.h"
#include "estiba/responder.h"

namespace estiba {
namespace {

constexpr int kOneAtATime = 10'000;
constexpr int kTogether = 100'000;
constexpr int kWaiting = 64;

double Micros(std::vector<int64_t>& nanos, double quantile) {
  const auto at =
      nanos.begin() + static_cast<long>(quantile * static_cast<double>(nanos.size() - 1));
  std::nth_element(nanos.begin(), at, nanos.end());
  return static_cast<double>(*at) / 1000;
}

bool OneAtATime(Requester& requester, const Message& message) {
  std::vector<int64_t> nanos;
  const int64_t start = absl::GetCurrentTimeNanos();
  for (int i = 0; i < kOneAtATime; ++i) {
    const int64_t sent = absl::GetCurrentTimeNanos();
    if (!requester.Request(message).ok()) return false;
    nanos.push_back(absl::GetCurrentTimeNanos() - sent);
  }
  const double seconds = static_cast<double>(absl::GetCurrentTimeNanos() - start) / 1e9;
  std::printf("one at a time: %.0f requests/s, p50 %.0f us, p99 %.0f us\n", kOneAtATime / seconds,
              Micros(nanos, 0.5), Micros(nanos, 0.99));
  return true;
}

bool Together(Requester& requester, const Message& message) {
  std::atomic<int> left = kTogether, to_send = kTogether, failed = 0;
  absl::Notification done;
  std::function<void()> ask = [&] {
    if (to_send.fetch_sub(1) <= 0) return;
    requester.Request(message, [&](absl::StatusOr<Message> reply) {
      failed += !reply.ok();
      if (left.fetch_sub(1) == 1) return done.Notify();
      ask();
    });
  };
  const int64_t start = absl::GetCurrentTimeNanos();
  for (int i = 0; i < kWaiting; ++i) ask();
  done.WaitForNotification();
  const double seconds = static_cast<double>(absl::GetCurrentTimeNanos() - start) / 1e9;
  std::printf("%d waiting: %.0f requests/s\n", kWaiting, kTogether / seconds);
  return failed == 0;
}

int Main(const std::string& target) {
  const Client service({.target = target});
  absl::Notification ready;
  Responder responder(service, "request-bench", {.on_started = [&](const Started&) {
                        if (!ready.HasBeenNotified()) ready.Notify();
                      }});
  const absl::Status started = responder.Start(
      [](const MessageView& request) -> absl::StatusOr<Message> { return request.ToMessage(); });
  if (!started.ok() || !ready.WaitForNotificationWithTimeout(absl::Seconds(5))) {
    return std::fprintf(stderr, "no broker at %s\n", target.c_str()), 1;
  }
  const Client client({.target = target});
  Requester requester(client, "request-bench");
  const Message message{.data = std::string(128, 'x')};
  if (OneAtATime(requester, message) && Together(requester, message)) return 0;
  return std::fprintf(stderr, "a request failed\n"), 1;
}

}  // namespace
}  // namespace estiba

int main(int argc, char** argv) { return estiba::Main(argc > 1 ? argv[1] : "localhost:8085"); }

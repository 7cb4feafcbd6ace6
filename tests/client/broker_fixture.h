// A broker and a connection to it, for the tests in this folder.
#ifndef TESTS_CLIENT_BROKER_FIXTURE_H_
#define TESTS_CLIENT_BROKER_FIXTURE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "estiba/admin.h"
#include "estiba/client.h"
#include "estiba/publisher.h"
#include "estiba/subscriber.h"
#include "tests/support/daemon.h"
#include "tests/support/eventually.h"

namespace estiba::testing {

// When a test that hangs shall fail; no passing test waits so long.
inline absl::Time Soon() { return absl::Now() + absl::Seconds(30) * kSlowdown; }

struct BrokerFixture {
  explicit BrokerFixture(std::vector<std::string> flags = {}) : daemon(std::move(flags)) {}

  Daemon daemon;
  Client client{{.target = daemon.address(), .client_name = "test"}};
  Admin admin{client};

  // Publishes "0", "1", ... and waits until all are taken.
  absl::Status PublishNumbers(const std::string& topic, int count, int from = 0) {
    Publisher publisher(client, topic);
    for (int i = from; i < from + count; ++i) {
      if (absl::Status status = publisher.Post(absl::StrCat(i)); !status.ok()) return status;
    }
    return publisher.Close(Soon());
  }

  // The data of the next `count` messages; fewer if they do not come.
  static std::vector<std::string> Take(Subscriber& subscriber, int count) {
    std::vector<std::string> taken;
    while (static_cast<int>(taken.size()) < count) {
      const auto message = subscriber.Next(Soon());
      if (!message.ok()) break;
      taken.emplace_back(message->data());
    }
    return taken;
  }
  static std::vector<std::string> Numbers(int count, int from = 0) {
    std::vector<std::string> numbers;
    for (int i = from; i < from + count; ++i) numbers.push_back(absl::StrCat(i));
    return numbers;
  }
};

}  // namespace estiba::testing

#endif  // TESTS_CLIENT_BROKER_FIXTURE_H_

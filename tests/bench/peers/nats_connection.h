// What NATS core and JetStream share: connections of the C client, and its errors.
#ifndef TESTS_BENCH_PEERS_NATS_CONNECTION_H_
#define TESTS_BENCH_PEERS_NATS_CONNECTION_H_

#include <nats/nats.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace estiba::bench {

struct NatsDeleter {
  void operator()(natsConnection* connection) const { natsConnection_Destroy(connection); }
  void operator()(natsSubscription* subscription) const { natsSubscription_Destroy(subscription); }
  void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
  void operator()(jsCtx* context) const { jsCtx_Destroy(context); }
};
using NatsConnectionPtr = std::unique_ptr<natsConnection, NatsDeleter>;
using NatsSubscriptionPtr = std::unique_ptr<natsSubscription, NatsDeleter>;
using JetStreamContextPtr = std::unique_ptr<jsCtx, NatsDeleter>;

absl::Status FromNats(natsStatus status, absl::string_view doing);

// `prompt`: every message is written to the socket at once. Does not reconnect: a connection that
// breaks has lost messages, and that should show.
absl::Status ConnectToNats(const std::string& url, bool prompt, NatsConnectionPtr& connection);

// Waits until the server has all that was sent.
absl::Status FlushNats(natsConnection& connection, absl::Duration timeout);

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEERS_NATS_CONNECTION_H_

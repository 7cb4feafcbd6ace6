#include "tests/bench/peers/nats_connection.h"

#include "absl/strings/str_cat.h"

namespace estiba::bench {

absl::Status FromNats(natsStatus status, absl::string_view doing) {
  if (status == NATS_OK) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(doing, ": ", natsStatus_GetText(status)));
}

absl::Status ConnectToNats(const std::string& url, bool prompt, NatsConnectionPtr& connection) {
  natsOptions* made_options = nullptr;
  natsStatus status = natsOptions_Create(&made_options);
  const std::unique_ptr<natsOptions, NatsDeleter> options(made_options);
  if (status == NATS_OK) status = natsOptions_SetURL(options.get(), url.c_str());
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options.get(), prompt);
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options.get(), false);
  natsConnection* made = nullptr;
  if (status == NATS_OK) status = natsConnection_Connect(&made, options.get());
  connection.reset(made);
  return FromNats(status, absl::StrCat("connecting to ", url));
}

absl::Status FlushNats(natsConnection& connection, absl::Duration timeout) {
  return FromNats(natsConnection_FlushTimeout(&connection, absl::ToInt64Milliseconds(timeout)),
                  "flushing");
}

}  // namespace estiba::bench

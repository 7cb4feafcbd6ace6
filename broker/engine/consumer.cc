#include "broker/engine/consumer.h"

#include <utility>

#include "broker/engine/subscription.h"

namespace estiba {

absl::Status CheckConsumer(const SubscriptionConfig& config, const ConsumerOptions& options) {
  if (!config.exactly_once || options.ack_mode == AckMode::kExplicit) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "ack_mode: ACK_MODE_AUTO: an exactly-once subscription takes consumers with explicit acks "
      "only; ask for ACK_MODE_EXPLICIT, and ack what is done");
}

Consumer::Consumer(const ConsumerOptions& options) : options_(options) {}

Consumer::~Consumer() = default;

void Consumer::OnVerdicts(Verdicts verdicts) {
  if (!removed_) verdicts_.Push(std::move(verdicts));
}

void Consumer::SentCommand::Run() { consumer->subscription_->HandleSent(consumer, ok); }

}  // namespace estiba

#include "broker/engine/consumer.h"

#include "broker/engine/subscription.h"

namespace estiba {

Consumer::Consumer(const ConsumerOptions& options) : options_(options) {}

Consumer::~Consumer() = default;

void Consumer::SentCommand::Run() { consumer->subscription_->HandleSent(consumer, ok); }

}  // namespace estiba

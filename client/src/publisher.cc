#include "estiba/publisher.h"

#include <utility>
#include <vector>

#include "client/src/publisher_impl.h"

namespace estiba {

using internal::PublisherImpl;
using WhenFull = PublisherImpl::WhenFull;

namespace {

// How many messages PostBatch refers to at a time, so that it needs no memory.
constexpr size_t kChunk = 64;

absl::Status AddOne(PublisherImpl& impl, const Message& message, WhenFull when_full,
                    Publisher::Callback* callback) {
  size_t accepted = 0;
  std::vector<AttributeRef> attributes(message.attributes.begin(), message.attributes.end());
  const MessageRef ref{message.data, attributes, message.ordering_key, &message.timing};
  return impl.Add(absl::MakeConstSpan(&ref, 1), when_full, callback, accepted);
}

}  // namespace

Publisher::Publisher(const Client& client, std::string topic, PublisherOptions options)
    : impl_(std::make_unique<PublisherImpl>(client.connection(), std::move(topic),
                                            std::move(options))) {}

Publisher::~Publisher() = default;

std::future<absl::StatusOr<uint64_t>> Publisher::Publish(const Message& message) {
  std::promise<absl::StatusOr<uint64_t>> promise;
  std::future<absl::StatusOr<uint64_t>> future = promise.get_future();
  Publish(message, [promise = std::move(promise)](absl::StatusOr<uint64_t> sequence) mutable {
    promise.set_value(std::move(sequence));
  });
  return future;
}

void Publisher::Publish(const Message& message, Callback callback) {
  const absl::Status status = AddOne(*impl_, message, WhenFull::kWait, &callback);
  if (!status.ok()) callback(status);
}

absl::Status Publisher::TryPublish(const Message& message, Callback callback) {
  return AddOne(*impl_, message, WhenFull::kFail, &callback);
}

absl::Status Publisher::Post(std::string_view data) { return Post(MessageRef{data}); }

absl::Status Publisher::Post(const MessageRef& message) {
  return PostBatch(absl::MakeConstSpan(&message, 1));
}

absl::Status Publisher::TryPost(std::string_view data) { return TryPost(MessageRef{data}); }

absl::Status Publisher::TryPost(const MessageRef& message) {
  size_t accepted = 0;
  return impl_->Add(absl::MakeConstSpan(&message, 1), WhenFull::kFail, nullptr, accepted);
}

absl::Status Publisher::PostBatch(absl::Span<const std::string_view> data, size_t* accepted) {
  MessageRef chunk[kChunk];
  size_t total = 0;
  absl::Status status;
  while (status.ok() && !data.empty()) {
    const absl::Span<const std::string_view> part = data.subspan(0, kChunk);
    for (size_t i = 0; i < part.size(); ++i) chunk[i].data = part[i];
    size_t taken = 0;
    status = impl_->Add(absl::MakeConstSpan(chunk, part.size()), WhenFull::kWait, nullptr, taken);
    total += taken;
    data.remove_prefix(part.size());
  }
  if (accepted != nullptr) *accepted = total;
  return status;
}

absl::Status Publisher::PostBatch(absl::Span<const MessageRef> messages, size_t* accepted) {
  size_t taken = 0;
  absl::Status status = impl_->Add(messages, WhenFull::kWait, nullptr, taken);
  if (accepted != nullptr) *accepted = taken;
  return status;
}

absl::Status Publisher::Flush(absl::Time deadline) { return impl_->Flush(deadline); }
absl::Status Publisher::Close(absl::Time deadline) { return impl_->Close(deadline); }
PublisherStats Publisher::Stats() const { return impl_->Stats(); }
const std::string& Publisher::topic() const { return impl_->topic(); }

}  // namespace estiba

#include "broker/rpc/publish_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_writer.h"
#include "broker/engine/limits.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/event_loop.h"
#include "broker/rpc/publish_answer.h"
#include "broker/rpc/publish_request.h"
#include "broker/rpc/status.h"

namespace estiba {

// A batch on its way to a topic, then its answer on its way to the client. Holds the request's
// bytes, from which the topic copies.
class PublishStream::Batch final : public PublishCommand, public Event {
 public:
  Batch(boost::intrusive_ptr<PublishStream> stream, grpc::ByteBuffer* message)
      : request_bytes_(message), stream_(std::move(stream)) {}

  void Waits(Topic& topic) override {
    waits_in_ = &topic;
    stream_->Enter(this);
  }

  void Done() override {
    if (waits_in_ != nullptr) {
      stream_->Leave(this);
      waits_in_ = nullptr;
    }
    if (then_ != nullptr && absl::IsAborted(result.status)) {
      result = {};
      return std::exchange(then_, nullptr)->Publish(this);
    }
    // The answering side may be through with this before Push returns.
    const boost::intrusive_ptr<PublishStream> stream = std::move(stream_);
    stream->Push(this, /*later=*/size() >= kWorthGathering);
    // Release: who sees that it has come back has its answer in front of what he pushes.
    stream->in_topics_.fetch_sub(1, std::memory_order_release);
  }

  void Apply(PublishStream& stream) override {
    if (!stream.broken_) {
      AppendResult(PublishCommand::batch, result, &stream.response_);
      if (++stream.gathered_ == 1 &&
          stream.max_answer_delay_ms_.load(std::memory_order_relaxed) > 0) {
        stream.gathered_since_ms_.store(stream.context_.clock.SteadyMillis(),
                                        std::memory_order_relaxed);
      }
      stream.gathered_bytes_ += size();
      if (!result.status.ok() || !std::exchange(stream.welcomed_, true)) {
        stream.answers_due_ = true;
      }
    }
    // Release: who sees that none is unanswered sees what is held back.
    stream.unanswered_.fetch_sub(1, std::memory_order_release);
    stream.unanswered_bytes_.fetch_sub(size(), std::memory_order_seq_cst);
    delete this;
  }

  uint32_t size() const { return static_cast<uint32_t>(request_bytes_.view().size()) + 64; }
  const ReceivedBytes& request_bytes() const { return request_bytes_; }
  // Where it goes on to from the deleted topic that it is given to.
  void GoOnTo(TopicPtr topic) { then_ = std::move(topic); }
  const TopicPtr& waits_in() const { return waits_in_; }

  PublishRequestView request;
  // Its topic, if it is looked for beforehand. The name's bytes are the request's.
  Broker::WantedTopic wanted;

 private:
  ReceivedBytes request_bytes_;
  TopicPtr then_;
  TopicPtr waits_in_;  // for room
  boost::intrusive_ptr<PublishStream> stream_;
};

class PublishStream::AnswersDue final : public Event {
 public:
  void Apply(PublishStream& stream) override {
    stream.answers_due_ = true;
    delete this;
  }
};

class PublishStream::AnswerAll final : public Event {
 public:
  void Apply(PublishStream& stream) override {
    stream.answer_all_ = true;
    delete this;
  }
};

class PublishStream::ReadsDone final : public Event {
 public:
  void Apply(PublishStream& stream) override {
    stream.reads_done_ = true;
    delete this;
  }
};

class PublishStream::Ending final : public Event {
 public:
  Ending(absl::Status status, bool broken) : status_(std::move(status)), broken_(broken) {}

  void Apply(PublishStream& stream) override {
    stream.broken_ |= broken_;
    if (!stream.ending_) {
      stream.ending_ = true;
      stream.end_status_ = status_;
    }
    delete this;
  }

 private:
  const absl::Status status_;
  const bool broken_;
};

class PublishStream::Forwarder final : public Runnable {
 public:
  explicit Forwarder(boost::intrusive_ptr<PublishStream> stream) : stream_(std::move(stream)) {}

  void RunTurn() override {
    stream_->Forward();
    delete this;
  }

 private:
  const boost::intrusive_ptr<PublishStream> stream_;
};

PublishStream::PublishStream(RpcContext& context, CallPtr call)
    : context_(context), call_(std::move(call)) {}

void PublishStream::OnStart() {
  absl::Status status =
      context_.draining.load(std::memory_order_relaxed)
          ? ShuttingDown()
          : context_.streams.TryAdd(DescribeStream(*call_, context_.clock.WallMillis()), this,
                                    &activity_, &id_);
  if (!status.ok()) return End(status);
  call_->Read();
}

void PublishStream::OnRead(grpc::ByteBuffer* message) {
  if (message == nullptr) return Push(new ReadsDone);
  Submit(message);
}

void PublishStream::Submit(grpc::ByteBuffer* message) {
  auto* batch = new Batch(this, message);
  const uint32_t size = batch->size();
  if (size >= kWorthGathering) {
    // While it is read, memory brings the topic that it goes to.
    const std::string_view topic = PeekTopic(batch->request_bytes().view());
    if (GoesElsewhere(topic)) context_.broker.PrefetchTopic(topic);
  }
  if (!batch->request_bytes().ok() ||
      !ParsePublishRequest(batch->request_bytes().view(), &batch->request)) {
    delete batch;
    return End(absl::InvalidArgumentError("request: not a well-formed estiba.v1.PublishRequest"));
  }
  const bool answer_now = batch->request.answer_now;
  if (!batch->request.is_batch()) {
    delete batch;
    Push(new AnswerAll);
    return call_->Read();
  }
  ReadFirst(batch->request);
  batch->PublishCommand::batch = batch->request.batch;
  batch->records = batch->request.records.data();
  batch->bytes = static_cast<uint32_t>(batch->request.records.size());
  batch->count = batch->request.count;
  batch->scheduled = batch->request.scheduled;
  batch->expires = batch->request.expires;
  batch->dedup_id = batch->request.dedup_id;
  batch->producer = producer_.empty() ? nullptr : &producer_;
  batch->abandoned = &abandoned_;

  const uint32_t before = unanswered_bytes_.fetch_add(size, std::memory_order_seq_cst);
  unanswered_.fetch_add(1, std::memory_order_relaxed);
  activity_.Count(batch->count, batch->bytes);
  to_forward_.push_back(batch);
  if (!TakingTogether()) {
    Forward();
  } else {
    // Several go to several topics, all of which memory brings at the same time.
    if (GoesElsewhere(batch->request.topic)) {
      batch->wanted.key = batch->request.topic;
      wanted_topics_.push_back(&batch->wanted);
    }
    if (to_forward_.size() == 1) RunWhenTaken(new Forwarder(this));
  }
  if (answer_now) Push(new AnswerAll);
  const uint32_t delay_ms = max_answer_delay_ms_.load(std::memory_order_relaxed);
  if (delay_ms > 0 && !std::exchange(wake_awaited_, true)) call_->WakeAfter(delay_ms);
  // Read ahead, unless too much waits for its answer. Whoever takes read_paused_ back reads on: the
  // answering side when it sees the pause, or this side when it sees that there is room again.
  if (before + size < kMaxUnanswered) return call_->Read();
  read_paused_.store(true, std::memory_order_seq_cst);
  if (unanswered_bytes_.load(std::memory_order_seq_cst) < kMaxUnanswered &&
      read_paused_.exchange(false, std::memory_order_seq_cst)) {
    call_->Read();
  }
}

void PublishStream::Forward() {
  if (!wanted_topics_.empty()) {
    context_.broker.FindTopics(wanted_topics_);
    wanted_topics_.clear();
  }
  for (Batch* batch : to_forward_) {
    const TopicPtr topic = Route(batch);
    in_topics_.fetch_add(1, std::memory_order_relaxed);
    if (topic != nullptr) {
      topic->Publish(batch);
    } else {
      batch->Done();
    }
  }
  to_forward_.clear();
}

void PublishStream::ReadFirst(PublishRequestView& request) {
  const bool first = std::exchange(first_request_, false);
  const auto refuse = [&](absl::string_view reason) {
    if (request.refusal.ok()) request.refusal = absl::InvalidArgumentError(reason);
  };
  if (first) {
    producer_.assign(request.producer);
    if (request.max_answer_delay_ms > kMaxAnswerDelayMs) {
      refuse(absl::StrCat("max_answer_delay_ms: ", request.max_answer_delay_ms, ": at most ",
                          kMaxAnswerDelayMs));
    } else {
      max_answer_delay_ms_.store(static_cast<uint32_t>(request.max_answer_delay_ms),
                                 std::memory_order_relaxed);
    }
  } else if (!request.producer.empty() && request.producer != producer_) {
    refuse("producer: is set in the first request of a stream only");
  } else if (request.max_answer_delay_ms != 0) {
    refuse("max_answer_delay_ms: is set in the first request of a stream only");
  }
}

void PublishStream::OnWake() {
  const int64_t delay_ms = max_answer_delay_ms_.load(std::memory_order_relaxed);
  const bool more = unanswered_.load(std::memory_order_acquire) > 0;
  const int64_t since_ms = gathered_since_ms_.load(std::memory_order_relaxed);
  // Most go without this, as there are enough of them.
  int64_t age_ms = since_ms == 0 ? 0 : context_.clock.SteadyMillis() - since_ms;
  if (age_ms >= delay_ms) {
    Push(new AnswersDue);
    age_ms = 0;
  }
  // An answer that comes after this must not wait for another request.
  wake_awaited_ = more || since_ms != 0;
  if (wake_awaited_) call_->WakeAfter(delay_ms - age_ms);
}

TopicPtr PublishStream::Route(Batch* batch) {
  const PublishRequestView& request = batch->request;
  const auto refuse = [&](absl::Status status) {
    batch->result.status = std::move(status);
    batch->count = batch->bytes = 0;
    batch->scheduled = batch->expires = false;
    return topic_ != nullptr ? topic_ : TopicOfOthers();
  };
  // Also a batch that is refused names the topic of those that follow.
  if (!request.topic.empty() && request.topic != topic_name_) {
    topic_ = nullptr;
    topic_name_.assign(request.topic);
  }
  if (context_.draining.load(std::memory_order_relaxed)) return refuse(ShuttingDown());
  if (!request.refusal.ok()) return refuse(request.refusal);
  if (producer_.size() > kMaxProducerBytes) {
    return refuse(absl::InvalidArgumentError(
        absl::StrCat("producer: ", producer_.size(), " bytes: at most ", kMaxProducerBytes)));
  }
  if (!producer_.empty() && request.dedup_id.empty() && request.batch == 0) {
    return refuse(absl::InvalidArgumentError("batch: 0: with a producer, numbers begin above 0"));
  }
  if (topic_ != nullptr && !topic_->deleted()) return topic_;
  if (topic_name_.empty()) {
    return refuse(absl::InvalidArgumentError("topic: is required in the first request"));
  }
  TopicPtr found = std::move(batch->wanted.found);
  if (found == nullptr || found->deleted()) {
    absl::StatusOr<TopicPtr> used = context_.broker.UseTopic(topic_name_);
    if (!used.ok()) return refuse(used.status());
    found = *std::move(used);
  }
  if (topic_ != nullptr && !IsAlone()) {
    // Behind those that the deleted topic has not answered yet.
    batch->GoOnTo(std::move(found));
    return topic_;
  }
  topic_ = std::move(found);
  activity_.SetNames(topic_name_, "");
  return topic_;
}

TopicPtr PublishStream::TopicOfOthers() {
  if (IsAlone()) return nullptr;
  return context_.broker.GetTopic(topic_name_).value_or(nullptr);
}

void PublishStream::Enter(Batch* batch) {
  {
    absl::MutexLock lock(&waiting_mutex_);
    waiting_.insert(batch);
  }
  // OnClosed may have looked before.
  if (abandoned_.load(std::memory_order_relaxed)) batch->waits_in()->DropAbandoned();
}

void PublishStream::Leave(Batch* batch) {
  absl::MutexLock lock(&waiting_mutex_);
  waiting_.erase(batch);
}

bool PublishStream::IsAlone() const { return in_topics_.load(std::memory_order_acquire) == 0; }

void PublishStream::Push(Event* event, bool later) {
  // The answering side holds a reference while it has something to do.
  boost::intrusive_ptr<PublishStream> self(this);
  if (!events_.Push(event)) return;
  self.detach();
  later ? RunAfterEvents(context_.executor, this) : context_.executor.Run(this);
}

void PublishStream::RunTurn() {
  boost::intrusive_ptr<PublishStream> self(this, /*add_ref=*/false);
  do {
    for (Event* event = events_.TakeAll(); event != nullptr;) {
      Event* next = event->next;
      event->Apply(*this);
      event = next;
    }
    if (unanswered_bytes_.load(std::memory_order_seq_cst) < kMaxUnanswered &&
        read_paused_.load(std::memory_order_seq_cst) &&
        read_paused_.exchange(false, std::memory_order_seq_cst)) {
      call_->Read();
    }
    if (broken_) {
      response_.clear();
    } else if (!response_.empty() && AnswersAreDue()) {
      const grpc::ByteBuffer buffer = ToBuffer(response_);
      response_.clear();
      gathered_ = gathered_bytes_ = 0;
      gathered_since_ms_.store(0, std::memory_order_relaxed);
      answers_due_ = false;
      if (unanswered_.load(std::memory_order_relaxed) == 0) answer_all_ = false;
      self.detach();  // OnWritten goes on
      return call_->Write(buffer);
    } else if (ending_ || (reads_done_ && unanswered_.load(std::memory_order_relaxed) == 0)) {
      broken_ = true;  // nothing is written after this
      call_->Finish(end_status_);
    }
  } while (!events_.TryIdle());
}

bool PublishStream::AnswersAreDue() const {
  return answers_due_ || answer_all_ || reads_done_ || ending_ || gathered_ >= kMostGathered ||
         gathered_bytes_ >= kMostGatheredBytes ||
         max_answer_delay_ms_.load(std::memory_order_relaxed) == 0;
}

void PublishStream::OnWritten(bool ok) {
  if (!ok) broken_ = true;
  context_.executor.Run(this);
}

void PublishStream::OnClosed(bool cancelled) {
  if (id_ != 0) context_.streams.Remove(id_);
  abandoned_.store(true, std::memory_order_relaxed);
  absl::flat_hash_set<TopicPtr> topics;
  {
    absl::MutexLock lock(&waiting_mutex_);
    for (const Batch* batch : waiting_) topics.insert(batch->waits_in());
  }
  for (const TopicPtr& topic : topics) topic->DropAbandoned();
  if (!cancelled) return;
  Push(new Ending(absl::CancelledError("the client went away"), /*broken=*/true));
}

void PublishStream::End(const absl::Status& status) {
  // What still waits for room is not taken any more: nobody would learn of it.
  abandoned_.store(true, std::memory_order_relaxed);
  Push(new Ending(status, /*broken=*/false));
}

}  // namespace estiba

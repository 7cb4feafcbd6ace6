// relay: passes frames from publisher streams to subscriber streams, and does nothing else. What a
// broker on gRPC could reach if it cost nothing: the ceiling that Estiba is measured against.
//
// It knows neither topics nor messages. Every frame of every call of /relay/Publish goes, by
// reference, to every call of /relay/Subscribe, in the order in which its stream brought it.
// Nothing is lost: publishers are not read while a subscriber's queue is long.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/ops/process_memory.h"

namespace estiba::bench {
namespace {

// Publishers wait while a subscriber's queue holds more than this.
constexpr size_t kMostQueuedBytes = size_t{1} << 20;
constexpr size_t kMostQueuedFrames = 1024;
// Calls waited for on each completion queue.
constexpr int kAwaited = 64;

class Call;

// Who is there. Thread-safe.
class Hall {
 public:
  // False: the queue of somebody is long, and `publisher` will be told to read on.
  bool Forward(Call* publisher, const grpc::ByteBuffer& frame);
  void Join(Call* subscriber);
  void Leave(Call* call);
  // A long queue has become short.
  void ReadOn();

 private:
  bool Full() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  std::vector<Call*> subscribers_ ABSL_GUARDED_BY(mutex_);
  std::vector<Call*> waiting_ ABSL_GUARDED_BY(mutex_);
};

// One call. It deletes itself when nothing is under way and nobody holds it; its completions come
// on one thread, Send on any.
class Call {
 public:
  struct Tag {
    Call* call;
    void (Call::*done)(bool ok);
  };

  Call(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue, Hall& hall)
      : service_(service), queue_(queue), hall_(hall), stream_(&context_) {
    service.RequestCall(&context_, &stream_, &queue, &queue, Begin(arrived_));
  }

  static void Complete(void* tag, bool ok) {
    auto* const operation = static_cast<Tag*>(tag);
    Call* const call = operation->call;
    (call->*operation->done)(ok);
    call->Release();
  }

  void Hold() { references_.fetch_add(1, std::memory_order_relaxed); }
  void Release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  void Read() { stream_.Read(&incoming_, Begin(read_)); }

  // Queues a frame, or writes it if nothing is being written.
  void Send(const grpc::ByteBuffer& frame) {
    const absl::MutexLock lock(&mutex_);
    if (over_) return;
    if (writing_) {
      queued_bytes_ += frame.Length();
      queued_.push_back(frame);
      long_ = long_ || queued_bytes_ > kMostQueuedBytes || queued_.size() > kMostQueuedFrames;
      return;
    }
    writing_ = true;
    Write(frame);
  }
  bool queue_is_long() {
    const absl::MutexLock lock(&mutex_);
    return long_;
  }

 private:
  ~Call() = default;

  void* Begin(Tag& tag) {
    Hold();
    return &tag;
  }

  void Write(const grpc::ByteBuffer& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    grpc::WriteOptions options;
    // What more is there may share a system call with this.
    if (!queued_.empty()) options.set_buffer_hint();
    stream_.Write(frame, options, Begin(write_));
  }

  void OnArrived(bool ok) {
    if (!ok) return;
    new Call(service_, queue_, hall_);
    subscriber_ = context_.method() == "/relay/Subscribe";
    if (!subscriber_ && context_.method() != "/relay/Publish") {
      stream_.Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, ""), Begin(finished_));
      return;
    }
    // Metadata at once: a subscriber waits for it, to know that it is in.
    if (subscriber_) hall_.Join(this);
    stream_.SendInitialMetadata(Begin(greeted_));
    Read();
  }
  void OnGreeted(bool) {}
  void OnRead(bool ok) {
    if (!ok) {
      Finish();
    } else if (subscriber_ || hall_.Forward(this, incoming_)) {
      Read();
    }
  }
  void OnWritten(bool ok) {
    bool now_short = false;
    {
      const absl::MutexLock lock(&mutex_);
      if (!ok || over_ || queued_.empty()) {
        writing_ = false;
        if (over_) stream_.Finish(grpc::Status::OK, Begin(finished_));
        return;
      }
      const grpc::ByteBuffer frame = std::move(queued_.front());
      queued_.pop_front();
      queued_bytes_ -= frame.Length();
      if (long_ && queued_bytes_ <= kMostQueuedBytes / 2 && queued_.size() <= kMostQueuedFrames / 2)
        now_short = !(long_ = false);
      Write(frame);
    }
    if (now_short) hall_.ReadOn();
  }
  // The client has half-closed, or is gone.
  void Finish() {
    hall_.Leave(this);
    {
      const absl::MutexLock lock(&mutex_);
      over_ = true;
      queued_.clear();
      long_ = false;
      if (!writing_) stream_.Finish(grpc::Status::OK, Begin(finished_));
    }
    hall_.ReadOn();
  }
  void OnFinished(bool) {}

  grpc::AsyncGenericService& service_;
  grpc::ServerCompletionQueue& queue_;
  Hall& hall_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  bool subscriber_ = false;
  grpc::ByteBuffer incoming_;
  std::atomic<int> references_{0};
  Tag arrived_{this, &Call::OnArrived};
  Tag greeted_{this, &Call::OnGreeted};
  Tag read_{this, &Call::OnRead};
  Tag write_{this, &Call::OnWritten};
  Tag finished_{this, &Call::OnFinished};

  absl::Mutex mutex_;
  std::deque<grpc::ByteBuffer> queued_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool long_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

bool Hall::Full() const {
  return std::any_of(subscribers_.begin(), subscribers_.end(),
                     [](Call* subscriber) { return subscriber->queue_is_long(); });
}

bool Hall::Forward(Call* publisher, const grpc::ByteBuffer& frame) {
  {
    const absl::ReaderMutexLock lock(&mutex_);
    for (Call* subscriber : subscribers_) subscriber->Send(frame);
    if (!Full()) return true;
  }
  const absl::MutexLock lock(&mutex_);
  // It may have become short meanwhile, and nobody would tell.
  if (!Full()) return true;
  publisher->Hold();
  waiting_.push_back(publisher);
  return false;
}

void Hall::Join(Call* subscriber) {
  const absl::MutexLock lock(&mutex_);
  subscribers_.push_back(subscriber);
}

void Hall::Leave(Call* call) {
  const absl::MutexLock lock(&mutex_);
  subscribers_.erase(std::remove(subscribers_.begin(), subscribers_.end(), call),
                     subscribers_.end());
}

void Hall::ReadOn() {
  std::vector<Call*> readers;
  {
    const absl::MutexLock lock(&mutex_);
    if (waiting_.empty() || Full()) return;
    readers.swap(waiting_);
  }
  // A publisher that waits has no read under way, so it is not over.
  for (Call* publisher : readers) {
    publisher->Read();
    publisher->Release();
  }
}

int Main(int argc, char** argv) {
  std::string address = "127.0.0.1:0";
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency() / 2));
  CLI::App app("Pass frames from publisher streams to subscriber streams, and do nothing else");
  app.add_option("--listen", address, "Where to listen (a free port of the loopback)");
  app.add_option("--threads", threads, "Threads that serve (one for two cores, as estibad)")
      ->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  // What estibad sets; the defaults are slower here.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_TCP_READ_CHUNK_SIZE, 64 << 10);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 256 << 10);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int i = 0; i < threads; ++i) queues.push_back(builder.AddCompletionQueue());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "relay: cannot listen on %s\n", address.c_str());
    return 1;
  }
  Hall hall;
  for (const auto& queue : queues) {
    for (int i = 0; i < kAwaited; ++i) new Call(service, *queue, hall);
    std::thread([&queue] {
      void* tag = nullptr;
      bool ok = false;
      while (queue->Next(&tag, &ok)) Call::Complete(tag, ok);
    }).detach();
  }
  std::printf("listening on port %d\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  // It holds nothing that would have to be put away.
  std::_Exit(0);
}

}  // namespace
}  // namespace estiba::bench

int main(int argc, char** argv) {
  // As in estibad.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  estiba::KeepBuffersAtHand();
  return estiba::bench::Main(argc, argv);
}

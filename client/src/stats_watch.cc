#include "client/src/stats_watch.h"

#include <utility>

#include "client/src/admin_codec.h"
#include "client/src/status.h"

namespace estiba::internal {

StatsWatchImpl::StatsWatchImpl(std::shared_ptr<Connection> connection, grpc::ByteBuffer request,
                               std::function<void(const BrokerStats&)> callback)
    : connection_(std::move(connection)),
      request_(std::move(request)),
      callback_(std::move(callback)) {
  absl::MutexLock lock(&mutex_);
  stream_ = Stream::Open(*connection_, Lane::kCalls, "/estiba.v1.Admin/Stats", *this,
                         Stream::Unreachable::kFail);
}

StatsWatchImpl::~StatsWatchImpl() {
  RequireForeignThread(*connection_, "an estiba::StatsWatch");
  Cancel();
  absl::MutexLock lock(&mutex_);
  while (!ended_) over_.Wait(&mutex_);
}

std::shared_ptr<Stream> StatsWatchImpl::stream() {
  absl::MutexLock lock(&mutex_);
  return stream_;
}

void StatsWatchImpl::Cancel() {
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  if (const std::shared_ptr<Stream> running = stream()) running->Cancel();
}

absl::Status StatsWatchImpl::Wait(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  while (!ended_) {
    if (over_.WaitWithDeadline(&mutex_, deadline)) {
      return absl::DeadlineExceededError("the watch has not ended");
    }
  }
  return final_status_;
}

void StatsWatchImpl::OnOpen() {
  const std::shared_ptr<Stream> running = stream();
  running->Write(request_);
  running->Read();
}

void StatsWatchImpl::OnWritten() {
  // The call takes one request; the end of the requests has to be said.
  stream()->HalfClose();
}

void StatsWatchImpl::OnRead(grpc::ByteBuffer& message) {
  const std::shared_ptr<Stream> running = stream();
  v1::StatsResponse response;
  if (!Parse(message, response)) {
    running->Cancel();
    return;
  }
  callback_(FromProto(response));
  running->Read();
}

void StatsWatchImpl::OnEnd(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  stream_.reset();
  final_status_ = cancelled_ ? absl::OkStatus() : status;
  ended_ = true;
  over_.SignalAll();
}

}  // namespace estiba::internal

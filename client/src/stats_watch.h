// A running Admin.Stats stream. Owner: one StatsWatch. The callback runs on the Connection's
// threads, one call at a time; every method may be called from any thread.
#ifndef ESTIBA_CLIENT_SRC_STATS_WATCH_H_
#define ESTIBA_CLIENT_SRC_STATS_WATCH_H_

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/src/connection.h"
#include "client/src/stream.h"
#include "estiba/admin.h"

namespace estiba::internal {

class StatsWatchImpl final : private StreamListener {
 public:
  // `request`: an encoded StatsRequest.
  StatsWatchImpl(std::shared_ptr<Connection> connection, grpc::ByteBuffer request,
                 std::function<void(const BrokerStats&)> callback);
  ~StatsWatchImpl();

  void Cancel();
  absl::Status Wait(absl::Time deadline);

 private:
  void OnOpen() override;
  void OnRead(grpc::ByteBuffer& message) override;
  void OnWritten() override;
  void OnEnd(const absl::Status& status) override;

  std::shared_ptr<Stream> stream() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<Connection> connection_;
  const grpc::ByteBuffer request_;
  const std::function<void(const BrokerStats&)> callback_;

  absl::Mutex mutex_;
  absl::CondVar over_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_STATS_WATCH_H_

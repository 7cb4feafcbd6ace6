#ifndef TESTS_CLIENT_NAME_SERVER_H_
#define TESTS_CLIENT_NAME_SERVER_H_

#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace estiba::testing {

// A name server that knows one address, under any name: what a cluster's does with the name of a
// pod that is replaced. On 127.0.0.1, by UDP, with a time to live of 0. Any thread.
class NameServer {
 public:
  NameServer();
  ~NameServer();

  // An IPv4 address from now on. Empty: there is no such name.
  void Answer(const std::string& address);
  // For a gRPC target: dns://127.0.0.1:5353/broker.test:8085.
  std::string TargetOf(int port) const;

 private:
  void Serve();
  std::string ReplyTo(const std::string& query);

  int socket_ = -1;
  int port_ = 0;
  absl::Mutex mutex_;
  std::string address_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace estiba::testing

#endif  // TESTS_CLIENT_NAME_SERVER_H_

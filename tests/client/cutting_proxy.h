// A TCP proxy in front of a broker that can cut connections, so that tests can break them where a
// client does not expect it.
#ifndef TESTS_CLIENT_CUTTING_PROXY_H_
#define TESTS_CLIENT_CUTTING_PROXY_H_

#include <memory>
#include <string>

namespace estiba::testing {

// Owned by a test; runs a thread of its own until it is destroyed. Every method from any thread.
class CuttingProxy {
 public:
  // Listens on 127.0.0.1, on a port that the kernel chooses, and forwards to `target_port` there.
  explicit CuttingProxy(int target_port);
  ~CuttingProxy();

  // "127.0.0.1:PORT".
  std::string address() const;
  // Resets every connection; what was under way in either direction is lost.
  void Cut();
  // While set, new connections are closed at once.
  void Refuse(bool refuse);
  // Lets `bytes` more through from client to broker, over all connections, and then cuts them all.
  // The cut comes in the middle of whatever is there.
  void CutAfter(size_t bytes);
  // How many connections it has cut.
  int cuts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace estiba::testing

#endif  // TESTS_CLIENT_CUTTING_PROXY_H_

#include "tests/client/cutting_proxy.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace estiba::testing {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

}  // namespace

class CuttingProxy::Impl {
 public:
  explicit Impl(int target_port)
      : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        target_(asio::ip::address_v4::loopback(), static_cast<unsigned short>(target_port)),
        port_(acceptor_.local_endpoint().port()) {
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    asio::post(io_, [this] {
      CutAll();
      io_.stop();
    });
    thread_.join();
  }

  int port() const { return port_; }
  void Cut() {
    asio::post(io_, [this] { CutAll(); });
  }
  void Refuse(bool refuse) { refuse_ = refuse; }
  void CutAfter(size_t bytes) {
    asio::post(io_, [this, bytes] { allowance_ = bytes; });
  }
  int cuts() const { return cuts_; }

 private:
  struct Pair : std::enable_shared_from_this<Pair> {
    explicit Pair(asio::io_context& io) : client(io), broker(io) {}
    tcp::socket client;
    tcp::socket broker;
    std::array<char, 16384> up;
    std::array<char, 65536> down;
  };
  using PairPtr = std::shared_ptr<Pair>;

  void Accept() {
    auto pair = std::make_shared<Pair>(io_);
    acceptor_.async_accept(pair->client, [this, pair](error_code error) {
      if (!error && !refuse_) {
        pair->broker.connect(target_, error);
        if (!error) {
          pair->client.set_option(tcp::no_delay(true));
          pair->broker.set_option(tcp::no_delay(true));
          pairs_.insert(pair);
          Up(pair);
          Down(pair);
        }
      }
      Accept();
    });
  }

  void Up(PairPtr pair) {
    pair->client.async_read_some(asio::buffer(pair->up), [=, this](error_code error, size_t size) {
      if (error) return Drop(pair);
      size_t passed = size;
      bool cut = false;
      if (allowance_) {
        passed = std::min(size, *allowance_);
        *allowance_ -= passed;
        cut = *allowance_ == 0;
        if (cut) allowance_.reset();
      }
      asio::async_write(pair->broker, asio::buffer(pair->up, passed),
                        [=, this](error_code failed, size_t) {
                          if (failed) return Drop(pair);
                          if (cut) return CutAll();
                          Up(pair);
                        });
    });
  }

  void Down(PairPtr pair) {
    pair->broker.async_read_some(asio::buffer(pair->down),
                                 [=, this](error_code error, size_t size) {
                                   if (error) return Drop(pair);
                                   asio::async_write(pair->client, asio::buffer(pair->down, size),
                                                     [=, this](error_code failed, size_t) {
                                                       if (failed) return Drop(pair);
                                                       Down(pair);
                                                     });
                                 });
  }

  void Drop(const PairPtr& pair) {
    error_code ignored;
    pair->client.close(ignored);
    pair->broker.close(ignored);
    pairs_.erase(pair);
  }

  void CutAll() {
    while (!pairs_.empty()) {
      const PairPtr pair = *pairs_.begin();
      error_code ignored;
      // A reset instead of an orderly end.
      pair->client.set_option(asio::socket_base::linger(true, 0), ignored);
      pair->broker.set_option(asio::socket_base::linger(true, 0), ignored);
      Drop(pair);
      ++cuts_;
    }
  }

  asio::io_context io_;
  tcp::acceptor acceptor_;
  const tcp::endpoint target_;
  const int port_;
  std::set<PairPtr> pairs_;
  std::optional<size_t> allowance_;
  std::atomic<bool> refuse_{false};
  std::atomic<int> cuts_{0};
  std::thread thread_;
};

CuttingProxy::CuttingProxy(int target_port) : impl_(std::make_unique<Impl>(target_port)) {}
CuttingProxy::~CuttingProxy() = default;
std::string CuttingProxy::address() const { return absl::StrCat("127.0.0.1:", impl_->port()); }
void CuttingProxy::Cut() { impl_->Cut(); }
void CuttingProxy::Refuse(bool refuse) { impl_->Refuse(refuse); }
void CuttingProxy::CutAfter(size_t bytes) { impl_->CutAfter(bytes); }
int CuttingProxy::cuts() const { return impl_->cuts(); }

}  // namespace estiba::testing

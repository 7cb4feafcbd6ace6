#include "tests/client/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace estiba::testing {
namespace {

// Of a message in RFC 1035: the header, and the question that follows it.
constexpr size_t kHeader = 12;
constexpr size_t kTypeAndClass = 4;
constexpr char kTypeA = 1;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

}  // namespace

NameServer::NameServer() : socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(socket_, generic, length) != 0 || getsockname(socket_, generic, &length) != 0) {
    throw std::runtime_error("no port for a name server");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

NameServer::~NameServer() {
  // A message without a question ends it.
  const sockaddr_in address = Loopback(port_);
  sendto(socket_, "", 0, 0, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  thread_.join();
  close(socket_);
}

void NameServer::Answer(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  address_ = address;
}

std::string NameServer::TargetOf(int port) const {
  return absl::StrCat("dns://127.0.0.1:", port_, "/broker.test:", port);
}

void NameServer::Serve() {
  char query[512];
  while (true) {
    sockaddr_in from = {};
    socklen_t length = sizeof(from);
    auto* generic = reinterpret_cast<sockaddr*>(&from);
    const ssize_t size = recvfrom(socket_, query, sizeof(query), 0, generic, &length);
    if (size < static_cast<ssize_t>(kHeader)) return;
    const std::string reply = ReplyTo(std::string(query, static_cast<size_t>(size)));
    sendto(socket_, reply.data(), reply.size(), 0, generic, length);
  }
}

std::string NameServer::ReplyTo(const std::string& query) {
  const size_t name_end = query.find('\0', kHeader);
  if (name_end == std::string::npos) return query;
  const size_t question_end = name_end + 1 + kTypeAndClass;
  absl::MutexLock lock(&mutex_);
  const bool is_a = query[name_end + 2] == kTypeA;
  const bool known = !address_.empty();
  std::string reply = query.substr(0, 2);
  reply += '\x84';                 // an answer, with authority
  reply += known ? '\0' : '\x03';  // no such name
  reply.append({'\0', '\1', '\0', known && is_a ? '\1' : '\0', '\0', '\0', '\0', '\0'});
  reply += query.substr(kHeader, question_end - kHeader);
  if (known && is_a) {
    // The name of the question, type A, class IN, no time to live, four bytes.
    reply.append({'\xc0', '\x0c', '\0', '\1', '\0', '\1', '\0', '\0', '\0', '\0', '\0', '\4'});
    in_addr address = {};
    inet_pton(AF_INET, address_.c_str(), &address);
    reply.append(reinterpret_cast<const char*>(&address), sizeof(address));
  }
  return reply;
}

}  // namespace estiba::testing

#include "broker/rpc/reply_address.h"

#include <sys/random.h>

#include <cstdio>
#include <cstdlib>

namespace estiba {

ReplyAddress MakeReplyAddress() {
  ReplyAddress address;
  // Not interrupted and never short, for so few bytes (getrandom(2)).
  if (getrandom(address.words.data(), ReplyAddress::kBytes, 0) !=
      static_cast<ssize_t>(ReplyAddress::kBytes)) {
    std::perror("estibad: getrandom");
    std::abort();
  }
  return address;
}

}  // namespace estiba

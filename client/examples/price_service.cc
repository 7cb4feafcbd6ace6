// A service and its client in one program: prices are asked for over a topic, and the replies come
// straight back. The target is the first argument, if there is one.
#include <future>
#include <iostream>
#include <map>
#include <string>
#include <utility>

#include "estiba/requester.h"
#include "estiba/responder.h"

int main(int argc, char** argv) {
  const std::string target = argc > 1 ? argv[1] : "localhost:8085";
  const std::map<std::string, std::string, std::less<>> prices = {{"tea", "3"}, {"coffee", "4"}};

  estiba::Client service({.target = target, .client_name = "price-service"});
  std::promise<void> ready;
  estiba::Responder responder(service, "prices",
                              {.on_started = [&, once = false](const estiba::Started&) mutable {
                                if (!std::exchange(once, true)) ready.set_value();
                              }});
  const absl::Status started =
      responder.Start([&](const estiba::MessageView& request) -> absl::StatusOr<estiba::Message> {
        const auto found = prices.find(request.data());
        if (found == prices.end()) return absl::NotFoundError("we do not sell that");
        return estiba::Message{.data = found->second};
      });
  if (!started.ok()) return std::cerr << started << "\n", 1;
  if (ready.get_future().wait_for(std::chrono::seconds(5)) != std::future_status::ready) {
    return std::cerr << "no broker at " << target << "\n", 1;
  }

  estiba::Client client({.target = target});
  estiba::Requester requester(client, "prices", {.timeout = absl::Seconds(5)});
  for (const char* what : {"tea", "coffee", "gold"}) {
    const absl::StatusOr<estiba::Message> price = requester.Request({.data = what});
    if (price.ok()) {
      std::cout << what << ": " << price->data << "\n";
    } else if (estiba::IsResponderError(price.status())) {
      std::cout << what << ": " << price.status().message() << "\n";
    } else {
      return std::cerr << price.status() << "\n", 1;
    }
  }
}

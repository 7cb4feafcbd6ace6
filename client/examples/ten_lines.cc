// Publishes three messages and reads them back. The target is the first argument, if there is one.
#include <iostream>

#include "estiba/publisher.h"
#include "estiba/subscriber.h"

int main(int argc, char** argv) {
  estiba::Client client({.target = argc > 1 ? argv[1] : "localhost:8085"});
  estiba::Publisher publisher(client, "greetings");
  estiba::Subscriber subscriber(client, {.topic = "greetings"});
  for (const char* word : {"hello", "from", "memory"}) publisher.Post(word).IgnoreError();
  if (absl::Status status = publisher.Flush(); !status.ok()) return std::cerr << status << "\n", 1;
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<estiba::ReceivedMessage> message =
        subscriber.Next(absl::Now() + absl::Seconds(5));
    if (!message.ok()) return std::cerr << message.status() << "\n", 1;
    std::cout << message->sequence() << " " << message->data() << "\n";
  }
}

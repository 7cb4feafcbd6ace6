// Finds out whether one publisher's messages all came, once each, and in order.
#ifndef CLIENT_CLI_DELIVERY_TRACKER_H_
#define CLIENT_CLI_DELIVERY_TRACKER_H_

#include <boost/icl/interval_set.hpp>
#include <cstdint>

namespace estiba::cli {

// The numbers 0, 1, 2, ... are expected, in this order; as long as they come like that, each costs
// one comparison and nothing is stored. One thread at a time.
class DeliveryTracker {
 public:
  void Receive(uint64_t number) {
    if (number == next_) {
      ++next_;
    } else {
      ReceiveOdd(number);
    }
  }

  // Came although it had come before.
  uint64_t duplicates() const { return duplicates_; }
  // Came after a later one.
  uint64_t late() const { return late_; }
  // Not come (yet), of the first `published`.
  uint64_t Missing(uint64_t published) const;

 private:
  void ReceiveOdd(uint64_t number);

  uint64_t next_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t late_ = 0;
  // Passed over, below next_.
  boost::icl::interval_set<uint64_t> missing_;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_DELIVERY_TRACKER_H_

#include "client/cli/delivery_tracker.h"

#include <boost/icl/interval_base_set.hpp>

namespace estiba::cli {

using Interval = boost::icl::interval<uint64_t>;

void DeliveryTracker::ReceiveOdd(uint64_t number) {
  if (number > next_) {
    missing_.add(Interval::right_open(next_, number));
    next_ = number + 1;
  } else if (boost::icl::contains(missing_, number)) {
    missing_.subtract(Interval::right_open(number, number + 1));
    ++late_;
  } else {
    ++duplicates_;
  }
}

uint64_t DeliveryTracker::Missing(uint64_t published) const {
  const uint64_t tail = published > next_ ? published - next_ : 0;
  return boost::icl::cardinality(missing_) + tail;
}

}  // namespace estiba::cli

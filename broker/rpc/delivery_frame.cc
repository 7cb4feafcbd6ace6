#include "broker/rpc/delivery_frame.h"

#include <grpc/slice.h>
#include <grpcpp/support/slice.h>

#include <cstring>
#include <string>

#include "broker/base/wire_writer.h"
#include "broker/rpc/bytes.h"

namespace estiba {
namespace {

// Field numbers of estiba.v1.
enum ResponseField : uint32_t {
  kFirstSequence = 1,
  kCount = 3,
  kDeliveryAttempt = 4,
  kPublishTimeMs = 5,
  kTimeMarks = 6,
  kGap = 7,
  kStarted = 8
};

// Up to this many bytes a copy is cheaper than a reference.
constexpr uint32_t kCopyBytes = 1024;

void UnrefSegment(void* segment) { intrusive_ptr_release(static_cast<Segment*>(segment)); }

void AppendHeader(const Delivery& delivery, std::string* header) {
  const Run& run = delivery.run;
  const Segment& segment = *run.segment;
  WireWriter writer(*header);
  writer.Varint(kFirstSequence, run.first);
  writer.Varint(kCount, run.count);
  writer.Varint(kDeliveryAttempt, delivery.attempt);
  const uint32_t begin = static_cast<uint32_t>(run.first - segment.base_sequence());
  const int64_t time_ms = segment.TimeOf(begin);
  writer.Varint(kPublishTimeMs, static_cast<uint64_t>(time_ms));
  for (uint32_t i = segment.NextTimeChange(begin); i < begin + run.count;
       i = segment.NextTimeChange(i)) {
    std::string mark;
    WireWriter mark_writer(mark);
    mark_writer.Varint(1, i - begin);
    mark_writer.Varint(2, static_cast<uint64_t>(segment.TimeOf(i) - time_ms));
    writer.Bytes(kTimeMarks, mark);
  }
}

}  // namespace

grpc::ByteBuffer EncodeDelivery(const Delivery& delivery) {
  const Run& run = delivery.run;
  std::string header;
  header.reserve(64);
  AppendHeader(delivery, &header);
  if (run.bytes <= kCopyBytes) {
    grpc_slice slice = grpc_slice_malloc(header.size() + run.bytes);
    uint8_t* p = GRPC_SLICE_START_PTR(slice);
    std::memcpy(p, header.data(), header.size());
    std::memcpy(p + header.size(), run.data(), run.bytes);
    const grpc::Slice whole(slice, grpc::Slice::STEAL_REF);
    return grpc::ByteBuffer(&whole, 1);
  }
  intrusive_ptr_add_ref(run.segment.get());
  const grpc::Slice slices[2] = {
      grpc::Slice(header.data(), header.size()),
      grpc::Slice(const_cast<char*>(run.data()), run.bytes, &UnrefSegment, run.segment.get())};
  return grpc::ByteBuffer(slices, 2);
}

grpc::ByteBuffer EncodeGap(const Gap& gap) {
  std::string range;
  WireWriter range_writer(range);
  range_writer.Varint(1, gap.first);
  range_writer.Varint(2, gap.last);
  std::string body;
  WireWriter body_writer(body);
  body_writer.Bytes(1, range);
  body_writer.Varint(2, static_cast<uint64_t>(gap.reason) + 1);  // in the order of Gap.Reason
  std::string response;
  WireWriter(response).Bytes(kGap, body);
  return ToBuffer(response);
}

grpc::ByteBuffer EncodeStarted(const Started& started) {
  std::string body;
  WireWriter body_writer(body);
  body_writer.Bytes(1, started.topic);
  body_writer.Bytes(2, started.subscription);
  body_writer.Varint(3, started.next_sequence);
  if (started.ack_deadline_ms > 0) {
    std::string duration;
    WireWriter duration_writer(duration);
    duration_writer.Varint(1, static_cast<uint64_t>(started.ack_deadline_ms / 1000));
    duration_writer.Varint(2, static_cast<uint64_t>(started.ack_deadline_ms % 1000 * 1'000'000));
    body_writer.Bytes(4, duration);
  }
  std::string response;
  WireWriter(response).Bytes(kStarted, body);
  return ToBuffer(response);
}

}  // namespace estiba

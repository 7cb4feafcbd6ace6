#include "broker/rpc/delivery_frame.h"

#include <grpc/slice.h>
#include <grpcpp/support/slice.h>

#include <cstring>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
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
  kStarted = 8,
  kSequenceMarks = 9
};

// Up to this many bytes in a run a copy is cheaper than a reference. Neighbours that are copied
// share a slice.
constexpr uint32_t kCopyBytes = 1024;

void UnrefSegment(void* segment) { intrusive_ptr_release(static_cast<Segment*>(segment)); }

// A mark that holds from messages[index] on.
void AppendMark(WireWriter& writer, uint32_t field, uint32_t index, uint64_t value) {
  std::string mark;
  WireWriter mark_writer(mark);
  mark_writer.Varint(1, index);
  mark_writer.Varint(2, value);
  writer.Bytes(field, mark);
}

void AppendHeader(const Delivery& delivery, std::string* header) {
  WireWriter writer(*header);
  writer.Varint(kFirstSequence, delivery.first());
  writer.Varint(kCount, delivery.messages());
  writer.Varint(kDeliveryAttempt, delivery.attempt);
  int64_t first_time_ms = 0;
  int64_t time_ms = 0;
  uint64_t skipped = 0;
  uint32_t index = 0;  // in the frame
  for (const Run& run : delivery.runs()) {
    const Segment& segment = *run.segment;
    const uint32_t begin = static_cast<uint32_t>(run.first - segment.base_sequence());
    const int64_t run_time_ms = segment.TimeOf(begin);
    if (index == 0) {
      first_time_ms = time_ms = run_time_ms;
      writer.Varint(kPublishTimeMs, static_cast<uint64_t>(first_time_ms));
    }
    if (const uint64_t holes = run.first - delivery.first() - index; holes != skipped) {
      skipped = holes;
      AppendMark(writer, kSequenceMarks, index, skipped);
    }
    if (run_time_ms != time_ms) {
      time_ms = run_time_ms;
      AppendMark(writer, kTimeMarks, index, static_cast<uint64_t>(time_ms - first_time_ms));
    }
    for (uint32_t i = segment.NextTimeChange(begin); i < begin + run.count;
         i = segment.NextTimeChange(i)) {
      time_ms = segment.TimeOf(i);
      AppendMark(writer, kTimeMarks, index + i - begin,
                 static_cast<uint64_t>(time_ms - first_time_ms));
    }
    index += run.count;
  }
}

// The header, if it is still to be written, and small runs, in one piece of memory.
grpc::Slice Copy(std::string_view header, absl::Span<const Run> runs) {
  size_t bytes = header.size();
  for (const Run& run : runs) bytes += run.bytes;
  grpc_slice slice = grpc_slice_malloc(bytes);
  uint8_t* p = GRPC_SLICE_START_PTR(slice);
  if (!header.empty()) std::memcpy(p, header.data(), header.size());
  p += header.size();
  for (const Run& run : runs) {
    std::memcpy(p, run.data(), run.bytes);
    p += run.bytes;
  }
  return grpc::Slice(slice, grpc::Slice::STEAL_REF);
}

grpc::Slice Refer(const Run& run) {
  intrusive_ptr_add_ref(run.segment.get());
  return grpc::Slice(const_cast<char*>(run.data()), run.bytes, &UnrefSegment, run.segment.get());
}

}  // namespace

grpc::ByteBuffer EncodeDelivery(const Delivery& delivery) {
  std::string header;
  header.reserve(64);
  AppendHeader(delivery, &header);
  const absl::Span<const Run> runs(delivery.runs());
  absl::InlinedVector<grpc::Slice, 2> slices;
  std::string_view unwritten = header;
  for (size_t begin = 0; begin < runs.size() || !unwritten.empty();) {
    size_t end = begin;
    while (end < runs.size() && runs[end].bytes <= kCopyBytes) ++end;
    if (end > begin || !unwritten.empty()) {
      slices.push_back(Copy(unwritten, runs.subspan(begin, end - begin)));
      unwritten = {};
    }
    if (end < runs.size()) slices.push_back(Refer(runs[end++]));
    begin = end;
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
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
  if (started.exactly_once) body_writer.Varint(5, 1);
  body_writer.Varint(6, started.incarnation);
  std::string response;
  WireWriter(response).Bytes(kStarted, body);
  return ToBuffer(response);
}

}  // namespace estiba

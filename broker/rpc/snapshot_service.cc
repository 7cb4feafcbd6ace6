#include "broker/rpc/snapshot_service.h"

#include <google/protobuf/empty.pb.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/engine/limits.h"
#include "broker/rpc/convert.h"
#include "broker/rpc/page.h"
#include "broker/rpc/status.h"
#include "estiba/v1/admin.pb.h"

namespace estiba {
namespace {

constexpr int64_t kDefaultLifeMs = int64_t{7} * 24 * 3600 * 1000;

absl::Status CheckOpen(const RpcContext& context) {
  return context.draining.load(std::memory_order_relaxed) ? ShuttingDown() : absl::OkStatus();
}

absl::Status ReadLabels(const v1::CreateSnapshotRequest& in, Snapshot::Labels* labels) {
  if (static_cast<uint32_t>(in.labels_size()) > kMaxLabels) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels: ", in.labels_size(), " entries: at most ", kMaxLabels));
  }
  for (const auto& [key, value] : in.labels()) {
    if (key.empty() || key.size() > kMaxLabelBytes || value.size() > kMaxLabelBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("labels: a key of ", key.size(), " and a value of ", value.size(),
                       " bytes: keys have 1-", kMaxLabelBytes, " bytes, values at most that"));
    }
    labels->emplace(key, value);
  }
  return absl::OkStatus();
}

void WriteSnapshot(const Snapshot& snapshot, v1::Snapshot* out) {
  out->set_name(snapshot.name());
  out->set_topic(snapshot.topic()->name());
  for (const auto& [key, value] : snapshot.labels()) (*out->mutable_labels())[key] = value;
  WriteTime(snapshot.create_time_ms(), out->mutable_create_time());
  WriteTime(snapshot.expire_time_ms(), out->mutable_expire_time());
  out->set_next_sequence(snapshot.next_sequence());
  out->set_unacked_messages(snapshot.unacked_messages());
  out->set_lost_messages(snapshot.lost_messages());
}

}  // namespace

void CreateSnapshot(RpcContext& context, const v1::CreateSnapshotRequest& in,
                    const std::function<void(const absl::StatusOr<v1::Snapshot>&)>& answer) {
  if (absl::Status s = CheckOpen(context); !s.ok()) return answer(s);
  Snapshot::Labels labels;
  if (absl::Status s = ReadLabels(in, &labels); !s.ok()) return answer(s);
  int64_t life_ms = kDefaultLifeMs;
  if (in.has_expire_after()) {
    if (absl::Status s = ReadMillis("expire_after", in.expire_after(), kMinRetentionMs,
                                    kMaxRetentionMs, &life_ms);
        !s.ok()) {
      return answer(s);
    }
  }
  const absl::StatusOr<SubscriptionPtr> found = context.broker.GetSubscription(in.subscription());
  if (!found.ok()) return answer(found.status());
  context.broker.snapshots().Create(in.name(), *found, std::move(labels), life_ms,
                                    [answer](const absl::StatusOr<SnapshotPtr>& made) {
                                      if (!made.ok()) return answer(made.status());
                                      v1::Snapshot response;
                                      WriteSnapshot(**made, &response);
                                      answer(response);
                                    });
}

absl::Status GetSnapshot(RpcContext& context, const v1::GetSnapshotRequest& in, v1::Snapshot* out) {
  const absl::StatusOr<SnapshotPtr> found = context.broker.snapshots().Find(in.name());
  if (!found.ok()) return found.status();
  WriteSnapshot(**found, out);
  return absl::OkStatus();
}

absl::Status ListSnapshots(RpcContext& context, const v1::ListSnapshotsRequest& in,
                           v1::ListSnapshotsResponse* out) {
  size_t size = 0;
  if (absl::Status s = ReadPageSize(in.page_size(), &size); !s.ok()) return s;
  if (!in.topic().empty()) {
    if (absl::Status s = context.broker.GetTopic(in.topic()).status(); !s.ok()) return s;
  }
  const std::vector<SnapshotPtr> list =
      context.broker.snapshots().List(in.topic(), in.page_token(), size);
  for (const SnapshotPtr& s : list) WriteSnapshot(*s, out->add_snapshots());
  if (list.size() == size) out->set_next_page_token(list.back()->name());
  return absl::OkStatus();
}

absl::Status DeleteSnapshot(RpcContext& context, const v1::DeleteSnapshotRequest& in,
                            google::protobuf::Empty*) {
  if (absl::Status s = CheckOpen(context); !s.ok()) return s;
  return context.broker.snapshots().Delete(in.name());
}

}  // namespace estiba

#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/rpc/context.h"

namespace google::protobuf {
class Empty;
}  // namespace google::protobuf

namespace estiba {

namespace v1 {
class CreateSnapshotRequest;
class DeleteSnapshotRequest;
class GetSnapshotRequest;
class ListSnapshotsRequest;
class ListSnapshotsResponse;
class Snapshot;
}  // namespace v1

// The Admin service's methods about snapshots.
void CreateSnapshot(RpcContext& context, const v1::CreateSnapshotRequest& in,
                    const std::function<void(const absl::StatusOr<v1::Snapshot>&)>& answer);
absl::Status GetSnapshot(RpcContext& context, const v1::GetSnapshotRequest& in, v1::Snapshot* out);
absl::Status ListSnapshots(RpcContext& context, const v1::ListSnapshotsRequest& in,
                           v1::ListSnapshotsResponse* out);
absl::Status DeleteSnapshot(RpcContext& context, const v1::DeleteSnapshotRequest& in,
                            google::protobuf::Empty* out);

}  // namespace estiba

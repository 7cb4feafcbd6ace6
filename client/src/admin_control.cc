// Admin: purge, pause, resume, seek, detach; snapshots.
#include <google/protobuf/empty.pb.h>

#include "client/src/admin_call.h"
#include "client/src/admin_codec.h"
#include "client/src/admin_paging.h"
#include "client/src/duration_codec.h"
#include "estiba/admin.h"
#include "estiba/v1/admin.pb.h"

namespace estiba {

using google::protobuf::Empty;
using internal::AllPages;
using internal::Call;
using internal::FromProto;
using internal::MakePage;
using internal::SetPage;
using internal::ToProto;

absl::StatusOr<uint64_t> Admin::PurgeSubscription(const std::string& name) {
  v1::PurgeSubscriptionRequest request;
  request.set_name(name);
  const auto response =
      Call<v1::PurgeSubscriptionResponse>(*connection_, "PurgeSubscription", request, timeout_);
  if (!response.ok()) return response.status();
  return response->purged_messages();
}

absl::StatusOr<SubscriptionInfo> Admin::PauseSubscription(const std::string& name) {
  v1::PauseSubscriptionRequest request;
  request.set_name(name);
  const auto response =
      Call<v1::Subscription>(*connection_, "PauseSubscription", request, timeout_);
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

absl::StatusOr<SubscriptionInfo> Admin::ResumeSubscription(const std::string& name) {
  v1::ResumeSubscriptionRequest request;
  request.set_name(name);
  const auto response =
      Call<v1::Subscription>(*connection_, "ResumeSubscription", request, timeout_);
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

namespace {

absl::StatusOr<SeekOutcome> Seek(internal::Connection& connection,
                                 const v1::SeekSubscriptionRequest& request,
                                 absl::Duration timeout) {
  const auto response =
      Call<v1::SeekSubscriptionResponse>(connection, "SeekSubscription", request, timeout);
  if (!response.ok()) return response.status();
  return SeekOutcome{response->next_sequence(), response->skipped_messages()};
}

}  // namespace

absl::StatusOr<SeekOutcome> Admin::SeekSubscription(const std::string& name, StartFrom to) {
  v1::SeekSubscriptionRequest request;
  request.set_name(name);
  ToProto(to, *request.mutable_to());
  return Seek(*connection_, request, timeout_);
}

absl::StatusOr<SeekOutcome> Admin::SeekSubscriptionToSnapshot(const std::string& name,
                                                              const std::string& snapshot) {
  v1::SeekSubscriptionRequest request;
  request.set_name(name);
  request.set_snapshot(snapshot);
  return Seek(*connection_, request, timeout_);
}

absl::Status Admin::DetachSubscription(const std::string& name) {
  v1::DetachSubscriptionRequest request;
  request.set_name(name);
  return Call<Empty>(*connection_, "DetachSubscription", request, timeout_).status();
}

absl::StatusOr<SnapshotInfo> Admin::CreateSnapshot(const std::string& name,
                                                   const std::string& subscription,
                                                   const SnapshotOptions& options) {
  v1::CreateSnapshotRequest request;
  request.set_name(name);
  request.set_subscription(subscription);
  for (const auto& [key, value] : options.labels) (*request.mutable_labels())[key] = value;
  if (options.expire_after != absl::ZeroDuration()) {
    ToProto(options.expire_after, *request.mutable_expire_after());
  }
  const auto snapshot = Call<v1::Snapshot>(*connection_, "CreateSnapshot", request, timeout_);
  if (!snapshot.ok()) return snapshot.status();
  return FromProto(*snapshot);
}

absl::StatusOr<SnapshotInfo> Admin::GetSnapshot(const std::string& name) {
  v1::GetSnapshotRequest request;
  request.set_name(name);
  const auto snapshot = Call<v1::Snapshot>(*connection_, "GetSnapshot", request, timeout_);
  if (!snapshot.ok()) return snapshot.status();
  return FromProto(*snapshot);
}

absl::StatusOr<Page<SnapshotInfo>> Admin::ListSnapshots(const std::string& topic,
                                                        const PageRequest& page) {
  v1::ListSnapshotsRequest request;
  request.set_topic(topic);
  SetPage(page, request);
  const auto list =
      Call<v1::ListSnapshotsResponse>(*connection_, "ListSnapshots", request, timeout_);
  if (!list.ok()) return list.status();
  return MakePage<SnapshotInfo>(list->snapshots(), list->next_page_token());
}

absl::StatusOr<std::vector<SnapshotInfo>> Admin::ListAllSnapshots(const std::string& topic) {
  return AllPages<SnapshotInfo>(
      [&](const PageRequest& page) { return ListSnapshots(topic, page); });
}

absl::Status Admin::DeleteSnapshot(const std::string& name) {
  v1::DeleteSnapshotRequest request;
  request.set_name(name);
  return Call<Empty>(*connection_, "DeleteSnapshot", request, timeout_).status();
}

}  // namespace estiba

#include "broker/rpc/control_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/rpc/convert.h"
#include "broker/rpc/snapshot_service.h"
#include "broker/rpc/status.h"
#include "estiba/v1/admin.pb.h"

namespace estiba {
namespace {

template <typename Response>
using Answer = AsyncUnaryHandler::Answer<Response>;

absl::StatusOr<SubscriptionPtr> Find(RpcContext& context, const std::string& name) {
  if (context.draining.load(std::memory_order_relaxed)) return ShuttingDown();
  return context.broker.GetSubscription(name);
}

void Purge(RpcContext& context, const v1::PurgeSubscriptionRequest& in,
           const Answer<v1::PurgeSubscriptionResponse>& answer) {
  const absl::StatusOr<SubscriptionPtr> found = Find(context, in.name());
  if (!found.ok()) return answer(found.status());
  StartPosition latest;
  latest.kind = StartPosition::Kind::kLatest;
  (*found)->Seek(latest, [answer](const absl::StatusOr<SeekResult>& result) {
    if (!result.ok()) return answer(result.status());
    v1::PurgeSubscriptionResponse response;
    response.set_purged_messages(result->skipped_messages);
    answer(response);
  });
}

void SetPaused(RpcContext& context, const std::string& name, bool paused,
               const Answer<v1::Subscription>& answer) {
  const absl::StatusOr<SubscriptionPtr> found = Find(context, name);
  if (!found.ok()) return answer(found.status());
  (*found)->SetPaused(paused, [answer, subscription = *found](const absl::Status& status) {
    if (!status.ok()) return answer(status);
    v1::Subscription response;
    WriteSubscription(*subscription, &response);
    answer(response);
  });
}

void Pause(RpcContext& context, const v1::PauseSubscriptionRequest& in,
           const Answer<v1::Subscription>& answer) {
  SetPaused(context, in.name(), true, answer);
}

void Resume(RpcContext& context, const v1::ResumeSubscriptionRequest& in,
            const Answer<v1::Subscription>& answer) {
  SetPaused(context, in.name(), false, answer);
}

void Seek(RpcContext& context, const v1::SeekSubscriptionRequest& in,
          const Answer<v1::SeekSubscriptionResponse>& answer) {
  const absl::StatusOr<SubscriptionPtr> found = Find(context, in.name());
  if (!found.ok()) return answer(found.status());
  const auto done = [answer](const absl::StatusOr<SeekResult>& result) {
    if (!result.ok()) return answer(result.status());
    v1::SeekSubscriptionResponse response;
    response.set_next_sequence(result->next_sequence);
    response.set_skipped_messages(result->skipped_messages);
    answer(response);
  };
  const bool placed = in.to().from_case() != v1::StartFrom::FROM_NOT_SET;
  if (placed != in.snapshot().empty()) {
    return answer(absl::InvalidArgumentError("to, snapshot: exactly one of the two is required"));
  }
  if (placed) {
    StartPosition to;
    if (absl::Status s = ReadStartFrom("to", in.to(), &to); !s.ok()) return answer(s);
    if (to.kind == StartPosition::Kind::kLast || to.kind == StartPosition::Kind::kLastOfEachKey) {
      return answer(absl::InvalidArgumentError(
          absl::StrCat("to.position: ", v1::StartFrom::Position_Name(in.to().position()),
                       ": only for where a subscription begins")));
    }
    return (*found)->Seek(to, done);
  }
  const absl::StatusOr<SnapshotPtr> snapshot = context.broker.snapshots().Find(in.snapshot());
  if (!snapshot.ok()) return answer(snapshot.status());
  if ((*snapshot)->topic() != (*found)->topic()) {
    return answer(absl::InvalidArgumentError(absl::StrCat(
        "snapshot: \"", in.snapshot(), "\": is of topic \"", (*snapshot)->topic()->name(),
        "\", the subscription of \"", (*found)->topic()->name(), "\"")));
  }
  (*found)->SeekTo(*snapshot, done);
}

template <typename Request, typename Response>
AsyncUnaryHandler::Function Bind(RpcContext& context, void (*function)(RpcContext&, const Request&,
                                                                       const Answer<Response>&)) {
  return AsyncOnMessages<Request, Response>(
      [&context, function](const Request& in, const Answer<Response>& answer) {
        function(context, in, answer);
      });
}

}  // namespace

AsyncUnaryHandler::Function ControlMethod(RpcContext& context, std::string_view method) {
  if (method == "PurgeSubscription") return Bind(context, &Purge);
  if (method == "PauseSubscription") return Bind(context, &Pause);
  if (method == "ResumeSubscription") return Bind(context, &Resume);
  if (method == "SeekSubscription") return Bind(context, &Seek);
  if (method == "CreateSnapshot") return Bind(context, &CreateSnapshot);
  return nullptr;
}

}  // namespace estiba

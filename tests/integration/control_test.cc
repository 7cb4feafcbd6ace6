// Purge, pause, resume and seek over the wire, promise by promise of proto/estiba/v1/admin.proto.
#include <string>

#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

struct ControlFixture : BrokerUnderTest {
  using BrokerUnderTest::BrokerUnderTest;

  template <typename Request, typename Response>
  grpc::Status Ask(const std::string& method, const std::string& name, Response* response) {
    Request request;
    request.set_name(name);
    return client.Call(("/estiba.v1.Admin/" + method).c_str(), request, response);
  }
  grpc::Status Seek(const v1::SeekSubscriptionRequest& request,
                    v1::SeekSubscriptionResponse* response) {
    return client.Call("/estiba.v1.Admin/SeekSubscription", request, response);
  }
  grpc::Status SeekTo(const std::string& name, uint64_t sequence) {
    v1::SeekSubscriptionRequest request;
    request.set_name(name);
    request.mutable_to()->set_sequence(sequence);
    v1::SeekSubscriptionResponse response;
    return Seek(request, &response);
  }
  grpc::Status Purge(const std::string& name, v1::PurgeSubscriptionResponse* response) {
    return Ask<v1::PurgeSubscriptionRequest>("PurgeSubscription", name, response);
  }
  grpc::Status Pause(const std::string& name, v1::Subscription* response) {
    return Ask<v1::PauseSubscriptionRequest>("PauseSubscription", name, response);
  }
  grpc::Status Resume(const std::string& name, v1::Subscription* response) {
    return Ask<v1::ResumeSubscriptionRequest>("ResumeSubscription", name, response);
  }
};

TEST_CASE("A purge drops backlog and leases, and says how much") {
  ControlFixture broker;
  REQUIRE(broker.CreateTopic("t").ok());
  v1::Start start = StartOf("t", "s");
  start.mutable_credit()->set_max_messages(4);
  SubscribeStream consumer(broker.client, start);
  consumer.started();
  REQUIRE(broker.PublishNumbers("t", 10));
  REQUIRE(consumer.Take(4).size() == 4);
  v1::PurgeSubscriptionResponse purged;
  REQUIRE(broker.Purge("s", &purged).ok());
  CHECK(purged.purged_messages() == 10);
  const v1::SubscriptionStats stats = broker.GetSubscription("s").stats();
  CHECK(stats.backlog_messages() == 0);
  CHECK(stats.outstanding_messages() == 0);
  CHECK(stats.skipped_messages() == 10);
  CHECK(stats.seeks() == 1);
  REQUIRE(broker.Publish("t", {"new"}) == 11);
  CHECK(DataOf(consumer.Take(1)) == std::vector<std::string>{"new"});
}

TEST_CASE("A paused subscription delivers nothing until it is resumed, whoever comes") {
  ControlFixture broker;
  REQUIRE(broker.CreateTopic("t").ok());
  {
    SubscribeStream first(broker.client, StartOf("t", "s"));
    first.started();
  }
  v1::Subscription shown;
  REQUIRE(broker.Pause("s", &shown).ok());
  CHECK(shown.stats().paused());
  REQUIRE(broker.Pause("s", &shown).ok());
  REQUIRE(broker.PublishNumbers("t", 3));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  CHECK(consumer.started().next_sequence() == 1);
  CHECK(broker.GetSubscription("s").stats().paused());
  CHECK(broker.GetSubscription("s").stats().delivered_messages() == 0);
  REQUIRE(broker.Resume("s", &shown).ok());
  CHECK_FALSE(shown.stats().paused());
  CHECK(DataOf(consumer.Take(3)) == Numbers(3));
}

TEST_CASE("A seek back delivers again to the consumer that is there, and forward skips") {
  ControlFixture broker;
  REQUIRE(broker.CreateTopic("t").ok());
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  consumer.started();
  REQUIRE(broker.PublishNumbers("t", 5));
  REQUIRE(consumer.Take(5).size() == 5);
  REQUIRE(consumer.Ack(1, 5));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 5; }));
  REQUIRE(broker.SeekTo("s", 3).ok());
  const std::vector<Received> again = consumer.Take(3);
  REQUIRE(again.size() == 3);
  CHECK(again[0].sequence == 3);
  CHECK(again[0].attempt == 1);
  REQUIRE(broker.SeekTo("s", 8).ok());
  REQUIRE(broker.PublishNumbers("t", 4));
  CHECK(consumer.Take(1).at(0).sequence == 8);
}

TEST_CASE("What cannot be controlled has its status, and a place is required") {
  ControlFixture broker;
  v1::PurgeSubscriptionResponse purged;
  v1::Subscription shown;
  CHECK(broker.Purge("nope", &purged).error_code() == grpc::NOT_FOUND);
  CHECK(broker.Pause("nope", &shown).error_code() == grpc::NOT_FOUND);
  CHECK(broker.Resume("nope", &shown).error_code() == grpc::NOT_FOUND);
  CHECK(broker.SeekTo("nope", 1).error_code() == grpc::NOT_FOUND);
  REQUIRE(broker.CreateTopic("t").ok());
  {
    SubscribeStream first(broker.client, StartOf("t", "s"));
    first.started();
  }
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  v1::SeekSubscriptionResponse response;
  const grpc::Status status = broker.Seek(request, &response);
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText("to, snapshot: exactly one of the two"));
  request.mutable_to()->set_sequence(1);
  request.set_snapshot("snap");
  CHECK(broker.Seek(request, &response).error_code() == grpc::INVALID_ARGUMENT);
  const grpc::Status zero = broker.SeekTo("s", 0);
  CHECK(zero.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(zero.error_message(), HasText("to.sequence: 0"));
}

TEST_CASE("A detached subscription refuses its consumers, and keeps its name until it is deleted") {
  ControlFixture broker;
  REQUIRE(broker.PublishNumbers("t", 3));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  REQUIRE(consumer.Take(3).size() == 3);
  google::protobuf::Empty empty;
  REQUIRE(broker.Ask<v1::DetachSubscriptionRequest>("DetachSubscription", "s", &empty).ok());
  CHECK(consumer.Finish().error_code() == grpc::FAILED_PRECONDITION);
  SubscribeStream late(broker.client, StartOf("t", "s"));
  CHECK(late.Finish().error_code() == grpc::FAILED_PRECONDITION);
  CHECK(broker.SeekTo("s", 1).error_code() == grpc::FAILED_PRECONDITION);
  CHECK(broker.GetSubscription("s").stats().detached());
  REQUIRE(broker.Ask<v1::DeleteSubscriptionRequest>("DeleteSubscription", "s", &empty).ok());
  SubscribeStream again(broker.client, StartOf("t", "s"));
  CHECK(again.started().subscription() == "s");
}

struct SnapshotFixture : ControlFixture {
  using ControlFixture::ControlFixture;

  grpc::Status Create(const v1::CreateSnapshotRequest& request, v1::Snapshot* response) {
    return client.Call("/estiba.v1.Admin/CreateSnapshot", request, response);
  }
  grpc::Status SeekToSnapshot(const std::string& name, const std::string& snapshot) {
    v1::SeekSubscriptionRequest request;
    request.set_name(name);
    request.set_snapshot(snapshot);
    v1::SeekSubscriptionResponse response;
    return Seek(request, &response);
  }
};

TEST_CASE("A snapshot is taken, shown, listed, sought to and deleted") {
  SnapshotFixture broker;
  REQUIRE(broker.CreateTopic("t").ok());
  REQUIRE(broker.CreateTopic("u").ok());
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  SubscribeStream other(broker.client, StartOf("u", "o"));
  consumer.started();
  other.started();
  REQUIRE(broker.PublishNumbers("t", 5));
  REQUIRE(consumer.Take(5).size() == 5);
  REQUIRE(consumer.Ack(1, 2));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 2; }));
  v1::CreateSnapshotRequest request;
  request.set_name("snap");
  request.set_subscription("s");
  (*request.mutable_labels())["by"] = "me";
  request.mutable_expire_after()->set_seconds(3600);
  v1::Snapshot made;
  REQUIRE(broker.Create(request, &made).ok());
  CHECK(made.unacked_messages() == 3);
  CHECK(made.next_sequence() == 6);
  CHECK(made.topic() == "t");
  CHECK(broker.Create(request, &made).error_code() == grpc::ALREADY_EXISTS);
  REQUIRE(consumer.Ack(3, 5));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 5; }));
  REQUIRE(broker.SeekToSnapshot("s", "snap").ok());
  CHECK(DataOf(consumer.Take(3)) == Numbers(3, 2));
  CHECK(broker.SeekToSnapshot("o", "snap").error_code() == grpc::INVALID_ARGUMENT);
  CHECK(broker.SeekToSnapshot("s", "nope").error_code() == grpc::NOT_FOUND);

  v1::Snapshot shown;
  REQUIRE(broker.Ask<v1::GetSnapshotRequest>("GetSnapshot", "snap", &shown).ok());
  CHECK(shown.labels().at("by") == "me");
  CHECK(shown.expire_time().seconds() - shown.create_time().seconds() == 3600);
  v1::ListSnapshotsRequest list;
  list.set_topic("t");
  v1::ListSnapshotsResponse listed;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/ListSnapshots", list, &listed).ok());
  CHECK(listed.snapshots_size() == 1);
  google::protobuf::Empty empty;
  REQUIRE(broker.Ask<v1::DeleteSnapshotRequest>("DeleteSnapshot", "snap", &empty).ok());
  CHECK(broker.Ask<v1::DeleteSnapshotRequest>("DeleteSnapshot", "snap", &empty).error_code() ==
        grpc::NOT_FOUND);
}

TEST_CASE("A snapshot outside its limits is INVALID_ARGUMENT, and one too many refused") {
  SnapshotFixture broker({"--max-snapshots=1"});
  REQUIRE(broker.CreateTopic("t").ok());
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  consumer.started();
  v1::CreateSnapshotRequest request;
  request.set_name("snap");
  request.set_subscription("s");
  v1::Snapshot made;
  SECTION("life") { request.mutable_expire_after()->set_nanos(1'000'000); }
  SECTION("label without a key") { (*request.mutable_labels())[""] = "x"; }
  SECTION("long label") { (*request.mutable_labels())["k"] = std::string(64, 'x'); }
  SECTION("name") { request.set_name("a b"); }
  CHECK(broker.Create(request, &made).error_code() == grpc::INVALID_ARGUMENT);
  request = {};
  request.set_name("snap");
  request.set_subscription("s");
  REQUIRE(broker.Create(request, &made).ok());
  CHECK(made.expire_time().seconds() - made.create_time().seconds() == 7 * 24 * 3600);
  request.set_name("other");
  const grpc::Status full = broker.Create(request, &made);
  CHECK(full.error_code() == grpc::RESOURCE_EXHAUSTED);
  CHECK_THAT(full.error_message(), HasText("max-snapshots"));
}

TEST_CASE("What was acked is kept where it is asked for, and the topic says how long") {
  ControlFixture broker;
  REQUIRE(broker.CreateTopic("plain").ok());
  v1::TopicConfig config;
  config.mutable_retention_age()->set_seconds(3600);
  REQUIRE(broker.CreateTopic("t", config).ok());
  v1::CreateSubscriptionRequest request;
  request.set_name("s");
  request.set_topic("plain");
  request.mutable_config()->set_retain_acked(true);
  v1::Subscription made;
  const grpc::Status refused =
      broker.client.Call("/estiba.v1.Admin/CreateSubscription", request, &made);
  CHECK(refused.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(refused.error_message(), HasText("config.retain_acked: true"));
  request.set_topic("t");
  REQUIRE(broker.client.Call("/estiba.v1.Admin/CreateSubscription", request, &made).ok());
  CHECK(made.config().retain_acked());
  SubscribeStream consumer(broker.client, StartOf("t", "s", v1::ACK_MODE_AUTO));
  REQUIRE(broker.PublishNumbers("t", 3000));
  REQUIRE(consumer.Take(3000).size() == 3000);
  REQUIRE(broker.SeekTo("s", 1).ok());
  CHECK(DataOf(consumer.Take(3000)) == Numbers(3000));
  CHECK(consumer.gaps().empty());
}

TEST_CASE("What a subscription made on use keeps, and how long it stays, is agreed upon") {
  ControlFixture broker;
  REQUIRE(broker.CreateTopic("plain").ok());
  v1::TopicConfig config;
  config.mutable_retention_age()->set_seconds(3600);
  REQUIRE(broker.CreateTopic("t", config).ok());
  const auto refusal = [&](const v1::Start& start) {
    SubscribeStream stream(broker.client, start);
    return stream.Finish();
  };
  v1::Start start = StartOf("plain", "s");
  start.mutable_config()->set_retain_acked(true);
  CHECK(refusal(start).error_code() == grpc::INVALID_ARGUMENT);
  start.set_topic("t.*");
  CHECK(refusal(start).error_code() == grpc::INVALID_ARGUMENT);
  start.set_topic("t");
  start.mutable_config()->mutable_idle_expiry()->set_seconds(60);
  {
    SubscribeStream consumer(broker.client, start);
    consumer.started();
  }
  CHECK(broker.GetSubscription("s").config().retain_acked());
  CHECK(broker.GetSubscription("s").config().idle_expiry().seconds() == 60);
  start.mutable_config()->mutable_idle_expiry()->set_seconds(61);
  CHECK(refusal(start).error_code() == grpc::FAILED_PRECONDITION);
}

TEST_CASE("Last messages are where a subscription begins, not where it is sought to") {
  ControlFixture broker;
  REQUIRE(broker.CreateTopic("t").ok());
  v1::CreateSubscriptionRequest request;
  request.set_topic("t");
  request.set_name("keeps-everything");
  v1::Subscription made;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/CreateSubscription", request, &made).ok());
  REQUIRE(broker.PublishNumbers("t", 7));
  request.set_name("s");
  request.mutable_from()->set_position(v1::StartFrom::LAST);
  REQUIRE(broker.client.Call("/estiba.v1.Admin/CreateSubscription", request, &made).ok());
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  CHECK(consumer.started().next_sequence() == 8);
  const std::vector<Received> last = consumer.Take(1);
  REQUIRE(last.size() == 1);
  CHECK(last[0].sequence == 7);
  CHECK(last[0].attempt == 1);
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_to()->set_position(v1::StartFrom::LAST_OF_EACH_KEY);
  v1::SeekSubscriptionResponse response;
  const grpc::Status refused = broker.Seek(seek, &response);
  CHECK(refused.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(refused.error_message(), HasText("to.position: LAST_OF_EACH_KEY"));
}

TEST_CASE("A subscription over a pattern is not paused, sought, purged, kept or detached") {
  ControlFixture broker;
  REQUIRE(broker.CreateTopic("a.b").ok());
  v1::CreateSubscriptionRequest request;
  request.set_name("p");
  request.set_topic("a.>");
  v1::Subscription made;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/CreateSubscription", request, &made).ok());
  const auto refused = [](const grpc::Status& status) {
    CHECK_THAT(status.error_message(), HasText("\"p\" is over a pattern"));
    return status.error_code() == grpc::FAILED_PRECONDITION;
  };
  v1::PurgeSubscriptionResponse purged;
  CHECK(refused(broker.Purge("p", &purged)));
  CHECK(refused(broker.Pause("p", &made)));
  CHECK(refused(broker.Resume("p", &made)));
  CHECK(refused(broker.SeekTo("p", 1)));
  google::protobuf::Empty nothing;
  CHECK(refused(broker.Ask<v1::DetachSubscriptionRequest>("DetachSubscription", "p", &nothing)));
  v1::CreateSnapshotRequest snapshot;
  snapshot.set_name("snap");
  snapshot.set_subscription("p");
  v1::Snapshot taken;
  CHECK(refused(broker.client.Call("/estiba.v1.Admin/CreateSnapshot", snapshot, &taken)));
}

TEST_CASE("What nobody uses is deleted where that is asked for, and counted") {
  ControlFixture broker;
  v1::TopicConfig config;
  config.mutable_idle_expiry()->set_seconds(1);
  REQUIRE(broker.CreateTopic("t", config).ok());
  CHECK(broker.GetTopic("t").config().idle_expiry().seconds() == 1);
  v1::CreateSubscriptionRequest request;
  request.set_name("s");
  request.set_topic("t");
  request.mutable_config()->mutable_idle_expiry()->set_nanos(1'000'000);
  v1::Subscription made;
  const grpc::Status refused =
      broker.client.Call("/estiba.v1.Admin/CreateSubscription", request, &made);
  CHECK(refused.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(refused.error_message(), HasText("config.idle_expiry"));
  request.mutable_config()->mutable_idle_expiry()->set_seconds(1);
  REQUIRE(broker.client.Call("/estiba.v1.Admin/CreateSubscription", request, &made).ok());
  CHECK(made.config().idle_expiry().seconds() == 1);
  REQUIRE(Eventually([&] { return broker.Stats().topic_count() == 0; }));
  const v1::StatsResponse stats = broker.Stats();
  CHECK(stats.subscription_count() == 0);
  CHECK(stats.idle_topics() == 1);
  CHECK(stats.idle_subscriptions() == 1);
}

}  // namespace
}  // namespace estiba::testing

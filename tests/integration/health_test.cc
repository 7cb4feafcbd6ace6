// grpc.health.v1, reflection, and keepalive: what clients and tools expect of any gRPC server.
#include <google/protobuf/descriptor.pb.h>
#include <signal.h>

#include <set>
#include <string>

#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

TEST_CASE("Health says SERVING for the broker and its services, and knows no others") {
  BrokerUnderTest broker;
  for (const char* service : {"", "liveness", "readiness", "estiba.v1.Broker", "estiba.v1.Admin"}) {
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    INFO(service);
    CHECK(broker.client.Call("/grpc.health.v1.Health/Check", request, &response).ok());
    CHECK(response.status() == HealthCheckResponse::SERVING);
  }
  HealthCheckRequest request;
  request.set_service("estiba.v1.Nothing");
  HealthCheckResponse response;
  CHECK(broker.client.Call("/grpc.health.v1.Health/Check", request, &response).error_code() ==
        grpc::NOT_FOUND);
}

TEST_CASE("Health is watched: the status now, SERVICE_UNKNOWN where there is none, and the drain") {
  // A consumer that does not ack keeps the broker draining.
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  REQUIRE(consumer.Take(1).size() == 1);

  using Watch = RawStream<HealthCheckRequest, HealthCheckResponse>;
  Watch known(broker.client, "/grpc.health.v1.Health/Watch");
  Watch unknown(broker.client, "/grpc.health.v1.Health/Watch");
  HealthCheckRequest request;
  request.set_service("readiness");
  REQUIRE(known.Write(request));
  known.HalfClose();
  request.set_service("nothing");
  REQUIRE(unknown.Write(request));
  HealthCheckResponse response;
  REQUIRE(known.Read(&response));
  CHECK(response.status() == HealthCheckResponse::SERVING);
  REQUIRE(unknown.Read(&response));
  CHECK(response.status() == HealthCheckResponse::SERVICE_UNKNOWN);

  broker.daemon.process().Signal(SIGTERM);
  REQUIRE(known.Read(&response));
  CHECK(response.status() == HealthCheckResponse::NOT_SERVING);
  // What drains is alive, and nobody's probe may cut it short.
  request.set_service("liveness");
  REQUIRE(broker.client.Call("/grpc.health.v1.Health/Check", request, &response).ok());
  CHECK(response.status() == HealthCheckResponse::SERVING);
  REQUIRE(consumer.Ack(1, 1));
  CHECK(known.Finish().error_code() == grpc::UNAVAILABLE);
  const auto ended = broker.daemon.process().Wait();
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
}

// Both versions of the protocol differ in their package only.
template <typename Request, typename Response>
void CheckReflection(const char* method) {
  BrokerUnderTest broker;
  RawStream<Request, Response> stream(broker.client, method);
  Request request;
  request.set_list_services("*");
  REQUIRE(stream.Write(request));
  Response response;
  REQUIRE(stream.Read(&response));
  std::set<std::string> services;
  for (const auto& service : response.list_services_response().service()) {
    services.insert(service.name());
  }
  CHECK(services == std::set<std::string>{"estiba.v1.Admin", "estiba.v1.Broker",
                                          "grpc.health.v1.Health",
                                          "grpc.reflection.v1.ServerReflection",
                                          "grpc.reflection.v1alpha.ServerReflection"});
  for (const std::string& service : services) {
    request.set_file_containing_symbol(service);
    REQUIRE(stream.Write(request));
    REQUIRE(stream.Read(&response));
    INFO(service);
    REQUIRE(response.file_descriptor_response().file_descriptor_proto_size() > 0);
    bool found = false;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      REQUIRE(file.ParseFromString(bytes));
      for (const auto& s : file.service()) found |= file.package() + "." + s.name() == service;
    }
    CHECK(found);
  }
  request.set_file_containing_symbol("estiba.v1.Nothing");
  REQUIRE(stream.Write(request));
  REQUIRE(stream.Read(&response));
  CHECK(response.error_response().error_code() == static_cast<int>(grpc::StatusCode::NOT_FOUND));
  stream.HalfClose();
  CHECK(stream.Finish().ok());
}

TEST_CASE("Reflection lists the services and gives their files, in version 1") {
  using namespace grpc::reflection::v1;
  CheckReflection<ServerReflectionRequest, ServerReflectionResponse>(
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
}

TEST_CASE("Reflection lists the services and gives their files, in version 1 alpha") {
  using namespace grpc::reflection::v1alpha;
  CheckReflection<ServerReflectionRequest, ServerReflectionResponse>(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
}

RawClient Pinging(BrokerUnderTest& broker, absl::Duration every) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(absl::ToInt64Milliseconds(every)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return RawClient(broker.daemon.address(), arguments);
}

// Opens the connection. What it is worth shows in its state, which does not go back to READY by
// itself.
void Connect(RawClient& client) {
  REQUIRE(client.channel()->WaitForConnected(absl::ToChronoTime(absl::Now() + kLongEnough)));
}

TEST_CASE("A client that pings more often than allowed is cut off") {
  // Otherwise the next test shows nothing.
  BrokerUnderTest broker({"--min-ping-interval=1h"});
  RawClient client = Pinging(broker, absl::Milliseconds(50));
  SubscribeStream consumer(client, StartOf("t", "s"));
  REQUIRE(consumer.started().topic() == "t");
  const grpc::Status status = consumer.Finish();
  CHECK(status.error_code() == grpc::UNAVAILABLE);
  CHECK_THAT(status.error_message(), HasText("ping"));
}

TEST_CASE("A client that pings as often as allowed stays, with a stream and without") {
  BrokerUnderTest broker({"--min-ping-interval=1s"});
  RawClient with_stream = Pinging(broker, absl::Milliseconds(1200));
  RawClient without = Pinging(broker, absl::Milliseconds(1200));
  SubscribeStream consumer(with_stream, StartOf("t", "s"));
  REQUIRE(consumer.started().topic() == "t");
  Connect(without);
  // Three pings that come too early are enough to be cut off; there is time for five.
  const absl::Time end = absl::Now() + absl::Milliseconds(6500);
  REQUIRE(Eventually([&] { return absl::Now() > end; }));
  CHECK(without.channel()->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY);
  REQUIRE(broker.Publish("t", {"still there"}) == 1);
  CHECK(DataOf(consumer.Take(1)) == std::vector<std::string>{"still there"});
}

}  // namespace
}  // namespace estiba::testing

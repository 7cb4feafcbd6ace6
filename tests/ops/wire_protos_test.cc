// The statements of public protocols in proto/grpc and proto/estiba/status: that their descriptors
// live beside libgrpc++ in one process, and that messages are encoded as everybody else does it.
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include "estiba/status/status.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using google::protobuf::DescriptorPool;

TEST_CASE("The descriptors are registered in a process that uses gRPC") {
  // A clash of names would have ended the process before main().
  REQUIRE_FALSE(grpc::Version().empty());
  grpc::ServerBuilder builder;
  REQUIRE(grpc::health::v1::HealthCheckRequest::descriptor() != nullptr);
  REQUIRE(status::Status::descriptor() != nullptr);
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  for (const char* name : {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                           "grpc.reflection.v1alpha.ServerReflection"}) {
    INFO(name);
    REQUIRE((grpc::reflection::v1::ErrorResponse::descriptor() &&
             grpc::reflection::v1alpha::ErrorResponse::descriptor()));
    REQUIRE(pool.FindServiceByName(name) != nullptr);
  }
  // Free for a program that links googleapis as well.
  REQUIRE(pool.FindMessageTypeByName("google.rpc.Status") == nullptr);
}

TEST_CASE("Health messages have the public encoding") {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("ab");
  CHECK(request.SerializeAsString() ==
        "\x0a\x02"
        "ab");
  grpc::health::v1::HealthCheckResponse response;
  response.set_status(grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN);
  CHECK(response.SerializeAsString() == "\x08\x03");
}

TEST_CASE("Error details have the public encoding") {
  status::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  CHECK(retry.SerializeAsString() == "\x0a\x02\x08\x01");
  status::Status status;
  status.set_code(8);
  status.set_message("m");
  status.add_details()->set_type_url("t");
  CHECK(status.SerializeAsString() == "\x08\x08\x12\x01m\x1a\x03\x0a\x01t");
  status::BadRequest bad;
  bad.add_field_violations()->set_field("f");
  bad.mutable_field_violations(0)->set_description("d");
  CHECK(bad.SerializeAsString() ==
        "\x0a\x06\x0a\x01"
        "f\x12\x01"
        "d");
  status::ErrorInfo info;
  info.set_reason("R");
  info.set_domain("d");
  info.mutable_metadata()->insert({"k", "v"});
  CHECK(info.SerializeAsString() ==
        "\x0a\x01R\x12\x01"
        "d\x1a\x06\x0a\x01k\x12\x01v");
}

TEST_CASE("Both reflection packages have the same fields, numbers and types") {
  const auto* v1 = grpc::reflection::v1::ServerReflectionRequest::descriptor()->file();
  const auto* alpha = grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()->file();
  REQUIRE(v1->message_type_count() == alpha->message_type_count());
  for (int m = 0; m < v1->message_type_count(); ++m) {
    const auto* left = v1->message_type(m);
    const auto* right = alpha->message_type(m);
    REQUIRE(left->name() == right->name());
    REQUIRE(left->field_count() == right->field_count());
    for (int f = 0; f < left->field_count(); ++f) {
      INFO(left->field(f)->full_name());
      CHECK(left->field(f)->name() == right->field(f)->name());
      CHECK(left->field(f)->number() == right->field(f)->number());
      CHECK(left->field(f)->type() == right->field(f)->type());
      CHECK(left->field(f)->label() == right->field(f)->label());
    }
  }
}

}  // namespace
}  // namespace estiba

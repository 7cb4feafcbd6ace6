#include "broker/ops/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>

#include <algorithm>
#include <set>

#include "estiba/v1/admin.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

// As the linker would otherwise leave the native API out.
const bool kLinked = v1::Topic::descriptor() != nullptr;

Reflection Subject() {
  return Reflection({"estiba.v1.Broker", "estiba.v1.Admin", "grpc.health.v1.Health"});
}

// Through the encoded form, as rpc does it.
ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
  const auto answer = Subject().Answer(request.SerializeAsString());
  REQUIRE(answer.ok());
  ServerReflectionResponse response;
  REQUIRE(response.ParseFromString(*answer));
  return response;
}

std::vector<google::protobuf::FileDescriptorProto> FilesOf(
    const ServerReflectionResponse& response) {
  std::vector<google::protobuf::FileDescriptorProto> files;
  for (const std::string& encoded : response.file_descriptor_response().file_descriptor_proto()) {
    REQUIRE(files.emplace_back().ParseFromString(encoded));
  }
  return files;
}

ServerReflectionResponse AskSymbol(const std::string& symbol) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol(symbol);
  return Ask(request);
}

void RequireNotFound(const ServerReflectionResponse& response, const std::string& name) {
  REQUIRE(response.has_error_response());
  REQUIRE(response.error_response().error_code() == 5);
  REQUIRE_THAT(response.error_response().error_message(), testing::HasText(name));
}

TEST_CASE("Services are listed in alphabetical order") {
  ServerReflectionRequest request;
  request.set_list_services("");
  const ServerReflectionResponse response = Ask(request);
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.push_back(service.name());
  }
  REQUIRE(names ==
          std::vector<std::string>{"estiba.v1.Admin", "estiba.v1.Broker", "grpc.health.v1.Health"});
}

TEST_CASE("A server without services answers with an empty list") {
  ServerReflectionRequest request;
  request.set_list_services("*");
  ServerReflectionResponse response;
  Reflection({}).Answer(request, &response);
  REQUIRE(response.has_list_services_response());
  REQUIRE(response.list_services_response().service_size() == 0);
}

TEST_CASE("The answer returns host and request") {
  ServerReflectionRequest request;
  request.set_host("broker.example");
  request.set_list_services("x");
  const ServerReflectionResponse response = Ask(request);
  REQUIRE(response.valid_host() == "broker.example");
  REQUIRE(response.original_request().SerializeAsString() == request.SerializeAsString());
}

TEST_CASE("A symbol's file comes first, with all that it depends on, each file once") {
  REQUIRE(kLinked);
  for (const char* symbol : {"estiba.v1.Admin", "estiba.v1.Admin.Stats", "estiba.v1.Topic",
                             "estiba.v1.Topic.name", "estiba.v1.FullPolicy"}) {
    INFO(symbol);
    const auto files = FilesOf(AskSymbol(symbol));
    REQUIRE(files.size() == 6);
    CHECK(files[0].name() == "estiba/v1/admin.proto");
    std::set<std::string> names;
    for (const auto& file : files) names.insert(file.name());
    CHECK(names ==
          std::set<std::string>{"estiba/v1/admin.proto", "estiba/v1/broker.proto",
                                "estiba/v1/message.proto", "google/protobuf/duration.proto",
                                "google/protobuf/empty.proto", "google/protobuf/timestamp.proto"});
  }
}

TEST_CASE("From the files in an answer a client can build the service") {
  const auto files = FilesOf(AskSymbol("estiba.v1.Broker"));
  google::protobuf::SimpleDescriptorDatabase database;
  for (const auto& file : files) REQUIRE(database.Add(file));
  google::protobuf::DescriptorPool pool(&database);
  const auto* service = pool.FindServiceByName("estiba.v1.Broker");
  REQUIRE(service != nullptr);
  REQUIRE(service->FindMethodByName("Publish")->client_streaming());
}

TEST_CASE("A file is found by its name") {
  ServerReflectionRequest request;
  request.set_file_by_filename("estiba/v1/message.proto");
  const auto files = FilesOf(Ask(request));
  REQUIRE(files.size() == 2);
  REQUIRE(files[0].name() == "estiba/v1/message.proto");
}

TEST_CASE("The services that every server has are found without anybody else using them") {
  for (const char* symbol : {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                             "grpc.reflection.v1alpha.ServerReflection"}) {
    INFO(symbol);
    REQUIRE(FilesOf(AskSymbol(symbol)).size() == 1);
  }
}

TEST_CASE("What does not exist is answered with NOT_FOUND and its name") {
  RequireNotFound(AskSymbol("estiba.v1.Nothing"), "estiba.v1.Nothing");
  RequireNotFound(AskSymbol(""), "no symbol ''");
  ServerReflectionRequest request;
  request.set_file_by_filename("no/such.proto");
  RequireNotFound(Ask(request), "no/such.proto");
  request.mutable_file_containing_extension()->set_containing_type("estiba.v1.Topic");
  request.mutable_file_containing_extension()->set_extension_number(7);
  RequireNotFound(Ask(request), "estiba.v1.Topic:7");
  request.mutable_file_containing_extension()->set_containing_type("estiba.v1.Nothing");
  RequireNotFound(Ask(request), "estiba.v1.Nothing:7");
  request.set_all_extension_numbers_of_type("estiba.v1.Nothing");
  RequireNotFound(Ask(request), "estiba.v1.Nothing");
}

TEST_CASE("A message without extensions has none to list") {
  ServerReflectionRequest request;
  request.set_all_extension_numbers_of_type("estiba.v1.Topic");
  const ServerReflectionResponse response = Ask(request);
  REQUIRE(response.has_all_extension_numbers_response());
  REQUIRE(response.all_extension_numbers_response().base_type_name() == "estiba.v1.Topic");
  REQUIRE(response.all_extension_numbers_response().extension_number_size() == 0);
}

TEST_CASE("A request without a question is answered with INVALID_ARGUMENT") {
  REQUIRE(Ask({}).error_response().error_code() == 3);
}

TEST_CASE("What is no request, or too large a one, is refused") {
  const Reflection reflection = Subject();
  REQUIRE(reflection.Answer(std::string_view("\xff\xff\xff")).status().code() ==
          absl::StatusCode::kInvalidArgument);
  ServerReflectionRequest request;
  request.set_file_containing_symbol(std::string(Reflection::kLargestRequest, 's'));
  REQUIRE(reflection.Answer(request.SerializeAsString()).status().code() ==
          absl::StatusCode::kInvalidArgument);
}

TEST_CASE("An answer can be read as v1alpha and a v1alpha request is understood") {
  grpc::reflection::v1alpha::ServerReflectionRequest request;
  request.set_host("h");
  request.mutable_file_containing_extension()->set_containing_type("a.B");
  request.mutable_file_containing_extension()->set_extension_number(9);
  const auto answer = Subject().Answer(request.SerializeAsString());
  REQUIRE(answer.ok());
  grpc::reflection::v1alpha::ServerReflectionResponse response;
  REQUIRE(response.ParseFromString(*answer));
  REQUIRE(response.original_request().SerializeAsString() == request.SerializeAsString());
  REQUIRE(response.error_response().error_code() == 5);
}

}  // namespace
}  // namespace estiba

#include "broker/ops/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"

namespace estiba {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

void FillError(absl::StatusCode code, const std::string& message,
               ServerReflectionResponse* response) {
  response->mutable_error_response()->set_error_code(static_cast<int>(code));
  response->mutable_error_response()->set_error_message(message);
}

// `file` and what it depends on, each once. The depth is that of our imports.
void AddWithDependencies(const FileDescriptor& file, std::set<const FileDescriptor*>* added,
                         grpc::reflection::v1::FileDescriptorResponse* files) {
  if (!added->insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  files->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddWithDependencies(*file.dependency(i), added, files);
  }
}

void FillFile(const FileDescriptor* file, const char* what, const std::string& name,
              ServerReflectionResponse* response) {
  if (file == nullptr) {
    FillError(absl::StatusCode::kNotFound, absl::StrCat("no ", what, " '", name, "'"), response);
    return;
  }
  std::set<const FileDescriptor*> added;
  AddWithDependencies(*file, &added, response->mutable_file_descriptor_response());
}

void FillExtension(const grpc::reflection::v1::ExtensionRequest& request,
                   ServerReflectionResponse* response) {
  const Descriptor* type = Pool().FindMessageTypeByName(request.containing_type());
  const FieldDescriptor* extension =
      type == nullptr ? nullptr : Pool().FindExtensionByNumber(type, request.extension_number());
  FillFile(extension == nullptr ? nullptr : extension->file(), "extension",
           absl::StrCat(request.containing_type(), ":", request.extension_number()), response);
}

void FillExtensionNumbers(const std::string& type_name, ServerReflectionResponse* response) {
  const Descriptor* type = Pool().FindMessageTypeByName(type_name);
  if (type == nullptr) {
    FillError(absl::StatusCode::kNotFound, absl::StrCat("no message '", type_name, "'"), response);
    return;
  }
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(type, &extensions);
  auto* numbers = response->mutable_all_extension_numbers_response();
  numbers->set_base_type_name(type_name);
  for (const FieldDescriptor* extension : extensions) {
    numbers->add_extension_number(extension->number());
  }
}

}  // namespace

Reflection::Reflection(std::vector<std::string> service_names)
    : service_names_(std::move(service_names)) {
  std::sort(service_names_.begin(), service_names_.end());
  // The linker takes from a static library only what is used. These are the descriptors that
  // nothing else in the daemon need use, and that clients ask for.
  grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::reflection::v1alpha::ServerReflectionRequest::descriptor();
}

absl::StatusOr<std::string> Reflection::Answer(std::string_view encoded_request) const {
  if (encoded_request.size() > kLargestRequest) {
    return absl::InvalidArgumentError(absl::StrCat("request of ", encoded_request.size(),
                                                   " bytes: must be at most ", kLargestRequest));
  }
  ServerReflectionRequest request;
  if (!request.ParseFromArray(encoded_request.data(), static_cast<int>(encoded_request.size()))) {
    return absl::InvalidArgumentError("not an encoded ServerReflectionRequest");
  }
  ServerReflectionResponse response;
  Answer(request, &response);
  return response.SerializeAsString();
}

void Reflection::Answer(const ServerReflectionRequest& request,
                        ServerReflectionResponse* response) const {
  response->Clear();
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      FillFile(Pool().FindFileByName(request.file_by_filename()), "file",
               request.file_by_filename(), response);
      return;
    case ServerReflectionRequest::kFileContainingSymbol:
      FillFile(Pool().FindFileContainingSymbol(request.file_containing_symbol()), "symbol",
               request.file_containing_symbol(), response);
      return;
    case ServerReflectionRequest::kFileContainingExtension:
      FillExtension(request.file_containing_extension(), response);
      return;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      FillExtensionNumbers(request.all_extension_numbers_of_type(), response);
      return;
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : service_names_) {
        response->mutable_list_services_response()->add_service()->set_name(name);
      }
      response->mutable_list_services_response();
      return;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  FillError(absl::StatusCode::kInvalidArgument, "the request must ask one of its questions",
            response);
}

}  // namespace estiba

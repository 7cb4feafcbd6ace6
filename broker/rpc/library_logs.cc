#include "broker/rpc/library_logs.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>

namespace estiba {
namespace {

void (*report_to)(const LibraryLog& log) = nullptr;

void FromGrpc(gpr_log_func_args* args) {
  report_to({"gRPC", args->message, args->file, args->line});
}

void FromProtobuf(google::protobuf::LogLevel level, const char* file, int line,
                  const std::string& message) {
  if (level >= google::protobuf::LOGLEVEL_ERROR) report_to({"protobuf", message, file, line});
}

}  // namespace

void CaptureLibraryLogs(void (*report)(const LibraryLog& log)) {
  report_to = report;
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function(&FromGrpc);
  google::protobuf::SetLogHandler(&FromProtobuf);
}

}  // namespace estiba

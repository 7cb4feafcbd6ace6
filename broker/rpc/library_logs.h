#pragma once

#include <string_view>

namespace estiba {

// What the libraries beneath would write to stderr by themselves.
struct LibraryLog {
  std::string_view name;  // "gRPC", "protobuf"
  std::string_view message;
  std::string_view file;
  int line;
};

// From now on `report` gets it instead, from any thread. Errors and worse only. For the process as
// a whole, once, before the first server.
void CaptureLibraryLogs(void (*report)(const LibraryLog& log));

}  // namespace estiba

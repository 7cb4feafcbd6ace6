// The main function of the programs here: PROGRAM --list | PATH MESSAGES sends so many messages
// down one of the main paths, on one thread, and does nothing else. tests/instructions/check
// counts.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

namespace estiba::testing {

inline constexpr uint32_t kPayloadBytes = 128;
inline constexpr uint32_t kBatch = 500;  // about 64 KiB

// Asked for a multiple of kBatch.
using Paths = std::map<std::string, std::function<void(uint32_t messages)>>;

inline void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "not there: %s\n", what);
  std::abort();
}

inline int RunPath(const Paths& paths, int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--list") {
    for (const auto& [name, run] : paths) std::printf("%s\n", name.c_str());
    return 0;
  }
  const auto path = argc == 3 ? paths.find(argv[1]) : paths.end();
  if (path == paths.end()) {
    std::fprintf(stderr, "Usage: %s --list | PATH MESSAGES\n", argv[0]);
    return 2;
  }
  path->second(static_cast<uint32_t>(std::atoi(argv[2])) / kBatch * kBatch);
  return 0;
}

}  // namespace estiba::testing

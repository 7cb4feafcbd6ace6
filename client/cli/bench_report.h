// The outcome of `estiba bench`, for people and for programs. Thread-safe: no state.
#ifndef CLIENT_CLI_BENCH_REPORT_H_
#define CLIENT_CLI_BENCH_REPORT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "client/cli/bench_options.h"

namespace estiba::cli {

std::string DescribeBench(const BenchOptions& options, const BenchResult& result, bool color);
nlohmann::ordered_json BenchJson(const BenchOptions& options, const BenchResult& result);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_BENCH_REPORT_H_

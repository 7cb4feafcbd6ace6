// One run of `estiba bench`: topics of its own, warming up, measuring, cleaning up.
#ifndef CLIENT_CLI_BENCH_RUN_H_
#define CLIENT_CLI_BENCH_RUN_H_

#include "client/cli/bench_options.h"

namespace estiba::cli {

class Interrupt;
struct Context;

// Blocks until the run is over or interrupted; the topics are deleted in either case.
BenchResult RunBench(const Context& context, const BenchOptions& options, Interrupt& interrupt);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_BENCH_RUN_H_

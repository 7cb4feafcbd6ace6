// What the programs here ask of the C library.
#ifndef CLIENT_CLI_KEEP_BUFFERS_H_
#define CLIENT_CLI_KEEP_BUFFERS_H_

namespace estiba::cli {

// Lets glibc keep a few MiB of freed buffers, instead of giving each large one back to the
// operating system and taking page faults for the next (broker/docs/adr/2026-11-22-archives.md).
// First thing in main.
void KeepBuffersAtHand();

}  // namespace estiba::cli

#endif  // CLIENT_CLI_KEEP_BUFFERS_H_

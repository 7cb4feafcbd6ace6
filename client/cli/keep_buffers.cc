#include "client/cli/keep_buffers.h"

#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace estiba::cli {

void KeepBuffersAtHand() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

}  // namespace estiba::cli

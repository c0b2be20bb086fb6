// Fresh memory costs more than the arithmetic: the system clears it page by page, at the first touch of each.
#pragma once

#include <cstdint>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace dropnorm {

// Asks for large pages where memory is surely fresh: glibc maps tensors that are larger than this anew. Smaller ones share a heap,
// where their memory mostly has been touched before, and a piece of it with pages of its own would slow the neighbours down.
inline void prefer_large_pages(void* from, int64_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr int64_t kWorthIt = int64_t{32} << 20, kPage = 4096;
  if (bytes < kWorthIt) return;
  const auto address = reinterpret_cast<uintptr_t>(from);
  const uintptr_t first = (address + kPage - 1) / kPage * kPage, last = (address + bytes) / kPage * kPage;
  madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)from, (void)bytes;
#endif
}

}  // namespace dropnorm

// Fresh memory costs more than the arithmetic: the system clears it page by page, at the first touch of each.
#pragma once

#include <cstdint>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace dropnorm {

// Asks for large pages where so much is to be written that its pages count. Where there are none, or the memory has been touched
// before, nothing happens.
inline void prefer_large_pages(void* from, int64_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr int64_t kWorthIt = int64_t{8} << 20, kPage = 4096;
  if (bytes < kWorthIt) return;
  const auto address = reinterpret_cast<uintptr_t>(from);
  const uintptr_t first = (address + kPage - 1) / kPage * kPage, last = (address + bytes) / kPage * kPage;
  madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)from, (void)bytes;
#endif
}

}  // namespace dropnorm

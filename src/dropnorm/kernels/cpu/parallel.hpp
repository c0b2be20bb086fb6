// Work shared among threads.
#pragma once

#include <cstdint>

namespace dropnorm {
namespace {

// Calls work(each) on every thread; each(body) calls body(index) for the thread's share of `count`.
template <class Work>
void on_threads(int threads, int64_t count, Work work) {
  if (threads == 1) {  // a parallel region of one thread takes a third of a microsecond, as long as a small tensor
    work([&](auto body) {
      for (int64_t index = 0; index < count; ++index) body(index);
    });
    return;
  }
#pragma omp parallel num_threads(threads)
  work([&](auto body) {
#pragma omp for schedule(static)
    for (int64_t index = 0; index < count; ++index) body(index);
  });
}

}  // namespace
}  // namespace dropnorm

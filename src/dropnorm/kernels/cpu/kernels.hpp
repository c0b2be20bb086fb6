// What every instruction set offers, and the arguments that pass from Python: plain pointers and counts, no torch headers.
#pragma once

#include <cstdint>

namespace dropnorm {

enum class Dtype : int { float32, float64, bfloat16, float16 };

// One net of a batch of nets: its key, and its drop probability as the mask contract has it (dropnorm/random.py).
struct Group {
  uint64_t key;
  uint64_t threshold;  // round(p * 2^32): from 0, never dropped, to 2^32, always
  double scale;        // 1 / (1 - p)
};

struct Dropout {
  const void* x;        // (groups, rows, columns, inner), contiguous
  void* y;              // the same; may be x
  Dtype dtype;
  int64_t groups, rows, columns;
  int64_t inner;        // values that share one decision: 1, or a channel's positions
  const Group* group;   // (groups,)
  const int64_t* row;   // (rows,) indices in the mask, or null for 0, 1, ...
  uint32_t site;
  int threads;
};

struct Kernels {
  void (*dropout)(const Dropout&);
};

extern const Kernels portable;
#ifdef DROPNORM_X86
extern const Kernels avx2;
extern const Kernels avx512;
#endif

}  // namespace dropnorm

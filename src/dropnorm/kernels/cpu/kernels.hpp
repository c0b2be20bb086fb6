// What every instruction set offers, and the arguments that pass from Python: plain pointers and counts, no torch headers.
#pragma once

#include <cstdint>

namespace dropnorm {

enum class Dtype : int { float32, float64, bfloat16, float16 };
enum class Activation : int { identity, relu, leaky_relu, gelu, silu };

// A tensor (groups, samples, channels, positions) in one of two memory orders. A plain matrix has one position.
struct Layout {
  int64_t groups, samples, channels, positions;
  bool channels_last;  // the order is (groups, samples, positions, channels)

  int64_t rows() const { return samples * positions; }
  int64_t size() const { return groups * rows() * channels; }
};

// One group's decisions, as the mask contract has them (dropnorm/random.py).
struct Group {
  uint64_t key;
  uint64_t threshold;  // round(p * 2^32): from 0, never dropped, to 2^32, always
  double scale;        // 1 / (1 - p)
};

// Who is dropped: of the logical columns channel * positions + position, or of the channels.
struct Mask {
  const Group* group;   // (groups,)
  const int64_t* row;   // (samples,) indices in the mask, or null for 0, 1, ...
  uint32_t site;
  bool channelwise;
};

constexpr int64_t kValuesWorthAThread = 16384;

struct Dropout {
  Layout layout;
  Dtype dtype;
  const void* x;
  void* y;              // may be x
  Mask mask;
  int threads;
};

// Batch normalization, an activation and dropout, forward and backward. Parameters, statistics and gradients of parameters
// are (groups, channels), in double for float64 and in float otherwise; a null weight is ones, a null bias zeros.
struct BatchNorm {
  Layout layout;
  Dtype dtype;
  const void *x, *grad;         // grad, the output's gradient, in the backward pass only
  void* y;                      // the output, or the gradient of x
  const void *weight, *bias;
  void *mean, *var;             // written by the forward pass, read by the backward pass
  void *grad_weight, *grad_bias;
  const uint8_t* counted;       // (groups, samples, positions) that enter the statistics, or null for all
  double eps, negative_slope;
  Activation activation;
  Mask mask;
  int threads;
};

// The same functions for each instruction set, in a namespace of its name.
#define DROPNORM_KERNELS(instruction_set)         \
  namespace instruction_set {                     \
  void dropout(const Dropout&);                   \
  void batch_norm(const BatchNorm&);              \
  void batch_norm_backward(const BatchNorm&);     \
  }

DROPNORM_KERNELS(portable)
#ifdef DROPNORM_X86
DROPNORM_KERNELS(avx2)
DROPNORM_KERNELS(avx512)
#endif

}  // namespace dropnorm

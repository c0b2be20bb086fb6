// What every instruction set offers, and the arguments that pass from Python: plain pointers and counts, no torch headers.
#pragma once

#include <cmath>
#include <cstdint>

#include "training.hpp"

namespace dropnorm {

enum class Dtype : int { float32, float64, bfloat16, float16 };
enum class Activation : int { identity, relu, leaky_relu, gelu, silu };

// A tensor (groups, samples, channels, positions) in one of two memory orders. A plain matrix has one position.
struct Layout {
  int64_t groups, samples, channels, positions;
  bool channels_last;  // the order is (groups, samples, positions, channels)

  int64_t rows() const { return samples * positions; }
  int64_t size() const { return groups * rows() * channels; }
  bool operator==(const Layout& other) const {
    return groups == other.groups && samples == other.samples && channels == other.channels && positions == other.positions &&
           channels_last == other.channels_last;
  }
};

// A number for each channel of each group, in any of the types and at any stride; without data there is none.
struct PerChannel {
  void* data = nullptr;
  Dtype dtype = Dtype::float32;
  int64_t group_stride = 0, channel_stride = 0;
};

// One group's decisions, as the mask contract has them (dropnorm/random.py).
struct Group {
  uint64_t key;
  uint64_t threshold;  // round(p * 2^32): from 0, never dropped, to 2^32, always
  double scale;        // 1 / (1 - p)

  static Group of(double p, uint64_t key) {
    return {key, static_cast<uint64_t>(std::nearbyint(p * 4294967296.0)), p < 1.0 ? 1.0 / (1.0 - p) : 0.0};
  }
};

// Who is dropped: of the logical columns channel * positions + position, or of the channels.
struct Mask {
  const Group* group = nullptr;  // (groups,), or null: nobody is dropped
  const int64_t* row = nullptr;  // (samples,) indices in the mask, or null for 0, 1, ...
  uint32_t site = 0;
  bool channelwise = false;

  Group of(int64_t index) const { return group ? group[index] : Group{0, 0, 1.0}; }
};

struct Dropout {
  Layout layout;
  Dtype dtype;
  const void* x;
  void* y;              // may be x
  Mask mask;
  int threads;
};

// Batch normalization, an activation and dropout, forward and backward. Without a weight it is ones, without a bias zeros.
struct BatchNorm {
  Layout layout;
  Dtype dtype;
  const void *x, *grad;         // grad, the output's gradient, in the backward pass only
  void* y;                      // the output, or the gradient of x
  PerChannel weight, bias;
  double *mean, *var;           // (groups, channels), as precise as the computation; written by the forward pass
  PerChannel grad_weight, grad_bias;
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

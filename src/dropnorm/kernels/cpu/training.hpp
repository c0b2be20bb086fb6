// The arguments of a training step's kernels, and how they are read from tensors. Everything is float32.
#pragma once

#include <cstdint>
#include <vector>

namespace dropnorm {

constexpr int64_t kValuesWorthAThread = 16384;

// x[net, i] = base[row[net, i]] * factor[seed[net]] + shift[seed[net]], cut at +-farthest, with 0 for NaN.
struct Gather {
  const void* base;  // (rows, features), of bytes or of floats
  bool bytes;
  int64_t nets, batch, features;
  const int64_t* rows;  // (nets, batch) at these strides
  int64_t net_stride, row_stride;
  const int64_t* seed;           // (nets,)
  const float *factor, *shift;   // (seeds, features)
  float farthest;
  float* x;  // (nets, batch, features)
  int threads;

  int64_t row(int64_t i) const { return rows[i / batch * net_stride + i % batch * row_stride]; }
};

// grad = scale * (softmax(outputs) - one for the target)
struct SoftmaxGradient {
  const float* outputs;  // (rows, classes)
  const int64_t* target;
  int64_t rows, classes;
  float scale;
  float* grad;
  int threads;
};

// mean += mean_share (grad - mean); square = square_kept square + square_share grad^2;
// value -= step_size mean / (sqrt(square) square_factor + eps)
struct Adam {
  struct Parameter {
    float* value;
    const float* grad;
    float *mean, *square;
    int64_t size;
  };
  std::vector<Parameter> parameters;
  float mean_share, square_kept, square_share, square_factor, step_size, eps;
  int threads;
};

#define DROPNORM_TRAINING(instruction_set)           \
  namespace instruction_set {                        \
  void gather(const Gather&);                        \
  void softmax_gradient(const SoftmaxGradient&);     \
  void adam(const Adam&);                            \
  }

DROPNORM_TRAINING(portable)
#ifdef DROPNORM_X86
DROPNORM_TRAINING(avx2)
DROPNORM_TRAINING(avx512)
#endif

}  // namespace dropnorm

// The arguments of a training step's kernels, and how they are read from tensors. Everything is float32.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace dropnorm {

constexpr int64_t kValuesWorthAThread = 16384;

// The features of all rows, and how each seed has them on its own scale: x = base * factor + shift, cut at +-farthest, with 0 for
// NaN.
struct Table {
  const void* base;  // (rows, features), of bytes or of floats
  bool bytes;
  int64_t rows, features;
  const float *factor, *shift;  // (seeds, features)
  int64_t seeds;
  float farthest;
};

// A number for each net and row, or step, at these strides.
struct Numbers {
  const int64_t* data;
  int64_t net_stride, stride;

  int64_t of(int64_t net, int64_t i) const { return data[net * net_stride + i * stride]; }
};

struct Gather {
  Table table;
  int64_t nets, batch;
  Numbers rows;         // (nets, batch)
  const int64_t* seed;  // (nets,)
  float* x;             // (nets, batch, features)
  int threads;
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

struct AdamSettings {
  double beta1, beta2, eps;
};

// mean += mean_share (grad - mean); square = square_kept square + square_share grad^2;
// value -= step_size mean / (sqrt(square) square_factor + eps)
struct AdamStep {
  float mean_share, square_kept, square_share, square_factor, step_size, eps;

  // The step of this number, from 1.
  AdamStep(const AdamSettings& adam, double learning_rate, int64_t number)
      : mean_share(static_cast<float>(1 - adam.beta1)),
        square_kept(static_cast<float>(adam.beta2)),
        square_share(static_cast<float>(1 - adam.beta2)),
        square_factor(static_cast<float>(1 / std::sqrt(1 - std::pow(adam.beta2, number)))),
        step_size(static_cast<float>(learning_rate / (1 - std::pow(adam.beta1, number)))),
        eps(static_cast<float>(adam.eps)) {}
};

struct Adam {
  struct Parameter {
    float* value;
    const float* grad;
    float *mean, *square;
    int64_t size;
  };
  std::vector<AdamStep> steps;        // of each net, or one of all
  std::vector<Parameter> parameters;  // each of a size that is as many numbers for every net
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

// Whole training steps of a study's dense nets, each net by itself: what a thread works on stays in its own cache.
#pragma once

#include "kernels.hpp"

namespace dropnorm {

// MKL's product C = alpha op(A) op(B) + beta C, column by column, and how many threads it takes for those of the calling thread,
// 0 for as many as of others; the latter returns what that was. MKL's integers have 32 bits or 64; of a 64-bit one that is small, a
// little-endian machine reads the same either way.
struct Blas {
  void (*gemm)(const char* transpose_a, const char* transpose_b, const int64_t* m, const int64_t* n, const int64_t* k,
               const float* alpha, const float* a, const int64_t* lda, const float* b, const int64_t* ldb, const float* beta,
               float* c, const int64_t* ldc);
  int (*set_threads)(int);
};

// A parameter of every net, (nets, size), and Adam's moments of it where it is trained; without data there is none.
struct DenseParameter {
  float *value = nullptr, *mean = nullptr, *square = nullptr;
  int64_t size = 0;
};

// h = dropout(activation(batch_norm(x W))), or without batch norm dropout(activation(x W + b)); the last layer is x W + b.
struct DenseLayer {
  int64_t inputs, outputs;
  DenseParameter weight, bias, norm_weight, norm_bias;
  float *running_mean = nullptr, *running_var = nullptr;  // (nets, outputs)
  std::vector<double> rates;                              // (nets,)
};

struct DenseNets {
  Blas blas;
  int64_t nets;
  Activation activation;
  float negative_slope;
  double eps, momentum;
  std::vector<DenseLayer> layers;
  std::vector<double> input_rates, decays, largest_norms;  // (nets,)
  uint32_t input_site;
  Table table;
  const int64_t* seed;        // (nets,)
  const int64_t* classes;     // (rows,), or null where targets are quantities
  const float* quantities;    // (seeds, rows)
  const float* weights;       // (seeds, outputs), what a row of each class counts in the loss, or null where all count alike
};

// Steps on batches of neighbouring rows of an order, the first being Adam's `number`-th.
struct DenseTraining {
  Numbers order, keys;  // (nets, steps * batch), (nets, steps)
  int64_t batch, steps, number;
  AdamSettings adam;
  std::vector<double> learning_rates;  // (nets,)
  int threads;
};

// Outputs in inference mode.
struct DenseEvaluation {
  Numbers rows;  // (nets, count)
  int64_t count;
  float* outputs;  // (nets, count, outputs)
  int threads;
};

#define DROPNORM_DENSE(instruction_set)                       \
  namespace instruction_set {                                 \
  void train(const DenseNets&, const DenseTraining&);         \
  void evaluate(const DenseNets&, const DenseEvaluation&);    \
  }

DROPNORM_DENSE(portable)
#ifdef DROPNORM_X86
DROPNORM_DENSE(avx2)
DROPNORM_DENSE(avx512)
#endif

}  // namespace dropnorm

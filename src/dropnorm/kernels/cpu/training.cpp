// What a training step of many nets does besides its layers: compiled once for each instruction set. Plain loops, which the
// compiler makes vectors of.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "lanes.hpp"
#include "training.hpp"

namespace dropnorm {
namespace {

int threads_for(int threads, int64_t values) {
  return static_cast<int>(std::min<int64_t>(threads, std::max<int64_t>(1, values / kValuesWorthAThread)));
}

template <class Value>
void gather_rows(const Gather& job) {
  const int64_t count = job.nets * job.batch, features = job.features;
  const auto* base = static_cast<const Value*>(job.base);
#pragma omp parallel for schedule(static) num_threads(threads_for(job.threads, count * features))
  for (int64_t i = 0; i < count; ++i) {
    const int64_t net = i / job.batch;
    const Value* from = base + job.row(i) * features;
    const float *factor = job.factor + job.seed[net] * features, *shift = job.shift + job.seed[net] * features;
    float* to = job.x + i * features;
    if (i + 1 < count) {
      const char* next = reinterpret_cast<const char*>(base + job.row(i + 1) * features);
      for (int64_t byte = 0; byte < features * int64_t{sizeof(Value)}; byte += 64) __builtin_prefetch(next + byte);
    }
    for (int64_t f = 0; f < features; ++f) {
      const float value = static_cast<float>(from[f]) * factor[f] + shift[f];
      const float low = value > -job.farthest ? value : -job.farthest, cut = low < job.farthest ? low : job.farthest;
      to[f] = value == value ? cut : 0.0f;
    }
  }
}

// e^(x - the row's largest), for a piece of rows at once: a row of few classes is shorter than a vector.
void softmax_rows(const SoftmaxGradient& job, int64_t first, int64_t last, std::vector<float>& powers) {
  using Vector = Lanes<float>;
  const int64_t classes = job.classes, count = (last - first) * classes;
  powers.resize((count + Vector::kCount - 1) / Vector::kCount * Vector::kCount);
  std::fill(powers.begin() + count, powers.end(), 0.0f);
  for (int64_t row = 0; row < last - first; ++row) {
    const float* from = job.outputs + (first + row) * classes;
    float largest = from[0];
    for (int64_t c = 1; c < classes; ++c) largest = std::max(largest, from[c]);
    for (int64_t c = 0; c < classes; ++c) powers[row * classes + c] = from[c] - largest;
  }
  for (size_t i = 0; i < powers.size(); i += Vector::kCount) {
    Vector lanes;
    std::memcpy(lanes.part, &powers[i], sizeof lanes.part);
    lanes = exponential(lanes);
    std::memcpy(&powers[i], lanes.part, sizeof lanes.part);
  }
  for (int64_t row = 0; row < last - first; ++row) {
    const float* power = &powers[row * classes];
    float* grad = job.grad + (first + row) * classes;
    float sum = 0.0f;
    for (int64_t c = 0; c < classes; ++c) sum += power[c];
    const float factor = job.scale / sum;
    for (int64_t c = 0; c < classes; ++c) grad[c] = power[c] * factor;
    grad[job.target[first + row]] -= job.scale;
  }
}

}  // namespace

namespace DROPNORM_ISA {

void gather(const Gather& job) { job.bytes ? gather_rows<uint8_t>(job) : gather_rows<float>(job); }

void softmax_gradient(const SoftmaxGradient& job) {
  const int64_t at_once = std::max<int64_t>(1, 2048 / job.classes), pieces = (job.rows + at_once - 1) / at_once;
#pragma omp parallel num_threads(threads_for(job.threads, 8 * job.rows * job.classes))
  {
    std::vector<float> powers;
#pragma omp for schedule(static)
    for (int64_t piece = 0; piece < pieces; ++piece)
      softmax_rows(job, piece * at_once, std::min((piece + 1) * at_once, job.rows), powers);
  }
}

void adam(const Adam& job) {
  constexpr int64_t kPiece = 4096;
  int64_t values = 0;
  for (const auto& each : job.parameters) values += each.size;
#pragma omp parallel num_threads(threads_for(job.threads, values))
  for (const auto& each : job.parameters) {
#pragma omp for schedule(static) nowait
    for (int64_t first = 0; first < each.size; first += kPiece) {
      const int64_t last = std::min(first + kPiece, each.size);
      float *__restrict value = each.value, *__restrict mean = each.mean, *__restrict square = each.square;
      const float* __restrict grad = each.grad;
      for (int64_t i = first; i < last; ++i) {
        const float g = grad[i], m = mean[i] + job.mean_share * (g - mean[i]);
        const float s = square[i] * job.square_kept + job.square_share * g * g;
        mean[i] = m;
        square[i] = s;
        value[i] -= job.step_size * m / (std::sqrt(s) * job.square_factor + job.eps);
      }
    }
  }
}

}  // namespace DROPNORM_ISA
}  // namespace dropnorm

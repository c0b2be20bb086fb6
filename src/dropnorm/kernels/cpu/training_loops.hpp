// The loops of a training step, over a piece of the work that one thread does. Plain ones, which the compiler makes vectors of.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "lanes.hpp"
#include "training.hpp"

namespace dropnorm {
namespace {

template <class Value>
inline void gather_row(const Table& table, int64_t row, int64_t next, int64_t seed, float* to) {
  const int64_t features = table.features;
  const Value *from = static_cast<const Value*>(table.base) + row * features;
  const char* ahead = static_cast<const char*>(table.base) + next * features * int64_t{sizeof(Value)};
  for (int64_t byte = 0; byte < features * int64_t{sizeof(Value)}; byte += 64) __builtin_prefetch(ahead + byte);
  const float *factor = table.factor + seed * features, *shift = table.shift + seed * features, farthest = table.farthest;
  for (int64_t f = 0; f < features; ++f) {
    const float value = static_cast<float>(from[f]) * factor[f] + shift[f];
    const float low = value > -farthest ? value : -farthest, cut = low < farthest ? low : farthest;
    to[f] = value == value ? cut : 0.0f;
  }
}

// One row of the table on a seed's scale; the next one is asked for meanwhile.
inline void gather_row(const Table& table, int64_t row, int64_t next, int64_t seed, float* to) {
  table.bytes ? gather_row<uint8_t>(table, row, next, seed, to) : gather_row<float>(table, row, next, seed, to);
}

// The gradient of scale times the cross-entropy of `count` rows: e^(x - the row's largest) for all of them at once, since a row of
// few classes is shorter than a vector.
inline void softmax_gradient_rows(const float* outputs, const int64_t* target, int64_t count, int64_t classes, float scale,
                                  float* grads, std::vector<float>& powers) {
  using Vector = Lanes<float>;
  const int64_t values = count * classes;
  powers.resize((values + Vector::kCount - 1) / Vector::kCount * Vector::kCount);
  std::fill(powers.begin() + values, powers.end(), 0.0f);
  for (int64_t row = 0; row < count; ++row) {
    const float* from = outputs + row * classes;
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
  for (int64_t row = 0; row < count; ++row) {
    const float* power = &powers[row * classes];
    float* grad = grads + row * classes;
    float sum = 0.0f;
    for (int64_t c = 0; c < classes; ++c) sum += power[c];
    const float factor = scale / sum;
    for (int64_t c = 0; c < classes; ++c) grad[c] = power[c] * factor;
    grad[target[row]] -= scale;
  }
}

inline void adam_values(const AdamStep& step, const Adam::Parameter& parameter, int64_t first, int64_t last) {
  float *__restrict value = parameter.value, *__restrict mean = parameter.mean, *__restrict square = parameter.square;
  const float* __restrict grad = parameter.grad;
  for (int64_t i = first; i < last; ++i) {
    const float g = grad[i], m = mean[i] + step.mean_share * (g - mean[i]);
    const float s = square[i] * step.square_kept + step.square_share * g * g;
    mean[i] = m;
    square[i] = s;
    value[i] -= step.step_size * m / (std::sqrt(s) * step.square_factor + step.eps);
  }
}

}  // namespace
}  // namespace dropnorm

// Running statistics: a few operations on each channel, which would cost a Python call each.
#pragma once

#include <cmath>
#include <cstdint>

#include "channels.hpp"

namespace dropnorm {

// The formula of torch.lerp, which is exact at both ends.
template <class T>
inline T towards(T from, T to, T share) {
  return share < T(0.5) ? std::fma(share, to - from, from) : std::fma(share - T(1), to - from, to);
}

// running = (1 - momentum) * running + momentum * new * factor, rounded once to the type in which it is kept. Many at once, since
// 16-bit floats are converted so.
template <class Value>
inline void move_towards(Value* running, const double* values, int64_t channels, typename Value::Compute momentum,
                         typename Value::Compute factor) {
  using T = typename Value::Compute;
  constexpr int64_t kCount = Lanes<T>::kCount;
  for (int64_t c = 0; c < channels; c += kCount) {
    const int64_t count = std::min(kCount, channels - c);
    T moved[kCount];
    Lanes<T> lanes = load(running + c, count);
    std::memcpy(moved, lanes.part, sizeof moved);
    for (int64_t i = 0; i < count; ++i) moved[i] = towards(moved[i], static_cast<T>(values[c + i]) * factor, momentum);
    std::memcpy(lanes.part, moved, sizeof moved);
    store(running + c, lanes, count);
  }
}

// Moves the mean, and the variance to var * correction. With `only_finite`, a batch whose statistics are not all finite changes
// nothing. Returns whether the batch counted.
template <class Value>
bool move_running(Value* running_mean, Value* running_var, const double* mean, const double* var, int64_t channels,
                  double momentum, double correction, bool only_finite) {
  using T = typename Value::Compute;
  if (only_finite)
    for (int64_t c = 0; c < channels; ++c)
      if (!std::isfinite(mean[c]) || !std::isfinite(var[c])) return false;
  move_towards(running_mean, mean, channels, static_cast<T>(momentum), T{1});
  move_towards(running_var, var, channels, static_cast<T>(momentum), static_cast<T>(correction));
  return true;
}

}  // namespace dropnorm

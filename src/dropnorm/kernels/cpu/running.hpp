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

// running = (1 - momentum) * running + momentum * new, for the mean and for var * correction, rounded once to the type in which
// they are kept. With `only_finite`, a batch whose statistics are not all finite changes nothing. Returns whether the batch
// counted.
template <class Value>
bool move_running(Value* running_mean, Value* running_var, const double* mean, const double* var, int64_t channels,
                  double momentum, double correction, bool only_finite) {
  using T = typename Value::Compute;
  if (only_finite)
    for (int64_t c = 0; c < channels; ++c)
      if (!std::isfinite(mean[c]) || !std::isfinite(var[c])) return false;
  const auto share = static_cast<T>(momentum), unbiased = static_cast<T>(correction);
  const auto move = [share](Value& running, T value) {
    store(&running, Lanes<T>(towards(number(running), value, share)), 1);
  };
  for (int64_t c = 0; c < channels; ++c) {
    move(running_mean[c], static_cast<T>(mean[c]));
    move(running_var[c], static_cast<T>(var[c]) * unbiased);
  }
  return true;
}

}  // namespace dropnorm

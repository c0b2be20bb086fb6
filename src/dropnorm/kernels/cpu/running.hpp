// Running statistics: a few operations on each channel, which would cost a Python call each.
#pragma once

#include <cmath>
#include <cstdint>

namespace dropnorm {

// The formula of torch.lerp, which is exact at both ends.
template <class T>
inline T towards(T from, T to, T share) {
  return share < T(0.5) ? std::fma(share, to - from, from) : std::fma(share - T(1), to - from, to);
}

// running = (1 - momentum) * running + momentum * new, for the mean and for var * correction. With `only_finite`, a batch whose
// statistics are not all finite changes nothing. Returns whether the batch counted.
template <class T>
bool move_running(T* running_mean, T* running_var, const double* mean, const double* var, int64_t channels, double momentum,
                  double correction, bool only_finite) {
  if (only_finite)
    for (int64_t c = 0; c < channels; ++c)
      if (!std::isfinite(mean[c]) || !std::isfinite(var[c])) return false;
  const auto share = static_cast<T>(momentum), unbiased = static_cast<T>(correction);
  for (int64_t c = 0; c < channels; ++c) {
    running_mean[c] = towards(running_mean[c], static_cast<T>(mean[c]), share);
    running_var[c] = towards(running_var[c], static_cast<T>(var[c]) * unbiased, share);
  }
  return true;
}

}  // namespace dropnorm

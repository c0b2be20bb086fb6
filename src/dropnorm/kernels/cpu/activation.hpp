// The activations between batch norm and dropout, and their derivatives.
#pragma once

#include "kernels.hpp"
#include "lanes.hpp"

namespace dropnorm {
namespace {

template <Activation kind, class T>
inline Lanes<T> activate(const Lanes<T>& z, const Lanes<T>& negative_slope) {
  const Lanes<T> zero(T{0}), one(T{1});
  if constexpr (kind == Activation::relu) return where_less(z, zero, zero, z);  // NaN stays
  if constexpr (kind == Activation::leaky_relu) return where_less(zero, z, z, z * negative_slope);
  if constexpr (kind == Activation::gelu) return z * normal_cdf(z, exponential(z * z * Lanes<T>(T{-0.5})));
  if constexpr (kind == Activation::silu) return z / (one + exponential(zero - z));
  return z;
}

// grad times the derivative at z.
template <Activation kind, class T>
inline Lanes<T> activation_gradient(const Lanes<T>& z, const Lanes<T>& grad, const Lanes<T>& negative_slope) {
  const Lanes<T> zero(T{0}), one(T{1});
  if constexpr (kind == Activation::relu) return where_less(zero, z, grad, zero);
  if constexpr (kind == Activation::leaky_relu) return where_less(zero, z, grad, grad * negative_slope);
  if constexpr (kind == Activation::gelu) {
    const Lanes<T> density = exponential(z * z * Lanes<T>(T{-0.5}));
    return grad * (normal_cdf(z, density) + z * density * Lanes<T>(T(0.39894228040143267794)));
  }
  if constexpr (kind == Activation::silu) {
    const Lanes<T> sigmoid = one / (one + exponential(zero - z));
    return grad * (sigmoid * (one + z * (one - sigmoid)));
  }
  return grad;
}

}  // namespace
}  // namespace dropnorm

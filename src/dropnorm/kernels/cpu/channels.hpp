// Parameters and their gradients, one number for each channel, in whatever type and stride the user keeps them.
#pragma once

#include <algorithm>

#include "kernels.hpp"
#include "values.hpp"

namespace dropnorm {
namespace {

// Calls body(pointer) with a pointer to the type of the values.
template <class Body>
inline void with_values(const PerChannel& values, Body body) {
  switch (values.dtype) {
    case Dtype::float32:
      return body(static_cast<Float32*>(values.data));
    case Dtype::float64:
      return body(static_cast<Float64*>(values.data));
    case Dtype::bfloat16:
      return body(static_cast<Bfloat16*>(values.data));
    case Dtype::float16:
      return body(static_cast<Float16*>(values.data));
  }
}

template <class T>
inline T number(const Same<T>& value) {
  return value.value;
}
template <class Value>
inline float number(const Value& value) {
  float lanes[Lanes<float>::kCount];
  std::memcpy(lanes, load(&value, 1).part, sizeof lanes);
  return lanes[0];
}

// The channels [c0, c1) of a group into `to`; where there are no values, `absent`.
template <class T>
inline void read_channels(const PerChannel& values, int64_t group, int64_t c0, int64_t c1, T absent, T* to) {
  if (!values.data) return std::fill(to + c0, to + c1, absent);
  with_values(values, [&](const auto* from) {
    from += group * values.group_stride;
    for (int64_t c = c0; c < c1; ++c) to[c] = static_cast<T>(number(from[c * values.channel_stride]));
  });
}

// The channels [c0, c1) of a group, rounded once to the type of `to`, if there is any.
inline void write_channels(const double* from, int64_t group, int64_t c0, int64_t c1, const PerChannel& to) {
  if (!to.data) return;
  with_values(to, [&](auto* values) {
    using Value = std::remove_pointer_t<decltype(values)>;
    using T = typename Value::Compute;
    values += group * to.group_stride;
    for (int64_t c = c0; c < c1; ++c) store(values + c * to.channel_stride, Lanes<T>(static_cast<T>(from[c])), 1);
  });
}

}  // namespace
}  // namespace dropnorm

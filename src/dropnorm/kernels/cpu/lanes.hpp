// Sixteen floats or eight doubles at once: one register of AVX-512, two of AVX2, four of the portable build. So sums are taken
// in one order everywhere, and all instruction sets agree to the bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512BW__)
constexpr int kPartBytes = 64;
#elif defined(__AVX2__)
constexpr int kPartBytes = 32;
#else
constexpr int kPartBytes = 16;
#endif

template <class T>
struct Lanes {
  static constexpr int kCount = 64 / sizeof(T), kParts = 64 / kPartBytes, kPerPart = kPartBytes / sizeof(T);
  using Integer = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
  typedef T Part __attribute__((vector_size(kPartBytes)));
  typedef Integer IntegerPart __attribute__((vector_size(kPartBytes)));
  Part part[kParts];

  Lanes() = default;
  // Every lane the same value.
  Lanes(T value) {
    for (auto& each : part) each = Part{} + value;
  }
};

template <class T>
inline Lanes<T> operator+(Lanes<T> a, const Lanes<T>& b) {
  for (int i = 0; i < Lanes<T>::kParts; ++i) a.part[i] += b.part[i];
  return a;
}
template <class T>
inline Lanes<T> operator-(Lanes<T> a, const Lanes<T>& b) {
  for (int i = 0; i < Lanes<T>::kParts; ++i) a.part[i] -= b.part[i];
  return a;
}
template <class T>
inline Lanes<T> operator*(Lanes<T> a, const Lanes<T>& b) {
  for (int i = 0; i < Lanes<T>::kParts; ++i) a.part[i] *= b.part[i];
  return a;
}
template <class T>
inline Lanes<T> operator/(Lanes<T> a, const Lanes<T>& b) {
  for (int i = 0; i < Lanes<T>::kParts; ++i) a.part[i] /= b.part[i];
  return a;
}

// a < b ? yes : no, lane by lane.
template <class T>
inline Lanes<T> where_less(const Lanes<T>& a, const Lanes<T>& b, Lanes<T> yes, const Lanes<T>& no) {
  for (int i = 0; i < Lanes<T>::kParts; ++i) yes.part[i] = a.part[i] < b.part[i] ? yes.part[i] : no.part[i];
  return yes;
}

// One bit for each lane: whether a < b, which nothing is to what is no number.
template <class T>
inline uint64_t less(const Lanes<T>& a, const Lanes<T>& b) {
#if defined(__AVX512BW__)
  if constexpr (sizeof(T) == 4)
    return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a.part[0]), reinterpret_cast<__m512>(b.part[0]), _CMP_LT_OQ);
  else
    return _mm512_cmp_pd_mask(reinterpret_cast<__m512d>(a.part[0]), reinterpret_cast<__m512d>(b.part[0]), _CMP_LT_OQ);
#else
  uint64_t bits = 0;
  for (int i = 0; i < Lanes<T>::kParts; ++i) {
    const auto found = a.part[i] < b.part[i];
#if defined(__AVX2__)
    uint64_t part;
    if constexpr (sizeof(T) == 4)
      part = _mm256_movemask_ps(reinterpret_cast<__m256>(found));
    else
      part = _mm256_movemask_pd(reinterpret_cast<__m256d>(found));
#else
    uint64_t part = 0;
    for (int j = 0; j < Lanes<T>::kPerPart; ++j) part |= uint64_t{found[j] != 0} << j;
#endif
    bits |= part << (i * Lanes<T>::kPerPart);
  }
  return bits;
#endif
}

// The lanes whose bit is set, zero in the others.
template <class T>
inline Lanes<T> keep(uint64_t bits, Lanes<T> a) {
#if defined(__AVX512BW__)
  if constexpr (sizeof(T) == 4)
    a.part[0] = reinterpret_cast<typename Lanes<T>::Part>(_mm512_maskz_mov_ps(static_cast<__mmask16>(bits), a.part[0]));
  else
    a.part[0] = reinterpret_cast<typename Lanes<T>::Part>(_mm512_maskz_mov_pd(static_cast<__mmask8>(bits), a.part[0]));
#else
  using Integer = typename Lanes<T>::Integer;
  using IntegerPart = typename Lanes<T>::IntegerPart;
  IntegerPart lane;
  for (int i = 0; i < Lanes<T>::kPerPart; ++i) lane[i] = Integer{1} << i;
  for (int i = 0; i < Lanes<T>::kParts; ++i) {
    const IntegerPart spread = IntegerPart{} + static_cast<Integer>(bits >> (i * Lanes<T>::kPerPart));
    a.part[i] = reinterpret_cast<typename Lanes<T>::Part>(reinterpret_cast<IntegerPart>(a.part[i]) & ((spread & lane) == lane));
  }
#endif
  return a;
}

// Folded by halves, as any instruction set can.
template <int kBytes, class T>
inline T folded(const T* value) {
  if constexpr (kBytes == sizeof(T)) {
    return *value;
  } else {
    typedef T Half __attribute__((vector_size(kBytes / 2)));
    Half low, high;
    std::memcpy(&low, value, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char*>(value) + sizeof low, sizeof high);
    low += high;
    return folded<kBytes / 2>(reinterpret_cast<const T*>(&low));
  }
}

template <class T>
inline T sum(const Lanes<T>& a) {
  return folded<64>(reinterpret_cast<const T*>(a.part));
}

// Sums over many rows are kept in double: two registers' worth for sixteen floats, one for eight doubles.
template <class T>
struct Wide {
  static constexpr int kCount = sizeof(double) / sizeof(T);
  Lanes<double> lanes[kCount];
};

inline Wide<double> widened(const Lanes<double>& a) { return {{a}}; }

inline Wide<float> widened(const Lanes<float>& a) {
#if defined(__AVX512BW__)
  Wide<float> wide;
  wide.lanes[0].part[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(a.part[0]));
  wide.lanes[1].part[0] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.part[0], 1));
  return wide;
#else
  typedef float Half __attribute__((vector_size(kPartBytes / 2)));
  constexpr int kParts = Lanes<double>::kParts;
  Wide<float> wide;
  for (int i = 0; i < 2 * kParts; ++i) {
    Half half;
    std::memcpy(&half, reinterpret_cast<const char*>(a.part) + i * sizeof half, sizeof half);
    wide.lanes[i / kParts].part[i % kParts] = __builtin_convertvector(half, Lanes<double>::Part);
  }
  return wide;
#endif
}

// e^x to about one unit in the last place (Cephes' expf: reduction by ln 2 in two parts, a polynomial of degree 6).
inline Lanes<float> exponential(Lanes<float> x) {
  using Part = Lanes<float>::Part;
  using IntegerPart = Lanes<float>::IntegerPart;
  for (auto& value : x.part) {
    value = value < -87.0f ? Part{} - 87.0f : value;
    value = value > 88.0f ? Part{} + 88.0f : value;
    const Part shifted = value * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: what is added lands in the low bits
    const Part whole = shifted - 12582912.0f;
    const Part rest = value - whole * 0.693359375f - whole * -2.12194440e-4f;
    Part series = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    series = series * rest + 8.3334519073e-3f;
    series = series * rest + 4.1665795894e-2f;
    series = series * rest + 1.6666665459e-1f;
    series = series * rest + 5.0000001201e-1f;
    series = series * rest * rest + rest + 1.0f;
    const IntegerPart power = (reinterpret_cast<IntegerPart>(shifted) - 0x4B400000 + 127) << 23;
    value = series * reinterpret_cast<Part>(power);
  }
  return x;
}

inline Lanes<double> exponential(Lanes<double> x) {
  for (auto& part : x.part)
    for (int i = 0; i < Lanes<double>::kPerPart; ++i) part[i] = std::exp(part[i]);
  return x;
}

// The standard normal distribution function, given density = e^(-z^2 / 2). In float the tail is Abramowitz & Stegun 7.1.26.
inline Lanes<float> normal_cdf(const Lanes<float>& z, const Lanes<float>& density) {
  const Lanes<float> zero(0.0f), one(1.0f), size = where_less(z, zero, zero - z, z);
  const Lanes<float> t = one / (one + size * Lanes<float>(0.3275911f * 0.70710678118654752f));
  Lanes<float> series = t * Lanes<float>(1.061405429f) - Lanes<float>(1.453152027f);
  series = series * t + Lanes<float>(1.421413741f);
  series = series * t - Lanes<float>(0.284496736f);
  series = series * t + Lanes<float>(0.254829592f);
  const Lanes<float> tail = series * t * density * Lanes<float>(0.5f);
  return where_less(z, zero, tail, one - tail);
}

inline Lanes<double> normal_cdf(Lanes<double> z, const Lanes<double>&) {
  for (auto& part : z.part)
    for (int i = 0; i < Lanes<double>::kPerPart; ++i) part[i] = 0.5 * std::erfc(part[i] * -0.70710678118654752440);
  return z;
}

}  // namespace

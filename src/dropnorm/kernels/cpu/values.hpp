// The four types in which tensors are stored: loaded into lanes of the type in which they compute, and rounded back.
#pragma once

#include "lanes.hpp"

namespace {

// 16-bit floats compute in float, the others in their own type: the accumulation type of the reference.
template <class T>
struct Same {
  using Compute = T;
  T value;
};
using Float32 = Same<float>;
using Float64 = Same<double>;
struct Bfloat16 {
  using Compute = float;
  uint16_t bits;
};
struct Float16 {
  using Compute = float;
  uint16_t bits;
};

template <class T>
inline Lanes<T> load(const Same<T>* from) {
  Lanes<T> lanes;
  std::memcpy(lanes.part, from, 64);
  return lanes;
}

template <class T>
inline void store(Same<T>* to, const Lanes<T>& lanes) {
  std::memcpy(to, lanes.part, 64);
}

inline Lanes<float> load(const Bfloat16* from) {
  Lanes<float> lanes;
#if defined(__AVX512BW__)
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  lanes.part[0] = reinterpret_cast<__m512>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + i);
    lanes.part[i] = reinterpret_cast<__m256>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
#else
  uint32_t wide[16];
  for (int i = 0; i < 16; ++i) wide[i] = uint32_t{from[i].bits} << 16;
  std::memcpy(lanes.part, wide, 64);
#endif
  return lanes;
}

// Round to nearest, ties to even; a NaN must not round to infinity, and torch has one NaN.
inline void store(Bfloat16* to, const Lanes<float>& lanes) {
#if defined(__AVX512BW__)
  const __m512i wide = reinterpret_cast<__m512i>(lanes.part[0]);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(wide, 16), _mm512_set1_epi32(1));
  __m512i even = _mm512_add_epi32(_mm512_add_epi32(wide, odd), _mm512_set1_epi32(0x7FFF));
  const __mmask16 nan = _mm512_cmp_ps_mask(lanes.part[0], lanes.part[0], _CMP_UNORD_Q);
  even = _mm512_mask_mov_epi32(even, nan, _mm512_set1_epi32(0x7FC00000));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(_mm512_srli_epi32(even, 16)));
#elif defined(__AVX2__)
  __m256i high[2];
  for (int i = 0; i < 2; ++i) {
    const __m256i wide = reinterpret_cast<__m256i>(lanes.part[i]);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(wide, 16), _mm256_set1_epi32(1));
    const __m256i even = _mm256_add_epi32(_mm256_add_epi32(wide, odd), _mm256_set1_epi32(0x7FFF));
    const __m256i nan = reinterpret_cast<__m256i>(_mm256_cmp_ps(lanes.part[i], lanes.part[i], _CMP_UNORD_Q));
    high[i] = _mm256_srli_epi32(_mm256_blendv_epi8(even, _mm256_set1_epi32(0x7FC00000), nan), 16);
  }
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(high[0], high[1]), 0xD8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
#else
  uint32_t wide[16];
  std::memcpy(wide, lanes.part, 64);
  for (int i = 0; i < 16; ++i) {
    const uint32_t even = wide[i] + 0x7FFFu + (wide[i] >> 16 & 1u);
    to[i].bits = static_cast<uint16_t>((wide[i] & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : even >> 16);
  }
#endif
}

inline Lanes<float> load(const Float16* from) {
  Lanes<float> lanes;
#if defined(__AVX512BW__)
  lanes.part[0] = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i)
    lanes.part[i] = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + i));
#else
  float wide[16];
  for (int i = 0; i < 16; ++i) {
    _Float16 value;
    std::memcpy(&value, from + i, sizeof value);
    wide[i] = static_cast<float>(value);
  }
  std::memcpy(lanes.part, wide, 64);
#endif
  return lanes;
}

inline void store(Float16* to, const Lanes<float>& lanes) {
#if defined(__AVX512BW__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(lanes.part[0], _MM_FROUND_TO_NEAREST_INT));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; ++i)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to) + i, _mm256_cvtps_ph(lanes.part[i], _MM_FROUND_TO_NEAREST_INT));
#else
  float wide[16];
  std::memcpy(wide, lanes.part, 64);
  for (int i = 0; i < 16; ++i) {
    const auto value = static_cast<_Float16>(wide[i]);
    std::memcpy(to + i, &value, sizeof value);
  }
#endif
}

// An output of as many bytes would throw everything else out of the caches, and goes past them.
constexpr int64_t kStreamedBytes = int64_t{8} << 20;

// Past the caches, into memory that begins at a multiple of the vector's size: for what is larger than they are, since an
// ordinary store first reads what it overwrites.
template <class Value>
inline void stream(Value* to, const Lanes<typename Value::Compute>& lanes) {
#if defined(__AVX2__)
  alignas(64) Value values[Lanes<typename Value::Compute>::kCount];
  store(values, lanes);
#if defined(__AVX512BW__)
  if constexpr (sizeof values == 64) return _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_load_si512(values));
#endif
  for (size_t i = 0; i < sizeof values / 32; ++i)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to) + i, _mm256_load_si256(reinterpret_cast<const __m256i*>(values) + i));
#else
  store(to, lanes);
#endif
}

// What was streamed is there for other threads from here on.
inline void finish_streams() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// The first `count` lanes, at most all; the others are zero, and their memory is not touched.
template <class Value>
inline auto load(const Value* from, int64_t count) {
  constexpr int64_t kCount = Lanes<typename Value::Compute>::kCount;
  if (count >= kCount) return load(from);
  Value part[kCount] = {};
  std::memcpy(part, from, count * sizeof(Value));
  return load(part);
}

template <class Value>
inline void store(Value* to, const Lanes<typename Value::Compute>& lanes, int64_t count) {
  constexpr int64_t kCount = Lanes<typename Value::Compute>::kCount;
  if (count >= kCount) return store(to, lanes);
  Value part[kCount];
  store(part, lanes);
  std::memcpy(to, part, count * sizeof(Value));
}

}  // namespace

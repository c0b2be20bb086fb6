// Philox4x32-7, one tile of 128 columns at a time, as dropnorm/random.py lays it out.
//
// A 64-bit lane holds one counter's word in its low half. A round then is, for each half of the counter, one widening
// multiplication, one shift and one exclusive or of three: the high half of the product is moved down where it is needed,
// and what remains above is never read (_mm*_mul_epu32 reads low halves only). Even and odd blocks are two chains, whose
// words are interleaved at the end, so that word w's 16-bit lanes are 32 neighbouring columns in order.
#pragma once

#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int kTileColumns = 128, kTileBlocks = 16, kRounds = 7;
constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;

struct Counter {
  uint64_t row;
  uint32_t site;
  uint64_t key;
};

#if defined(__AVX512BW__)

struct Lanes {
  using Vector = __m512i;
  static constexpr int kCounters = 8;
  static Vector blocks(uint32_t first) {
    return _mm512_add_epi64(_mm512_set1_epi64(first), _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0));
  }
  static Vector all(uint32_t value) { return _mm512_set1_epi64(value); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_epu32(a, b); }
  static Vector high(Vector a) { return _mm512_srli_epi64(a, 32); }
  static Vector xor3(Vector a, Vector b, Vector c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
  static Vector interleave(Vector even, Vector odd) {
    return _mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64(odd, 32));
  }
  static void store(uint16_t* to, Vector a) { _mm512_storeu_si512(to, a); }
};

#elif defined(__AVX2__)

struct Lanes {
  using Vector = __m256i;
  static constexpr int kCounters = 4;
  static Vector blocks(uint32_t first) {
    return _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_set_epi64x(6, 4, 2, 0));
  }
  static Vector all(uint32_t value) { return _mm256_set1_epi64x(value); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_epu32(a, b); }
  static Vector high(Vector a) { return _mm256_srli_epi64(a, 32); }
  static Vector xor3(Vector a, Vector b, Vector c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
  static Vector interleave(Vector even, Vector odd) {
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
  static void store(uint16_t* to, Vector a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a); }
};

#endif

// The four words of one counter.
inline void philox(uint32_t block, const Counter& counter, uint32_t words[4]) {
  uint32_t x0 = block, x1 = static_cast<uint32_t>(counter.row), x2 = static_cast<uint32_t>(counter.row >> 32),
           x3 = counter.site, k0 = static_cast<uint32_t>(counter.key), k1 = static_cast<uint32_t>(counter.key >> 32);
  for (int round = 0; round < kRounds; ++round, k0 += kWeyl0, k1 += kWeyl1) {
    const uint64_t product0 = uint64_t{kMultiplier0} * x0, product1 = uint64_t{kMultiplier1} * x2;
    x0 = static_cast<uint32_t>(product1 >> 32) ^ x1 ^ k0;
    x2 = static_cast<uint32_t>(product0 >> 32) ^ x3 ^ k1;
    x1 = static_cast<uint32_t>(product1);
    x3 = static_cast<uint32_t>(product0);
  }
  words[0] = x0, words[1] = x1, words[2] = x2, words[3] = x3;
}

// The 16-bit draw of a single column: the contract's formula, for ties.
inline uint16_t draw_at(int64_t column, const Counter& counter) {
  const auto inside = static_cast<int>(column % kTileColumns);
  const int word = inside / 32, lane = inside % 32 / 2, half = inside % 2;
  uint32_t words[4];
  philox(static_cast<uint32_t>(column / kTileColumns * kTileBlocks + lane), counter, words);
  return static_cast<uint16_t>(words[word] >> (16 * half));
}

// The 16-bit draws of the tile's 128 columns, in order.
inline void draw_tile(uint32_t tile, const Counter& counter, uint16_t* draws) {
#if defined(__AVX2__)
  using Vector = Lanes::Vector;
  for (int first = 0; first < kTileBlocks; first += 2 * Lanes::kCounters) {
    const uint32_t block = tile * kTileBlocks + first;
    Vector x0[2] = {Lanes::blocks(block), Lanes::blocks(block + 1)}, x1[2], x2[2], x3[2];
    for (int odd = 0; odd < 2; ++odd) {
      x1[odd] = Lanes::all(static_cast<uint32_t>(counter.row));
      x2[odd] = Lanes::all(static_cast<uint32_t>(counter.row >> 32));
      x3[odd] = Lanes::all(counter.site);
    }
    const Vector multiplier0 = Lanes::all(kMultiplier0), multiplier1 = Lanes::all(kMultiplier1);
    auto k0 = static_cast<uint32_t>(counter.key), k1 = static_cast<uint32_t>(counter.key >> 32);
    for (int round = 0; round < kRounds; ++round, k0 += kWeyl0, k1 += kWeyl1) {
      for (int odd = 0; odd < 2; ++odd) {
        const Vector product0 = Lanes::multiply(x0[odd], multiplier0), product1 = Lanes::multiply(x2[odd], multiplier1);
        x0[odd] = Lanes::xor3(Lanes::high(product1), x1[odd], Lanes::all(k0));
        x2[odd] = Lanes::xor3(Lanes::high(product0), x3[odd], Lanes::all(k1));
        x1[odd] = product1;
        x3[odd] = product0;
      }
    }
    uint16_t* to = draws + 2 * first;
    Lanes::store(to, Lanes::interleave(x0[0], x0[1]));
    Lanes::store(to + 32, Lanes::interleave(x1[0], x1[1]));
    Lanes::store(to + 64, Lanes::interleave(x2[0], x2[1]));
    Lanes::store(to + 96, Lanes::interleave(x3[0], x3[1]));
  }
#else
  for (int lane = 0; lane < kTileBlocks; ++lane) {
    uint32_t words[4];
    philox(tile * kTileBlocks + lane, counter, words);
    for (int word = 0; word < 4; ++word) {
      draws[32 * word + 2 * lane] = static_cast<uint16_t>(words[word]);
      draws[32 * word + 2 * lane + 1] = static_cast<uint16_t>(words[word] >> 16);
    }
  }
#endif
}

}  // namespace

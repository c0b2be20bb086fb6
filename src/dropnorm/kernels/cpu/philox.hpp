// Philox4x32-7, one tile of 128 columns at a time, as dropnorm/random.py lays it out.
//
// A 64-bit lane holds one counter's word in its low half. A round then is, for each half of the counter, one widening
// multiplication, one move of the product's high half down to where it is needed, and one exclusive or of three; what remains
// above is never read (_mm*_mul_epu32 reads low halves only). Even and odd blocks are two chains, whose words are interleaved
// at the end, so that word w's 16-bit lanes are 32 neighbouring columns in order, and one comparison decides them all.
#pragma once

#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int kTileColumns = 128, kTileBlocks = 16, kRounds = 7;
constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
constexpr uint32_t kTieSite = 1u << 31;

// The key of each round, computed once for all tiles; as wide as a lane, so that it is broadcast straight from memory.
struct Schedule {
  uint64_t k0[kRounds], k1[kRounds];

  explicit Schedule(uint64_t key) {
    auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < kRounds; ++round, low += kWeyl0, high += kWeyl1) k0[round] = low, k1[round] = high;
  }
};

#if defined(__AVX512BW__)

struct Words {
  using Vector = __m512i;
  static constexpr int kCounters = 8, kColumns = 32;
  static Vector blocks(uint32_t first) {
    return _mm512_add_epi64(_mm512_set1_epi64(first), _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0));
  }
  static Vector load(const uint64_t* from) { return _mm512_loadu_si512(from); }
  static void store(uint64_t* to, Vector a) { _mm512_storeu_si512(to, a); }
  static Vector all(uint64_t value) { return _mm512_set1_epi64(value); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_epu32(a, b); }
  // A shuffle, since shifts and multiplications share a port of the processor.
  static Vector high(Vector a) { return _mm512_shuffle_epi32(a, _MM_PERM_DDBB); }
  static Vector xor3(Vector a, Vector b, Vector c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
  static Vector interleave(Vector even, Vector odd) {
    return _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
  }
  static uint64_t at_least(Vector a, uint16_t limit) { return _mm512_cmpge_epu16_mask(a, _mm512_set1_epi16(limit)); }
  static uint64_t equal(Vector a, uint16_t value) { return _mm512_cmpeq_epi16_mask(a, _mm512_set1_epi16(value)); }
};

#elif defined(__AVX2__)

struct Words {
  using Vector = __m256i;
  static constexpr int kCounters = 4, kColumns = 16;
  static Vector blocks(uint32_t first) {
    return _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_set_epi64x(6, 4, 2, 0));
  }
  static Vector load(const uint64_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
  static void store(uint64_t* to, Vector a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a); }
  static Vector all(uint64_t value) { return _mm256_set1_epi64x(value); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_epu32(a, b); }
  static Vector high(Vector a) { return _mm256_shuffle_epi32(a, 0xF5); }
  static Vector xor3(Vector a, Vector b, Vector c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
  static Vector interleave(Vector even, Vector odd) {
    return _mm256_blend_epi32(even, _mm256_shuffle_epi32(odd, 0xA0), 0xAA);
  }
  static uint64_t bits(Vector lanes) {
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    return static_cast<uint16_t>(_mm_movemask_epi8(bytes));
  }
  static uint64_t at_least(Vector a, uint16_t limit) {
    return bits(_mm256_cmpeq_epi16(_mm256_max_epu16(a, _mm256_set1_epi16(static_cast<int16_t>(limit))), a));
  }
  static uint64_t equal(Vector a, uint16_t value) {
    return bits(_mm256_cmpeq_epi16(a, _mm256_set1_epi16(static_cast<int16_t>(value))));
  }
};

#endif

#if defined(__AVX2__)

// Several chains at once, round by round: one's multiplications fill the time in which another waits for its own.
template <int kChains>
inline void rounds(Words::Vector x[kChains][4], const Schedule& key) {
  const Words::Vector multiplier0 = Words::all(kMultiplier0), multiplier1 = Words::all(kMultiplier1);
#pragma GCC unroll 7
  for (int round = 0; round < kRounds; ++round) {
    const Words::Vector k0 = Words::all(key.k0[round]), k1 = Words::all(key.k1[round]);
#pragma GCC unroll 4
    for (int i = 0; i < kChains; ++i) {
      const Words::Vector product0 = Words::multiply(x[i][0], multiplier0), product1 = Words::multiply(x[i][2], multiplier1);
      x[i][0] = Words::xor3(Words::high(product1), x[i][1], k0);
      x[i][2] = Words::xor3(Words::high(product0), x[i][3], k1);
      x[i][1] = product1;
      x[i][3] = product0;
    }
  }
}

// Which columns of a tile have a draw of at least the limit, and which one equal to it.
struct Verdict {
  uint64_t at_least[2] = {}, equal[2] = {};
};

template <int kTiles>
inline void decide(uint32_t first_block, uint64_t row, uint32_t site, const Schedule& key, uint16_t limit, Verdict verdict[kTiles]) {
  // A pair of chains, of even and of odd blocks, gives a tile or half of one.
  constexpr int kPairBlocks = 2 * Words::kCounters, kHalves = kTileBlocks / kPairBlocks;
  constexpr int kPairs = kHalves == 1 ? kTiles : 1;
  for (int first = 0; first < kTiles * kHalves; first += kPairs) {
    Words::Vector x[2 * kPairs][4];
    for (int i = 0; i < 2 * kPairs; ++i) {
      x[i][0] = Words::blocks(first_block + kPairBlocks * (first + i / 2) + i % 2);
      x[i][1] = Words::all(static_cast<uint32_t>(row)), x[i][2] = Words::all(row >> 32), x[i][3] = Words::all(site);
    }
    rounds<2 * kPairs>(x, key);
    for (int pair = 0; pair < kPairs; ++pair) {
      Verdict& tile = verdict[(first + pair) / kHalves];
      for (int word = 0; word < 4; ++word) {
        const Words::Vector draws = Words::interleave(x[2 * pair][word], x[2 * pair + 1][word]);
        const int shift = 32 * (word % 2) + (first + pair) % kHalves * Words::kColumns;
        tile.at_least[word / 2] |= Words::at_least(draws, limit) << shift;
        tile.equal[word / 2] |= Words::equal(draws, limit) << shift;
      }
    }
  }
}

#endif

// The four words of one counter.
inline void philox(uint32_t block, uint64_t row, uint32_t site, const Schedule& key, uint32_t x[4]) {
  x[0] = block, x[1] = static_cast<uint32_t>(row), x[2] = static_cast<uint32_t>(row >> 32), x[3] = site;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * x[0], product1 = uint64_t{kMultiplier1} * x[2];
    x[0] = static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ static_cast<uint32_t>(key.k0[round]);
    x[2] = static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ static_cast<uint32_t>(key.k1[round]);
    x[1] = static_cast<uint32_t>(product1);
    x[3] = static_cast<uint32_t>(product0);
  }
}

// The 16-bit draw of a single column: the contract's formula, for ties.
inline uint16_t draw_at(int64_t column, uint64_t row, uint32_t site, const Schedule& key) {
  const auto inside = static_cast<int>(column % kTileColumns);
  const int word = inside / 32, lane = inside % 32 / 2, half = inside % 2;
  uint32_t words[4];
  philox(static_cast<uint32_t>(column / kTileColumns * kTileBlocks + lane), row, site, key, words);
  return static_cast<uint16_t>(words[word] >> (16 * half));
}

// Two words for each tile: bit c is set where the draw of the tile's column c is at least `limit`. Calls tied(i, ties) for a
// tile i, from the first, in which two words of bits say that draws are equal to the limit.
template <class Tied>
inline void decide_tiles(uint32_t first, int64_t tiles, uint64_t row, uint32_t site, const Schedule& key, uint16_t limit,
                         uint64_t* keep, Tied tied) {
#if defined(__AVX2__)
  const auto take = [&](int64_t i, const Verdict& verdict) {
    keep[2 * i] = verdict.at_least[0], keep[2 * i + 1] = verdict.at_least[1];
    if (verdict.equal[0] | verdict.equal[1]) tied(i, verdict.equal);
  };
  int64_t i = 0;
  for (; i + 2 <= tiles; i += 2) {
    Verdict verdict[2];
    decide<2>((first + static_cast<uint32_t>(i)) * kTileBlocks, row, site, key, limit, verdict);
    take(i, verdict[0]), take(i + 1, verdict[1]);
  }
  if (i < tiles) {
    Verdict verdict[1];
    decide<1>((first + static_cast<uint32_t>(i)) * kTileBlocks, row, site, key, limit, verdict);
    take(i, verdict[0]);
  }
#else
  for (int64_t i = 0; i < tiles; ++i, keep += 2) {
    uint64_t ties[2] = {};
    keep[0] = keep[1] = 0;
    for (int lane = 0; lane < kTileBlocks; ++lane) {
      uint32_t words[4];
      philox((first + static_cast<uint32_t>(i)) * kTileBlocks + lane, row, site, key, words);
      for (int word = 0; word < 4; ++word) {
        for (int half = 0; half < 2; ++half) {
          const auto draw = static_cast<uint16_t>(words[word] >> (16 * half));
          const int column = 32 * word + 2 * lane + half;
          keep[column / 64] |= uint64_t{draw >= limit} << (column % 64);
          ties[column / 64] |= uint64_t{draw == limit} << (column % 64);
        }
      }
    }
    if (ties[0] | ties[1]) tied(i, ties);
  }
#endif
}

}  // namespace

// Whom to keep, as bits: of a stretch of one row's columns, of many narrow rows, of a sample of a tensor.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels.hpp"
#include "philox.hpp"

namespace dropnorm {
namespace {

// Columns of a row that are decided at once where memory is worked on meanwhile, two tiles; and positions of a sample.
constexpr int64_t kStrip = 2 * kTileColumns, kPositions = 1024;

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The 64 bits from `position` on, of a stream that has a spare word behind its last bit.
inline uint64_t bits_at(const uint64_t* words, int64_t position) {
  const uint64_t* word = words + position / 64;
  const int shift = static_cast<int>(position % 64);
  return shift ? word[0] >> shift | word[1] << (64 - shift) : word[0];
}

inline void set_bits(uint64_t* words, int64_t first, int64_t count, uint64_t bits) {
  if (count < 64) bits &= (uint64_t{1} << count) - 1;
  const int shift = static_cast<int>(first % 64);
  words[first / 64] |= bits << shift;
  if (shift + count > 64) words[first / 64 + 1] |= bits >> (64 - shift);
}

// One group's decisions about its rows.
class Decisions {
 public:
  Decisions(const Mask& mask, int64_t group)
      : key_(mask.of(group).key), threshold_(mask.of(group).threshold), site_(mask.site), row_(mask.row) {}

  bool all_kept() const { return threshold_ == 0; }
  bool all_dropped() const { return threshold_ >> 32; }

  // The bits of the columns [first, last) of a sample; the bit of column c is number c - first / 128 * 128. Whole tiles are
  // written.
  void columns(int64_t sample, int64_t first, int64_t last, uint64_t* words) const {
    const int64_t tile = first / kTileColumns, tiles = ceil_div(last, kTileColumns) - tile;
    if (all_kept() || all_dropped()) {
      std::fill_n(words, 2 * tiles, all_kept() ? ~uint64_t{0} : 0);
      return;
    }
    const uint64_t row = mask_row(sample);
    const auto tied = [&](int64_t i, const uint64_t ties[2]) {
      for (int half = 0; half < 2; ++half)
        words[2 * i + half] = settled(words[2 * i + half], ties[half], (tile + i) * kTileColumns + 64 * half, row);
    };
    decide_tiles(static_cast<uint32_t>(tile), tiles, row, site_, key_, static_cast<uint16_t>(threshold_ >> 16), words, tied);
  }

  // One word for each of `count` samples of at most 16 columns, which need so few of a tile's blocks that several rows go
  // through the generator at once.
  void narrow(int64_t sample, int64_t count, int columns, uint64_t* words) const {
#if defined(__AVX2__)
    if (!all_kept() && !all_dropped()) {
      const int lanes = (columns + 1) / 2, at_once = kTileBlocks / lanes;
      for (int64_t i = 0; i < count; i += at_once) {
        const int rows = static_cast<int>(std::min<int64_t>(at_once, count - i));
        uint64_t block[kTileBlocks] = {}, low[kTileBlocks] = {}, high[kTileBlocks] = {}, draw[kTileBlocks];
        for (int r = 0; r < rows; ++r) {
          const uint64_t row = mask_row(sample + i + r);
          for (int lane = 0; lane < lanes; ++lane)
            block[r * lanes + lane] = lane, low[r * lanes + lane] = row & 0xFFFFFFFFu, high[r * lanes + lane] = row >> 32;
        }
        for (int first = 0; first < rows * lanes; first += Words::kCounters) {
          Words::Vector x[1][4] = {
              {Words::load(block + first), Words::load(low + first), Words::load(high + first), Words::all(site_)}};
          rounds<1>(x, key_);
          Words::store(draw + first, x[0][0]);
        }
        const uint32_t limit = threshold_ >> 16;
        for (int r = 0; r < rows; ++r) {
          uint64_t keep = 0, ties = 0;
          for (int lane = 0; lane < lanes; ++lane) {
            const uint32_t both = static_cast<uint32_t>(draw[r * lanes + lane]), first = both & 0xFFFFu, second = both >> 16;
            keep |= uint64_t{first >= limit} << (2 * lane) | uint64_t{second >= limit} << (2 * lane + 1);
            ties |= uint64_t{first == limit} << (2 * lane) | uint64_t{second == limit} << (2 * lane + 1);
          }
          words[i + r] = ties ? settled(keep, ties, 0, mask_row(sample + i + r)) : keep;
        }
      }
      return;
    }
#endif
    for (int64_t i = 0; i < count; ++i) {
      uint64_t tile[2] = {};
      this->columns(sample + i, 0, columns, tile);
      words[i] = tile[0];
    }
  }

 private:
  Schedule key_;
  uint64_t threshold_;
  uint32_t site_;
  const int64_t* row_;

  uint64_t mask_row(int64_t sample) const { return static_cast<uint64_t>(row_ ? row_[sample] : sample); }

  // A tie with the threshold's high half is settled by a second draw against its low half.
  uint64_t settled(uint64_t keep, uint64_t ties, int64_t first, uint64_t row) const {
    const uint64_t low = threshold_ & 0xFFFFu;
    for (; ties && low; ties &= ties - 1) {
      const int column = __builtin_ctzll(ties);
      if (draw_at(first + column, row, site_ | kTieSite, key_) < low) keep &= ~(uint64_t{1} << column);
    }
    return keep;
  }
};

// The decisions about channels [c0, c1) and positions [s0, s1) of one sample.
class SampleBits {
 public:
  // Calls ahead(c) before channel c's part is decided.
  template <class Ahead>
  void fill(const Decisions& decisions, const Layout& layout, bool channelwise, int64_t sample, int64_t c0, int64_t c1,
            int64_t s0, int64_t s1, Ahead ahead) {
    channelwise_ = channelwise;
    const int64_t positions = channelwise ? 1 : layout.positions;
    if (channelwise) s0 = 0, s1 = 1;
    if (s0 == 0 && s1 == positions) {
      const int64_t first = c0 * positions, last = c1 * positions;
      // Bit (c, s) is number c * pitch + s + offset.
      pitch_ = positions, offset_ = -(first / kTileColumns * kTileColumns);
      words_.resize(2 * (last / kTileColumns + 1 - first / kTileColumns) + 2);
      return decisions.columns(sample, first, last, words_.data());
    }
    // A part of each channel: each begins in a tile of its own, and is moved to where that tile's bits begin.
    const int64_t words = 2 * ((s1 - s0) / kTileColumns + 2);
    pitch_ = 64 * words, offset_ = -c0 * pitch_ - s0;
    words_.assign((c1 - c0) * words + 2, 0);
    part_.resize(words + 2);
    for (int64_t c = c0; c < c1; ++c) {
      ahead(c);
      const int64_t first = c * positions + s0, last = c * positions + s1;
      decisions.columns(sample, first, last, part_.data());
      for (int64_t i = 0; i < ceil_div(s1 - s0, 64); ++i)
        words_[(c - c0) * words + i] = bits_at(part_.data(), first % kTileColumns + 64 * i);
    }
  }

  // The bits of channel c from position s on; of a channel that is decided as a whole, the lowest alone counts.
  uint64_t at(int64_t c, int64_t s) const { return bits_at(words(), bit(c, s)); }
  int64_t bit(int64_t c, int64_t s) const { return c * pitch_ + (channelwise_ ? 0 : s) + offset_; }
  const uint64_t* words() const { return words_.data(); }

 private:
  bool channelwise_;
  int64_t pitch_, offset_;
  std::vector<uint64_t> words_, part_;
};

typedef uint64_t EightWords __attribute__((vector_size(64)));

// One step within registers: words `width` apart swap the halves that lie on the other side of the diagonal.
template <int width>
inline void swap_inside(EightWords& words, uint64_t mask) {
  const EightWords lane = {0, 1, 2, 3, 4, 5, 6, 7}, partner = lane ^ uint64_t{width};
  const EightWords low = (lane & uint64_t{width}) == EightWords{};
  const EightWords swap = ((words >> uint64_t{width}) ^ __builtin_shuffle(words, partner)) & mask & low;
  words ^= (swap << uint64_t{width}) ^ __builtin_shuffle(swap, partner);
}

// Bit j of word i becomes bit i of word j (Warren 2013, Hacker's Delight, section 7-3).
inline void transpose(uint64_t words[64]) {
  EightWords eight[8];
  std::memcpy(eight, words, sizeof eight);
  uint64_t mask = 0x00000000FFFFFFFFull;
  for (int width = 32; width >= 8; width >>= 1, mask ^= mask << width) {
    for (int i = 0; i < 8; ++i) {
      if (i & (width / 8)) continue;
      EightWords &low = eight[i], &high = eight[i + width / 8];
      const EightWords swap = ((low >> static_cast<uint64_t>(width)) ^ high) & mask;
      low ^= swap << static_cast<uint64_t>(width);
      high ^= swap;
    }
  }
  for (auto& each : eight) {
    swap_inside<4>(each, 0x0F0F0F0F0F0F0F0Full);
    swap_inside<2>(each, 0x3333333333333333ull);
    swap_inside<1>(each, 0x5555555555555555ull);
  }
  std::memcpy(words, eight, sizeof eight);
}

// The decisions about up to 64 rows of a tensor whose channels come last: row q is position q % positions of its sample.
class RowBits {
 public:
  static constexpr int kRows = 64;
  struct Scratch;

  // Channels [c0, c1), c0 a multiple of 128. Where units of several positions are dropped one by one, the rows are of one
  // sample, and `sample` holds its bits, which lie the other way.
  template <class Ahead>
  void fill(const Decisions& decisions, const Layout& layout, bool channelwise, const SampleBits& sample, int64_t q0,
            int64_t rows, int64_t c0, int64_t c1, Ahead ahead) {
    first_ = c0, pitch_ = 2 * ceil_div(c1 - c0, kTileColumns);
    words_.resize(kRows * pitch_);
    if (layout.positions > 1 && !channelwise) {
      uint64_t block[64];
      for (int64_t c = c0; c < c1; c += 64) {
        for (int64_t i = 0; i < 64; ++i) block[i] = c + i < c1 ? sample.at(c + i, q0 % layout.positions) : 0;
        transpose(block);
        for (int64_t row = 0; row < rows; ++row) words_[row * pitch_ + (c - c0) / 64] = block[row];
      }
      return;
    }
    if (layout.positions == 1 && layout.channels <= 16) {
      uint64_t narrow[kRows];
      decisions.narrow(q0, rows, static_cast<int>(layout.channels), narrow);
      for (int64_t row = 0; row < rows; ++row) words_[row * pitch_] = narrow[row];
      return;
    }
    for (int64_t row = 0; row < rows; ++row) {
      uint64_t* words = words_.data() + row * pitch_;
      ahead(row);
      // A division takes as long as a tile.
      if (layout.positions == 1)
        decisions.columns(q0 + row, c0, c1, words);
      else if (row && (q0 + row) % layout.positions)
        std::copy_n(words - pitch_, pitch_, words);
      else
        decisions.columns((q0 + row) / layout.positions, c0, c1, words);
    }
  }

  // The word that holds the bit of row `row`, from the first, and channel c, as bit c % 64; that of the next row is a pitch on.
  const uint64_t* words(int64_t row, int64_t c) const { return words_.data() + row * pitch_ + (c - first_) / 64; }
  int64_t pitch() const { return pitch_; }

 private:
  int64_t first_, pitch_;
  std::vector<uint64_t> words_;
};

struct RowBits::Scratch {
  SampleBits sample;
  RowBits bits;
};

// Calls body(q, rows, c0, c1, bits, first): channels [c0, c1) of the rows q ... q + rows - 1, at most kAtOnce, whose bits begin
// at row `first` of `bits`; and before it decides about a row, ahead(q, c0, c1) for a row that comes next: deciding takes as long as
// memory does, and what is asked for meanwhile is there in time.
template <int64_t kAtOnce, class Ahead, class Body>
void for_rows(const Decisions& decisions, const Layout& layout, bool channelwise, int64_t q0, int64_t q1, int64_t c0,
              int64_t c1, RowBits::Scratch& scratch, Ahead ahead, Body body) {
  auto& [sample, bits] = scratch;
  if (decisions.all_kept() || decisions.all_dropped()) {  // the same bits for all rows
    bits.fill(decisions, layout, true, sample, q0, kAtOnce, c0, c1, [](int64_t) {});
    for (int64_t q = q0; q < q1; q += kAtOnce) body(q, std::min(kAtOnce, q1 - q), c0, c1, bits, 0);
    return;
  }
  if (layout.positions == 1 || channelwise) {
    // Strip by strip, so that what is written can leave while the next one is decided.
    const int64_t strip = layout.positions == 1 ? kStrip : c1 - c0;
    for (int64_t q = q0; q < q1; q += kAtOnce) {
      const int64_t rows = std::min(kAtOnce, q1 - q);
      for (int64_t c = c0; c < c1; c += strip) {
        const int64_t end = std::min(c + strip, c1), next = end < c1 ? end : c0, next_end = std::min(next + strip, c1);
        const int64_t next_q = end < c1 ? q : q + kAtOnce;
        bits.fill(decisions, layout, channelwise, sample, q, rows, c, end, [&](int64_t row) {
          if (next_q + row < q1) ahead(next_q + row, next, next_end);
        });
        body(q, rows, c, end, bits, 0);
      }
    }
    return;
  }
  // The bits of a sample lie the other way: many positions of all channels at once are decided, and some of them turned around.
  for (int64_t q = q0; q < q1;) {
    const int64_t s = q % layout.positions, last = std::min({layout.positions, s + kPositions, s + q1 - q});
    sample.fill(decisions, layout, false, q / layout.positions, c0, c1, s, last, [&](int64_t c) {
      for (int64_t i = (last - s) * (c - c0) / (c1 - c0); i < (last - s) * (c + 1 - c0) / (c1 - c0); ++i) ahead(q + i, c0, c1);
    });
    for (const int64_t filled = q + last - s; q < filled;) {
      const int64_t end = std::min(filled, q + RowBits::kRows);
      bits.fill(decisions, layout, false, sample, q, end - q, c0, c1, [](int64_t) {});
      for (int64_t first = 0; first < end - q; first += kAtOnce)
        body(q + first, std::min(kAtOnce, end - q - first), c0, c1, bits, first);
      q = end;
    }
  }
}

}  // namespace
}  // namespace dropnorm

// How a pass goes over a tensor: in runs of vectors whose lanes belong to the same channels.
#pragma once

#include "mask.hpp"
#include "moments.hpp"

// A body that is called in two places is not inlined otherwise, and its run is then passed through memory.
#define DROPNORM_INLINE __attribute__((always_inline))

namespace dropnorm {
namespace {

// A block of a group's values, and the channels [c0, c1) in it.
struct Task {
  int64_t group, block, c0, c1;
};

// Channels last: a vector is neighbouring channels from c on, and the run goes down the rows. `whole` vectors need no count.
template <class T, bool whole>
struct RowRun {
  const uint64_t* decided;
  int64_t c, left, first, channels, q, pitch;
  int shift;
  int64_t size;

  int64_t offset(int64_t i) const { return first + i * channels; }
  // The vector's number among all of the tensor's.
  int64_t number(int64_t i) const { return (q + i) * ceil_div(channels, Lanes<T>::kCount) + c / Lanes<T>::kCount; }
  int64_t values(int64_t) const { return whole ? int64_t{Lanes<T>::kCount} : left; }
  uint64_t bits(int64_t i) const { return decided[i * pitch] >> shift; }
  // The lanes whose position counts: a row's position is all lanes'.
  uint64_t counted(const uint8_t* positions, int64_t i) const { return positions[q + i] ? ~uint64_t{0} : 0; }
  Lanes<T> parameter(const T* of_channels) const { return load(reinterpret_cast<const Same<T>*>(of_channels + c)); }
  void add(double* to_channels, const Lanes<T>& lanes) const {
    const Wide<T> wide = widened(lanes);
    for (int i = 0; i < Wide<T>::kCount; ++i) {
      auto* to = reinterpret_cast<Same<double>*>(to_channels + c + 8 * i);
      store(to, load(to) + wide.lanes[i]);
    }
  }
};

// Channels first: a vector is neighbouring positions of channel c, and the run goes along them.
template <class T, bool whole>
struct PlaneRun {
  const uint64_t* decided;
  int64_t c, left, first, q, first_bit, step, first_number;
  int64_t size;

  int64_t offset(int64_t i) const { return first + i * Lanes<T>::kCount; }
  int64_t number(int64_t i) const { return first_number + i; }
  int64_t values(int64_t i) const { return whole ? int64_t{Lanes<T>::kCount} : left - i * Lanes<T>::kCount; }
  // A channel that is decided as a whole has one bit, which all lanes read: no step.
  uint64_t bits(int64_t i) const {
    return step ? bits_at(decided, first_bit + i * step) : -(decided[first_bit / 64] >> (first_bit % 64) & 1);
  }
  uint64_t counted(const uint8_t* positions, int64_t i) const {
    uint64_t bits = 0;
    const int64_t count = std::min<int64_t>(values(i), Lanes<T>::kCount);
    for (int64_t j = 0; j < count; ++j) bits |= uint64_t{positions[q + i * Lanes<T>::kCount + j] != 0} << j;
    return bits;
  }
  Lanes<T> parameter(const T* of_channels) const { return Lanes<T>(of_channels[c]); }
  void add(double* to_channels, const Lanes<T>& lanes) const { to_channels[c] += sum(lanes); }
};

// The blocks into which a tensor is cut, by its shape alone.
class Blocks {
  static constexpr int64_t kBlockRows = 256, kMostOfRows = 64, kRowChannels = 2048, kValues = 16384, kPlaneColumns = 1024, kAlong = 32;

 public:
  explicit Blocks(const Layout& layout)
      : layout_(layout), by_rows_(layout.channels_last || layout.positions == 1) {
    if (by_rows_) {
      rows_ = std::max(kBlockRows, ceil_div(ceil_div(layout.rows(), kMostOfRows), kChunk) * kChunk);
      count_ = ceil_div(layout.rows(), rows_);
      channels_ = kRowChannels;
    } else {
      segments_ = ceil_div(layout.positions, kValues);
      samples_ = std::max<int64_t>(1, kValues / layout.positions);
      count_ = ceil_div(layout.samples, samples_) * segments_;
      channels_ = std::max<int64_t>(2, ceil_div(kPlaneColumns, layout.positions));
    }
    parts_ = ceil_div(layout.channels, channels_);
  }

  bool by_rows() const { return by_rows_; }
  // Positions of a block's stretch, where channels come first; the last of a sample may have fewer.
  int64_t segment() const { return ceil_div(layout_.positions, segments_); }
  // How many vectors of so many lanes all runs have.
  int64_t vectors(int64_t lanes) const {
    const int64_t of_rows = layout_.rows() * ceil_div(layout_.channels, lanes);
    const int64_t of_planes = layout_.samples * layout_.channels * segments_ * ceil_div(segment(), lanes);
    return layout_.groups * (by_rows_ ? of_rows : of_planes);
  }
  int64_t count() const { return count_; }
  int64_t tasks() const { return layout_.groups * count_ * parts_; }
  Task task(int64_t index) const {
    const int64_t c0 = index % parts_ * channels_;
    return {index / parts_ / count_, index / parts_ % count_, c0, std::min(c0 + channels_, layout_.channels)};
  }

  // The rows [first, last) of a block, where channels come last.
  std::pair<int64_t, int64_t> rows(const Task& task) const {
    return {task.block * rows_, std::min((task.block + 1) * rows_, layout_.rows())};
  }

  // Calls body(sample, s0, s1) for the stretches of positions of a block, where channels come first.
  template <class Body>
  void stretches(const Task& task, Body body) const {
    const int64_t n0 = task.block / segments_ * samples_, n1 = std::min(n0 + samples_, layout_.samples);
    const int64_t s0 = task.block % segments_ * segment();
    for (int64_t n = n0; n < n1; ++n) body(n, s0, std::min(s0 + segment(), layout_.positions));
  }

  // Calls body(run) for all of a task's values. ahead(offset, count) may ask for values that will be worked on soon.
  template <class Value, class Ahead, class Body>
  void runs(const Task& task, const Decisions& decisions, bool channelwise, RowBits::Scratch& scratch, Ahead ahead, Body body) const {
    using T = typename Value::Compute;
    constexpr int64_t kLanes = Lanes<T>::kCount;
    const int64_t base = task.group * layout_.rows() * layout_.channels;
    if (by_rows_) {
      const auto [q0, q1] = rows(task);
      const auto rows_body = [&, this](int64_t q, int64_t count, int64_t c, int64_t c1, const RowBits& bits,
                                       int64_t first_bit) DROPNORM_INLINE {
        // Copies: of what lies elsewhere, the compiler must fear that writing values has changed it.
        const Body own = body;
        const uint64_t* const decided = bits.words(first_bit, c);
        const int64_t c0 = c, channels = layout_.channels, first = base + q * channels, row = task.group * layout_.rows() + q,
                      pitch = bits.pitch();
        const auto run = [=](auto whole, int64_t c) DROPNORM_INLINE {
          own(RowRun<T, whole>{decided + (c - c0) / 64, c, c1 - c, first + c, channels, row, pitch, static_cast<int>(c % 64),
                               count});
        };
        for (; c + kLanes <= c1; c += kLanes) run(std::true_type{}, c);
        if (c < c1) run(std::false_type{}, c);
      };
      const auto row_ahead = [&](int64_t q, int64_t c, int64_t c1) { ahead(base + q * layout_.channels + c, c1 - c); };
      const auto each = [&](auto rows) {
        for_rows<rows.value>(decisions, layout_, channelwise, q0, q1, task.c0, task.c1, scratch, row_ahead, rows_body);
      };
      // Rows of a run, whose channels' parameters and sums are loaded once: many, where the order in memory does not matter; one, where
      // the processor fetches that order ahead; or as many as it fetches side by side.
      constexpr auto kBytes = static_cast<int64_t>(sizeof(Value));
      const int64_t row_bytes = layout_.channels * kBytes;
      const bool in_caches = layout_.size() * kBytes < kStreamedBytes;
      if (row_bytes <= (in_caches ? 1024 : 64)) return each(std::integral_constant<int64_t, 16>{});
      if (in_caches || row_bytes <= 256 || row_bytes > 2048) return each(std::integral_constant<int64_t, 4>{});
      return each(std::integral_constant<int64_t, 1>{});
    }
    stretches(task, [&, this](int64_t n, int64_t s0, int64_t s1) {
      scratch.sample.fill(decisions, layout_, channelwise, n, task.c0, task.c1, s0, s1, [](int64_t) {});
      const int64_t vectors_of_segment = ceil_div(segment(), kLanes), segment_number = s0 / segment();
      for (int64_t c = task.c0; c < task.c1; ++c) {
        int64_t s = s0;
        const int64_t plane = (task.group * layout_.samples + n) * layout_.channels + c;
        const int64_t number = (plane * segments_ + segment_number) * vectors_of_segment;
        const Body own = body;
        const auto run = [&](auto whole, int64_t vectors) DROPNORM_INLINE {
          own(PlaneRun<T, whole>{scratch.sample.words(), c, s1 - s, base + (n * layout_.channels + c) * layout_.positions + s,
                                  (task.group * layout_.samples + n) * layout_.positions + s, scratch.sample.bit(c, s),
                                  channelwise ? 0 : kLanes, number + (s - s0) / kLanes, vectors});
        };
        for (; s + kAlong * kLanes <= s1; s += kAlong * kLanes) run(std::true_type{}, kAlong);
        if (s + kLanes <= s1) {
          const int64_t vectors = (s1 - s) / kLanes;
          run(std::true_type{}, vectors);
          s += vectors * kLanes;
        }
        if (s < s1) run(std::false_type{}, ceil_div(s1 - s, kLanes));
      }
    });
  }

 private:
  const Layout& layout_;
  bool by_rows_;
  int64_t rows_ = 0, segments_ = 1, samples_ = 0, count_, channels_, parts_;
};

}  // namespace
}  // namespace dropnorm

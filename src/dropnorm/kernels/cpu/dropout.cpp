// Dropout: compiled once for each instruction set, under the name that DROPNORM_ISA gives.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels.hpp"
#include "philox.hpp"

namespace dropnorm {
namespace {

constexpr uint32_t kTieSite = 1u << 31;
constexpr int64_t kValuesWorthAThread = 16384;

// 16-bit floats compute in float, double in double: the accumulation type of the reference.
struct Bfloat16 {
  using Compute = float;
  uint16_t bits;
  float load() const {
    const uint32_t wide = uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
  static Bfloat16 rounded(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    // Round to nearest, ties to even; a NaN must not round to infinity, and torch has one NaN.
    const uint32_t even = wide + 0x7FFFu + (wide >> 16 & 1u);
    return {static_cast<uint16_t>((wide & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : even >> 16)};
  }
};

template <class Stored, class Computed = Stored>
struct Plain {
  using Compute = Computed;
  Stored value;
  Computed load() const { return static_cast<Computed>(value); }
  static Plain rounded(Computed computed) { return {static_cast<Stored>(computed)}; }
};

// The draws of one tile, with ties settled: `dropped` is a draw below the threshold.
struct Tile {
  uint16_t draws[kTileColumns];
  int tied[kTileColumns];
  int ties;

  void fill(int64_t tile, int columns, const Counter& counter, uint64_t threshold) {
    draw_tile(static_cast<uint32_t>(tile), counter, draws);
    const auto high = static_cast<uint16_t>(threshold >> 16), low = static_cast<uint16_t>(threshold);
    ties = 0;
    if (low == 0) return;
    int equal = 0;
    for (int column = 0; column < kTileColumns; ++column) equal |= draws[column] == high;
    if (!equal) return;
    const Counter second{counter.row, counter.site | kTieSite, counter.key};
    for (int column = 0; column < columns; ++column)
      if (draws[column] == high && draw_at(tile * kTileColumns + column, second) < low) tied[ties++] = column;
  }
};

template <class Value>
inline void drop_units(const Value* x, Value* y, const uint16_t* draws, uint16_t high, typename Value::Compute scale, int count) {
  using Compute = typename Value::Compute;
  // A draw as wide as the value: compilers turn comparisons and choices of one width into vectors, not those of two.
  using Wide = std::conditional_t<sizeof(Compute) == 8, int64_t, int32_t>;
#pragma omp simd
  for (int column = 0; column < count; ++column) {
    const Compute scaled = x[column].load() * scale;
    y[column] = Value::rounded(static_cast<Wide>(draws[column]) >= static_cast<Wide>(high) ? scaled : Compute{0});
  }
}

template <class Value>
void drop_row(const Dropout& job, const Group& group, int64_t mask_row, const Value* x, Value* y) {
  const auto scale = static_cast<typename Value::Compute>(group.scale);
  const auto high = static_cast<uint16_t>(group.threshold >> 16);
  const Counter counter{static_cast<uint64_t>(mask_row), job.site, group.key};
  Tile tile;
  for (int64_t first = 0; first < job.columns; first += kTileColumns) {
    const auto count = static_cast<int>(std::min<int64_t>(kTileColumns, job.columns - first));
    tile.fill(first / kTileColumns, count, counter, group.threshold);
    if (job.inner == 1) {
      // A whole tile's loop has a constant length, which the compiler unrolls into vectors without a remainder.
      if (count == kTileColumns)
        drop_units(x + first, y + first, tile.draws, high, scale, kTileColumns);
      else
        drop_units(x + first, y + first, tile.draws, high, scale, count);
      for (int tie = 0; tie < tile.ties; ++tie) y[first + tile.tied[tie]] = Value::rounded(0);
      continue;
    }
    for (int column = 0; column < count; ++column) {
      const bool tied = std::find(tile.tied, tile.tied + tile.ties, column) != tile.tied + tile.ties;
      const bool kept = tile.draws[column] >= high && !tied;
      const Value* from = x + (first + column) * job.inner;
      Value* to = y + (first + column) * job.inner;
      for (int64_t position = 0; position < job.inner; ++position)
        to[position] = Value::rounded(kept ? from[position].load() * scale : typename Value::Compute{0});
    }
  }
}

template <class Value>
void run(const Dropout& job) {
  const int64_t row_values = job.columns * job.inner, rows = job.groups * job.rows;
  const auto* x = static_cast<const Value*>(job.x);
  auto* y = static_cast<Value*>(job.y);
  const int64_t worth = std::max<int64_t>(1, rows * row_values / kValuesWorthAThread);
  const int threads = static_cast<int>(std::min<int64_t>(job.threads, worth));
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t index = 0; index < rows; ++index) {
    const Group& group = job.group[index / job.rows];
    const int64_t row = index % job.rows, mask_row = job.row ? job.row[row] : row;
    const Value* from = x + index * row_values;
    Value* to = y + index * row_values;
    if (group.threshold == 0) {
      // A p under 2^-33 never drops, and scales all the same.
      const auto scale = static_cast<typename Value::Compute>(group.scale);
      for (int64_t i = 0; i < row_values; ++i) to[i] = Value::rounded(from[i].load() * scale);
    } else if (group.threshold >> 32) {
      for (int64_t i = 0; i < row_values; ++i) to[i] = Value::rounded(0);
    } else {
      drop_row(job, group, mask_row, from, to);
    }
  }
}

void dropout(const Dropout& job) {
  switch (job.dtype) {
    case Dtype::float32:
      return run<Plain<float>>(job);
    case Dtype::float64:
      return run<Plain<double>>(job);
    case Dtype::bfloat16:
      return run<Bfloat16>(job);
    case Dtype::float16:
      return run<Plain<_Float16, float>>(job);
  }
}

}  // namespace

const Kernels DROPNORM_ISA{dropout};

}  // namespace dropnorm

// Dropout: compiled once for each instruction set. Its gradient is itself.
#include "mask.hpp"
#include "values.hpp"

namespace dropnorm {
namespace {

template <class Value>
inline void drop_stretch(const Value* x, Value* y, int64_t count, const uint64_t* bits, typename Value::Compute factor) {
  using Vector = Lanes<typename Value::Compute>;
  const Vector scale(factor);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64)
    for (int j = 0; j < 64; j += Vector::kCount) store(y + i + j, keep(bits[i / 64] >> j, load(x + i + j) * scale));
  for (; i < count; i += Vector::kCount)
    store(y + i, keep(bits[i / 64] >> (i % 64), load(x + i, count - i) * scale), count - i);
}

// A piece of a long row. While the decisions about one part are made, the next part of x comes from memory.
template <class Value>
void drop_piece(const Decisions& decisions, int64_t row, int64_t first, int64_t length, const Value* x, Value* y,
                typename Value::Compute factor) {
  constexpr int64_t kPart = 256, kLine = 64 / sizeof(Value);
  uint64_t bits[kPart / 64];
  for (int64_t i = 0; i < length; i += kPart) {
    const int64_t part = std::min(kPart, length - i);
    for (int64_t j = 0; j < kPart; j += kLine) __builtin_prefetch(x + i + kPart + j);
    decisions.columns(row, first + i, first + i + part, bits);
    drop_stretch(x + i, y + i, part, bits, factor);
  }
}

// Rows of units that follow one another in memory in the order of the mask's columns.
template <class Value>
void drop_units(const Dropout& job, int threads) {
  constexpr int64_t kPiece = 8192, kShort = 512, kTogether = 4096;
  const int64_t columns = job.layout.channels * job.layout.positions, rows = job.layout.samples;
  // A long row is cut into pieces; of short ones, so many that they make a piece are taken together.
  const bool is_long = columns > kShort;
  const int64_t pieces = is_long ? ceil_div(columns, kPiece) : 1, at_once = is_long ? 1 : std::max<int64_t>(1, kTogether / columns);
  const int64_t row_tasks = ceil_div(rows, at_once), tasks = job.layout.groups * row_tasks * pieces;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    std::vector<uint64_t> bits(kTogether / 64 + kShort / 64 + 1), row_bits(std::max<int64_t>(kShort / 64, at_once));
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t group = task / (row_tasks * pieces), row = task / pieces % row_tasks * at_once;
      const Decisions decisions(job.mask, group);
      const auto factor = static_cast<typename Value::Compute>(job.mask.of(group).scale);
      const int64_t first = task % pieces * kPiece, offset = (group * rows + row) * columns + first;
      const auto* x = static_cast<const Value*>(job.x) + offset;
      auto* y = static_cast<Value*>(job.y) + offset;
      if (is_long) {
        drop_piece(decisions, row, first, std::min(kPiece, columns - first), x, y, factor);
        continue;
      }
      const int64_t count = std::min(at_once, rows - row);
      std::fill(bits.begin(), bits.end(), 0);
      if (columns <= 16) {
        decisions.narrow(row, count, static_cast<int>(columns), row_bits.data());
        for (int64_t i = 0; i < count; ++i) set_bits(bits.data(), i * columns, columns, row_bits[i]);
      } else {
        for (int64_t i = 0; i < count; ++i) {
          decisions.columns(row + i, 0, columns, row_bits.data());
          for (int64_t c = 0; c < columns; c += 64)
            set_bits(bits.data(), i * columns + c, std::min<int64_t>(64, columns - c), row_bits[c / 64]);
        }
      }
      drop_stretch(x, y, count * columns, bits.data(), factor);
    }
  }
}

// Whole channels, each of which is a stretch of memory.
template <class Value>
void drop_channels(const Dropout& job, int threads) {
  const Layout& layout = job.layout;
  const int64_t samples = layout.groups * layout.samples;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    SampleBits bits;
#pragma omp for schedule(static)
    for (int64_t index = 0; index < samples; ++index) {
      const int64_t group = index / layout.samples;
      const Lanes<typename Value::Compute> scale(static_cast<typename Value::Compute>(job.mask.of(group).scale));
      bits.fill(Decisions(job.mask, group), layout, true, index % layout.samples, 0, layout.channels, 0, 1, [](int64_t) {});
      for (int64_t c = 0; c < layout.channels; ++c) {
        const int64_t offset = (index * layout.channels + c) * layout.positions;
        const uint64_t word = -(bits.at(c, 0) & 1);
        const auto* x = static_cast<const Value*>(job.x) + offset;
        auto* y = static_cast<Value*>(job.y) + offset;
        for (int64_t s = 0; s < layout.positions; s += scale.kCount)
          store(y + s, keep(word, load(x + s, layout.positions - s) * scale), layout.positions - s);
      }
    }
  }
}

// Channels that come last: units, whose bits lie the other way, and whole channels.
template <class Value>
void drop_rows(const Dropout& job, int threads) {
  constexpr int64_t kRows = 1024;
  const Layout& layout = job.layout;
  const int64_t pieces = ceil_div(layout.positions, kRows), tasks = layout.groups * layout.samples * pieces;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    RowBits::Scratch scratch;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t group = task / pieces / layout.samples, sample = task / pieces % layout.samples;
      const int64_t first = sample * layout.positions + task % pieces * kRows;
      const int64_t last = std::min(first + kRows, (sample + 1) * layout.positions);
      const Lanes<typename Value::Compute> scale(static_cast<typename Value::Compute>(job.mask.of(group).scale));
      const auto* x = static_cast<const Value*>(job.x) + group * layout.rows() * layout.channels;
      auto* y = static_cast<Value*>(job.y) + group * layout.rows() * layout.channels;
      for_rows<4>(Decisions(job.mask, group), layout, job.mask.channelwise, first, last, 0, layout.channels, scratch, [](auto...) {},
                  [&](int64_t q, int64_t rows, int64_t, int64_t, const RowBits& bits, int64_t first_bits) {
                 for (int64_t row = 0; row < rows; ++row) {
                   const int64_t offset = (q + row) * layout.channels;
                   for (int64_t c = 0; c < layout.channels; c += scale.kCount) {
                     const auto scaled = load(x + offset + c, layout.channels - c) * scale;
                     store(y + offset + c, keep(*bits.words(first_bits + row, c) >> (c % 64), scaled), layout.channels - c);
                   }
                 }
               });
  }
  }
}

template <class Value>
void run(const Dropout& job) {
  const int64_t worth = std::max<int64_t>(1, job.layout.size() / kValuesWorthAThread);
  const int threads = static_cast<int>(std::min<int64_t>(job.threads, worth));
  if (job.layout.positions > 1 && job.layout.channels_last)
    drop_rows<Value>(job, threads);
  else if (job.layout.positions > 1 && job.mask.channelwise)
    drop_channels<Value>(job, threads);
  else
    drop_units<Value>(job, threads);
}

}  // namespace

namespace DROPNORM_ISA {
void dropout(const Dropout& job) {
  switch (job.dtype) {
    case Dtype::float32:
      return run<Float32>(job);
    case Dtype::float64:
      return run<Float64>(job);
    case Dtype::bfloat16:
      return run<Bfloat16>(job);
    case Dtype::float16:
      return run<Float16>(job);
  }
}
}  // namespace DROPNORM_ISA

}  // namespace dropnorm

// Dropout: compiled once for each instruction set. Its gradient is itself.
#include "mask.hpp"
#include "parallel.hpp"
#include "values.hpp"

namespace dropnorm {
namespace {

// Calls body(task, scratch) for the tasks 0 ... count - 1, with scratch memory for each thread.
template <class Scratch, class Body>
void for_tasks(int threads, int64_t count, Body body) {
  on_threads(threads, count, [&](auto each) {
    Scratch scratch;
    each([&](int64_t task) { body(task, scratch); });
    finish_streams();
  });
}

// Writes vectors of the output, past the caches where the whole of it is larger than they are and a vector may begin there.
template <class Value>
struct Output {
  using Vector = Lanes<typename Value::Compute>;
  Value* y;
  bool streamed;

  static Output of(const Dropout& job) {
    const int64_t bytes = job.layout.size() * static_cast<int64_t>(sizeof(Value));
    return {static_cast<Value*>(job.y), job.y != job.x && bytes >= kStreamedBytes};
  }
  Output from(int64_t offset) const {
    return {y + offset, streamed && reinterpret_cast<uintptr_t>(y + offset) % (Vector::kCount * sizeof(Value)) == 0};
  }
  void write(int64_t i, const Vector& values, int64_t count = Vector::kCount) const {
    streamed && count >= Vector::kCount ? stream(y + i, values) : store(y + i, values, count);
  }
};

template <class Value>
inline void drop_stretch(const Value* x, Output<Value> y, int64_t count, const uint64_t* bits, typename Value::Compute factor) {
  using Vector = Lanes<typename Value::Compute>;
  const Vector scale(factor);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64)
    for (int j = 0; j < 64; j += Vector::kCount) y.write(i + j, keep(bits[i / 64] >> j, load(x + i + j) * scale));
  for (; i < count; i += Vector::kCount)
    y.write(i, keep(bits[i / 64] >> (i % 64), load(x + i, count - i) * scale), count - i);
}

// A piece of a long row. While the decisions about one part are made, the next part of x comes from memory.
template <class Value>
void drop_piece(const Decisions& decisions, int64_t row, int64_t first, int64_t length, const Value* x, Output<Value> y,
                typename Value::Compute factor) {
  constexpr int64_t kPart = 256, kLine = 64 / sizeof(Value);
  uint64_t bits[kPart / 64];
  for (int64_t i = 0; i < length; i += kPart) {
    const int64_t part = std::min(kPart, length - i);
    for (int64_t j = 0; j < kPart; j += kLine) __builtin_prefetch(x + i + kPart + j);
    decisions.columns(row, first + i, first + i + part, bits);
    drop_stretch(x + i, y.from(i), part, bits, factor);
  }
}

// Rows of units that follow one another in memory in the order of the mask's columns.
template <class Value>
void drop_units(const Dropout& job, int threads) {
  const auto output = Output<Value>::of(job);
  constexpr int64_t kPiece = 8192, kShort = 512, kTogether = 4096;
  const int64_t columns = job.layout.channels * job.layout.positions, rows = job.layout.samples;
  // A long row is cut into pieces; of short ones, so many that they make a piece are taken together.
  const bool is_long = columns > kShort;
  const int64_t pieces = is_long ? ceil_div(columns, kPiece) : 1, at_once = is_long ? 1 : std::max<int64_t>(1, kTogether / columns);
  const int64_t row_tasks = ceil_div(rows, at_once), tasks = job.layout.groups * row_tasks * pieces;
  struct Bits {
    uint64_t together[kTogether / 64 + kShort / 64 + 1], row[kTogether];
  };
  for_tasks<Bits>(threads, tasks, [&](int64_t task, Bits& bits) {
    const int64_t group = task / (row_tasks * pieces), row = task / pieces % row_tasks * at_once;
    const Decisions decisions(job.mask, group);
    const auto factor = static_cast<typename Value::Compute>(job.mask.of(group).scale);
    const int64_t first = task % pieces * kPiece, offset = (group * rows + row) * columns + first;
    const auto* x = static_cast<const Value*>(job.x) + offset;
    const Output<Value> y = output.from(offset);
    if (is_long) {
      drop_piece(decisions, row, first, std::min(kPiece, columns - first), x, y, factor);
      return;
    }
    const int64_t count = std::min(at_once, rows - row);
    std::fill_n(bits.together, count * columns / 64 + 2, 0);
    if (columns <= 16) {
      decisions.narrow(row, count, static_cast<int>(columns), bits.row);
      for (int64_t i = 0; i < count; ++i) set_bits(bits.together, i * columns, columns, bits.row[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) {
        decisions.columns(row + i, 0, columns, bits.row);
        for (int64_t c = 0; c < columns; c += 64)
          set_bits(bits.together, i * columns + c, std::min<int64_t>(64, columns - c), bits.row[c / 64]);
      }
    }
    drop_stretch(x, y, count * columns, bits.together, factor);
  });
}

// Whole channels, each of which is a stretch of memory.
template <class Value>
void drop_channels(const Dropout& job, int threads) {
  const auto output = Output<Value>::of(job);
  const Layout& layout = job.layout;
  for_tasks<SampleBits>(threads, layout.groups * layout.samples, [&](int64_t index, SampleBits& bits) {
    const int64_t group = index / layout.samples;
    const Lanes<typename Value::Compute> scale(static_cast<typename Value::Compute>(job.mask.of(group).scale));
    bits.fill(Decisions(job.mask, group), layout, true, index % layout.samples, 0, layout.channels, 0, 1, [](int64_t) {});
    for (int64_t c = 0; c < layout.channels; ++c) {
      const int64_t offset = (index * layout.channels + c) * layout.positions;
      const uint64_t word = -(bits.at(c, 0) & 1);
      const auto* x = static_cast<const Value*>(job.x) + offset;
      const Output<Value> y = output.from(offset);
      for (int64_t s = 0; s < layout.positions; s += scale.kCount)
        y.write(s, keep(word, load(x + s, layout.positions - s) * scale), layout.positions - s);
    }
  });
}

// Channels that come last: units, whose bits lie the other way, and whole channels.
template <class Value>
void drop_rows(const Dropout& job, int threads) {
  const auto output = Output<Value>::of(job);
  constexpr int64_t kRows = 1024;
  const Layout& layout = job.layout;
  const int64_t pieces = ceil_div(layout.positions, kRows), tasks = layout.groups * layout.samples * pieces;
  for_tasks<RowBits::Scratch>(threads, tasks, [&](int64_t task, RowBits::Scratch& scratch) {
    const int64_t group = task / pieces / layout.samples, sample = task / pieces % layout.samples;
    const int64_t first = sample * layout.positions + task % pieces * kRows;
    const int64_t last = std::min(first + kRows, (sample + 1) * layout.positions);
    const Lanes<typename Value::Compute> scale(static_cast<typename Value::Compute>(job.mask.of(group).scale));
    const int64_t of_group = group * layout.rows() * layout.channels;
    const auto* x = static_cast<const Value*>(job.x) + of_group;
    for_rows<4>(Decisions(job.mask, group), layout, job.mask.channelwise, first, last, 0, layout.channels, scratch, [](auto...) {},
                [&](int64_t q, int64_t rows, int64_t, int64_t, const RowBits& bits, int64_t first_bits) {
                  for (int64_t row = 0; row < rows; ++row) {
                    const int64_t offset = (q + row) * layout.channels;
                    const Output<Value> y = output.from(of_group + offset);
                    for (int64_t c = 0; c < layout.channels; c += scale.kCount) {
                      const auto scaled = load(x + offset + c, layout.channels - c) * scale;
                      y.write(c, keep(*bits.words(first_bits + row, c) >> (c % 64), scaled), layout.channels - c);
                    }
                  }
                });
  });
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

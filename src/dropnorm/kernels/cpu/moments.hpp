// Means and sums of squared deviations, gathered in small centred chunks and merged in double (Chan, Golub & LeVeque 1983,
// "Algorithms for computing the sample variance", equation 2.1): a mean of 1e4 does not swallow a deviation of 1.
#pragma once

#include <algorithm>

#include "values.hpp"

namespace {

// As many as a first-level cache has ways: rows whose length is a power of two compete for the same places in it.
constexpr int kChunk = 8;

// Of each lane's values.
template <class T>
struct Chunk {
  Wide<T> mean, squares;
};

// The sum of term(0) ... term(count - 1), in four chains, so that an addition need not wait for the last.
template <class T, class Term>
inline Lanes<T> sum_of(int count, Term term) {
  Lanes<T> chain[4] = {T{0}, T{0}, T{0}, T{0}};
  int i = 0;
  for (; i + 4 <= count; i += 4)
    for (int j = 0; j < 4; ++j) chain[j] = chain[j] + term(i + j);
  for (; i < count; ++i) chain[0] = chain[0] + term(i);
  return (chain[0] + chain[1]) + (chain[2] + chain[3]);
}

// Of `count` vectors, at least one; vector(i) is the i-th.
template <class T, class Vector>
inline Chunk<T> chunk_of(int count, Vector vector) {
  const Lanes<T> near = sum_of<T>(count, vector) * Lanes<T>(T{1} / static_cast<T>(count));
  const Lanes<T> squares = sum_of<T>(count, [&](int i) {
    const Lanes<T> centred = vector(i) - near;
    return centred * centred;
  });
  // What rounding left of the deviations' sum is taken out of both.
  const Wide<T> rest = widened(sum_of<T>(count, [&](int i) { return vector(i) - near; }));
  const Lanes<double> share(1.0 / count);
  Chunk<T> chunk{widened(near), widened(squares)};
  for (int i = 0; i < Wide<T>::kCount; ++i) {
    chunk.squares.lanes[i] = chunk.squares.lanes[i] - rest.lanes[i] * rest.lanes[i] * share;
    chunk.mean.lanes[i] = chunk.mean.lanes[i] + rest.lanes[i] * share;
  }
  return chunk;
}

// How much a chunk of `added` values moves the moments of `count` values.
struct Weights {
  Lanes<double> towards, between;

  Weights(int64_t count, int64_t added)
      : towards(static_cast<double>(added) / static_cast<double>(count + added)),
        between(static_cast<double>(count) * (static_cast<double>(added) / static_cast<double>(count + added))) {}
};

// Merge a chunk into a mean and squares in memory, one double for each lane.
template <class T>
inline void merge(double* mean, double* squares, const Weights& weights, const Chunk<T>& chunk) {
  for (int i = 0; i < Wide<T>::kCount; ++i) {
    Lanes<double> old_mean, old_squares;
    std::memcpy(old_mean.part, mean + 8 * i, 64);
    std::memcpy(old_squares.part, squares + 8 * i, 64);
    const Lanes<double> step = chunk.mean.lanes[i] - old_mean;
    old_mean = old_mean + step * weights.towards;
    old_squares = old_squares + chunk.squares.lanes[i] + step * step * weights.between;
    std::memcpy(mean + 8 * i, old_mean.part, 64);
    std::memcpy(squares + 8 * i, old_squares.part, 64);
  }
}

// One mean and its squares.
struct Moments {
  double mean = 0, squares = 0;
  int64_t count = 0;

  void merge(double other_mean, double other_squares, int64_t other_count) {
    if (!other_count) return;
    const double share = static_cast<double>(other_count) / static_cast<double>(count + other_count);
    const double step = other_mean - mean;
    mean += step * share;
    squares += other_squares + step * step * static_cast<double>(count) * share;
    count += other_count;
  }
};

// The moments of one channel whose values come in stretches: sixteen vectors at once, and what is left over waits in a buffer.
template <class Value>
class Stream {
  using T = typename Value::Compute;
  static constexpr int kLanes = Lanes<T>::kCount, kValues = kChunk * kLanes;

 public:
  void stretch(const Value* x, int64_t count) {
    for (; count >= kValues; x += kValues, count -= kValues) vectors(x, kChunk);
    while (count) {
      const int64_t taken = std::min<int64_t>(count, kValues - waiting_);
      std::memcpy(buffer_ + waiting_, x, taken * sizeof(Value));
      x += taken, count -= taken, waiting_ += taken;
      if (waiting_ == kValues) vectors(buffer_, kChunk), waiting_ = 0;
    }
  }

  void counted(const Value* x, const uint8_t* counted, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      buffer_[waiting_] = x[i];
      waiting_ += counted[i] != 0;
      if (waiting_ == kValues) vectors(buffer_, kChunk), waiting_ = 0;
    }
  }

  Moments moments() {
    const int64_t whole = waiting_ / kLanes, rest = waiting_ % kLanes;
    if (whole) vectors(buffer_, static_cast<int>(whole));
    Moments all;
    for (int lane = 0; lane < kLanes; ++lane) all.merge(mean_[lane], squares_[lane], count_);
    T last[kLanes];
    std::memcpy(last, load(buffer_ + whole * kLanes, rest).part, 64);
    for (int i = 0; i < rest; ++i) all.merge(last[i], 0.0, 1);
    return all;
  }

 private:
  double mean_[kLanes] = {}, squares_[kLanes] = {};
  int64_t count_ = 0, waiting_ = 0;
  Value buffer_[kValues];

  void vectors(const Value* x, int count) {
    const auto vector = [x](int i) { return load(x + i * kLanes); };
    // A constant count is unrolled.
    const Chunk<T> chunk = count == kChunk ? chunk_of<T>(kChunk, vector) : chunk_of<T>(count, vector);
    merge(mean_, squares_, Weights(count_, count), chunk);
    count_ += count;
  }
};

}  // namespace

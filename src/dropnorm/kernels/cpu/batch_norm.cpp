// Batch normalization, an activation and dropout in one, forward and backward: compiled once for each instruction set.
//
// Each pass goes over blocks whose borders depend on the shape alone, and what it sums is summed block by block: the result is
// the same to the bit for any number of threads.
#include "activation.hpp"
#include "channels.hpp"
#include "parallel.hpp"
#include "runs.hpp"

#include <memory>

namespace dropnorm {
namespace {

// How far ahead, in values, a chunk's rows are asked for: each in its row and from its end in the next chunk's, or where rows are short,
// in the order in which they lie.
constexpr int64_t kAhead = 128, kFarAhead = 2048, kShort = 512;

template <class Value, Activation kind>
class BatchNormPass {
  using T = typename Value::Compute;
  using Vector = Lanes<T>;

 public:
  explicit BatchNormPass(const BatchNorm& job)
      : job_(job), layout_(job.layout), blocks_(job.layout), pitch_(ceil_div(layout_.channels, kTileColumns) * kTileColumns) {
    const int64_t channels = layout_.groups * pitch_;
    parameters_.reset(new T[kParameters * channels]);
    partials_.assign(2 * channels * blocks_.count(), 0.0);
    counts_.assign(layout_.groups * blocks_.count(), 0);
    const int64_t worth = std::max<int64_t>(1, layout_.size() / kValuesWorthAThread);
    threads_ = static_cast<int>(std::min<int64_t>(job.threads, worth));
    // Every vector must be whole and begin where a vector may.
    const auto whole = [](int64_t values) { return values * static_cast<int64_t>(sizeof(Value)) % 64 == 0; };
    streamed_ = layout_.size() * static_cast<int64_t>(sizeof(Value)) >= kStreamedBytes &&
                (blocks_.by_rows() ? whole(layout_.channels) : whole(layout_.positions) && whole(blocks_.segment())) &&
                reinterpret_cast<uintptr_t>(job.y) % 64 == 0;
  }

  void forward() {
    for_tasks([this](const Task& task, RowBits::Scratch&) { blocks_.by_rows() ? row_moments(task) : plane_moments(task); });
    for_channels([this](int64_t group, int64_t c0, int64_t c1) { finish_moments(group, c0, c1); });
    for_tasks([this](const Task& task, RowBits::Scratch& scratch) {
      const Decisions decisions(job_.mask, task.group);
      const Vector scale = this->scale(task), negative_slope(static_cast<T>(job_.negative_slope));
      const T *means = parameter(kMean, task.group), *slopes = parameter(kSlope, task.group), *biases = parameter(kBias, task.group);
      const Value* x = this->x();
      const Writer y = writer();
      const auto ahead = [=](int64_t offset, int64_t count) { fetch(x + offset, count); };
      runs(task, decisions, scratch, ahead, [=](const auto& run) DROPNORM_INLINE {
        const Vector mean = run.parameter(means), slope = run.parameter(slopes), bias = run.parameter(biases);
        y.write(run, [=](int64_t i) DROPNORM_INLINE {
          const Vector z = (load(x + run.offset(i), run.values(i)) - mean) * slope + bias;
          return keep(run.bits(i), activate<kind>(z, negative_slope) * scale);
        });
      });
    });
  }

  void backward() {
    gates_.reset(new Gate[blocks_.vectors(Vector::kCount)]);
    for_channels([this](int64_t group, int64_t c0, int64_t c1) { set_parameters(group, c0, c1); });
    for_tasks([this](const Task& task, RowBits::Scratch& scratch) {
      const Decisions decisions(job_.mask, task.group);
      double *sums = partial(0, task), *projections = partial(1, task);
      const Gradient gradient(*this, task);
      const Value *x = this->x(), *grad = this->grad();
      Gate* gates = gates_.get();
      const auto ahead = [=](int64_t offset, int64_t count) { fetch(x + offset, count), fetch(grad + offset, count); };
      runs(task, decisions, scratch, ahead, [=](const auto& run) DROPNORM_INLINE {
        const Channel channel(gradient, run);
        Vector sum(T{0}), projection(T{0});
        for (int64_t i = 0; i < run.size; ++i) {
          const Vector centred = load(x + run.offset(i), run.values(i)) - channel.mean;
          const uint64_t gate = gradient.gate(channel, centred, run.bits(i));
          gates[run.number(i)] = static_cast<Gate>(gate);
          const Vector let_through = gradient.through(channel, centred, gate, load(grad + run.offset(i), run.values(i)));
          sum = sum + let_through;
          projection = projection + let_through * centred;
        }
        run.add(sums, sum);
        run.add(projections, projection);
      });
    });
    for_channels([this](int64_t group, int64_t c0, int64_t c1) { finish_sums(group, c0, c1); });
    for_tasks([this](const Task& task, RowBits::Scratch& scratch) {
      const Decisions nothing_decided(Mask{}, 0);
      const T *grad_means = parameter(kGradMean, task.group), *grad_centred = parameter(kGradCentred, task.group);
      const Gradient gradient(*this, task);
      const Value *x = this->x(), *grad = this->grad();
      const Gate* gates = gates_.get();
      const uint8_t* counted = job_.counted;
      const Writer grad_x = writer();
      runs(task, nothing_decided, scratch, [](auto...) {}, [=](const auto& run) DROPNORM_INLINE {
        const Channel channel(gradient, run);
        const Vector grad_mean = run.parameter(grad_means), grad_centre = run.parameter(grad_centred);
        grad_x.write(run, [=](int64_t i) DROPNORM_INLINE {
          const Vector centred = load(x + run.offset(i), run.values(i)) - channel.mean;
          Vector through_statistics = grad_mean + centred * grad_centre;
          if (counted) through_statistics = keep(run.counted(counted, i), through_statistics);
          const Vector let_through =
              gradient.through(channel, centred, gates[run.number(i)], load(grad + run.offset(i), run.values(i)));
          return (let_through - through_statistics) * channel.slope;
        });
      });
    });
  }

 private:
  // The slope is 1 / sqrt(var + eps) * weight.
  enum Parameter { kMean, kSlope, kBias, kInverseStd, kGradMean, kGradCentred, kParameters };
  using Gate = uint16_t;

  const BatchNorm& job_;
  const Layout& layout_;
  const Blocks blocks_;
  const int64_t pitch_;
  int threads_;
  bool streamed_;
  std::unique_ptr<T[]> parameters_;  // (parameters, groups, pitch)
  std::vector<double> partials_;     // (2, groups, blocks, pitch): means and squares, or the two sums
  std::vector<int64_t> counts_;      // (groups, blocks)
  // One bit for each value: what the backward pass decides for its sums and needs again for the gradient, a 32nd of x.
  std::unique_ptr<Gate[]> gates_;

  // The gradient at the batch norm's output from that of what follows it.
  struct Gradient {
    const T *means, *slopes, *biases;
    Vector scale, negative_slope;

    Gradient(BatchNormPass& pass, const Task& task)
        : means(pass.parameter(kMean, task.group)), slopes(pass.parameter(kSlope, task.group)), biases(pass.parameter(kBias, task.group)),
          scale(pass.scale(task)), negative_slope(static_cast<T>(pass.job_.negative_slope)) {}

    // Who lets a gradient through: those who are kept, of a ReLU's only those above zero.
    template <class Channel>
    uint64_t gate(const Channel& channel, const Vector& centred, uint64_t kept) const {
      if constexpr (kind == Activation::relu) return kept & less(Vector(T{0}), centred * channel.slope + channel.bias);
      return kept;
    }
    template <class Channel>
    Vector through(const Channel& channel, const Vector& centred, uint64_t gate, const Vector& grad) const {
      const Vector kept = keep(gate, grad * scale);
      if constexpr (kind == Activation::relu || kind == Activation::identity) return kept;
      return activation_gradient<kind>(centred * channel.slope + channel.bias, kept, negative_slope);
    }
  };
  struct Channel {
    Vector mean, slope, bias;
    template <class Run>
    Channel(const Gradient& gradient, const Run& run)
        : mean(run.parameter(gradient.means)), slope(run.parameter(gradient.slopes)), bias(run.parameter(gradient.biases)) {}
  };

  const Value* x() const { return static_cast<const Value*>(job_.x); }
  const Value* grad() const { return static_cast<const Value*>(job_.grad); }
  Vector scale(const Task& task) const { return Vector(static_cast<T>(job_.mask.of(task.group).scale)); }
  T* parameter(Parameter which, int64_t group) const { return parameters_.get() + (which * layout_.groups + group) * pitch_; }
  double* partial(int which, const Task& task) {
    return partials_.data() + ((which * layout_.groups + task.group) * blocks_.count() + task.block) * pitch_;
  }
  int64_t& count(const Task& task) { return counts_[task.group * blocks_.count() + task.block]; }

  struct Writer {
    Value* to;
    bool streamed;
    // Four vectors are read before they are written: where rows are as long as a page, the processor takes a row's address for
    // that of the row before in another tensor, and would wait for what is written there.
    template <class Run, class Values>
    void write(const Run& run, Values values) const {
      for (int64_t i = 0; i < run.size; i += 4) {
        const int64_t rest = run.size - i;
        Vector four[4];
        for (int j = 0; j < 4; ++j)
          if (j < rest) four[j] = values(i + j);
        for (int j = 0; j < 4; ++j)
          if (j < rest) put(run, i + j, four[j]);
      }
    }
    template <class Run>
    void put(const Run& run, int64_t i, const Vector& values) const {
      streamed ? stream(to + run.offset(i), values) : store(to + run.offset(i), values, run.values(i));
    }
  };
  Writer writer() const { return {static_cast<Value*>(job_.y), streamed_}; }

  template <class Body>
  void for_tasks(Body body) {
    on_threads(threads_, blocks_.tasks(), [&](auto each) {
      RowBits::Scratch scratch;
      each([&](int64_t index) { body(blocks_.task(index), scratch); });
      if (streamed_) finish_streams();
    });
  }

  template <class Body>
  void for_channels(Body body) {
    const int64_t parts = pitch_ / kTileColumns;
    on_threads(threads_, layout_.groups * parts, [&](auto each) {
      each([&](int64_t index) {
        const int64_t c0 = index % parts * kTileColumns;
        body(index / parts, c0, std::min<int64_t>(c0 + kTileColumns, layout_.channels));
      });
    });
  }

  // Calls body(run) for all of a task's values.
  template <class Ahead, class Body>
  void runs(const Task& task, const Decisions& decisions, RowBits::Scratch& scratch, Ahead ahead, Body body) {
    blocks_.template runs<Value>(task, decisions, job_.mask.channelwise, scratch, ahead, body);
  }

  static void fetch(const Value* from, int64_t count) {
    for (int64_t i = 0; i < count; i += 64 / sizeof(Value)) __builtin_prefetch(from + i);
  }

  void row_moments(const Task& task) {
    const auto [q0, q1] = blocks_.rows(task);
    const Value* base = x() + task.group * layout_.rows() * layout_.channels;
    const uint8_t* counted = job_.counted ? job_.counted + task.group * layout_.rows() : nullptr;
    double *means = partial(0, task), *squares = partial(1, task);
    const bool is_short = layout_.channels <= kShort;
    const Value* rows[kChunk];
    int waiting = 0;
    int64_t done = 0;
    for (int64_t q = q0; q < q1; ++q) {
      if (!counted || counted[q]) rows[waiting++] = base + q * layout_.channels;
      if (waiting < kChunk && q + 1 < q1) continue;
      if (!waiting) continue;
      const Weights weights(done, waiting);
      int64_t c = task.c0;
      // A constant count is unrolled.
      for (; waiting == kChunk && c + Vector::kCount <= task.c1; c += Vector::kCount) {
        const int64_t ahead = c + kAhead < task.c1 ? kAhead : kAhead - (task.c1 - task.c0) + kChunk * layout_.channels;
        for (int i = 0; i < kChunk; ++i)
          __builtin_prefetch(is_short ? rows[0] + kFarAhead + kChunk * (c - task.c0) + i * Vector::kCount : rows[i] + c + ahead);
        merge(means + c, squares + c, weights, chunk_of<T>(kChunk, [&](int i) { return load(rows[i] + c); }));
      }
      for (; c < task.c1; c += Vector::kCount)
        merge(means + c, squares + c, weights, chunk_of<T>(waiting, [&](int i) { return load(rows[i] + c, task.c1 - c); }));
      done += waiting;
      waiting = 0;
    }
    if (task.c0 == 0) count(task) = done;
  }

  void plane_moments(const Task& task) {
    for (int64_t c = task.c0; c < task.c1; ++c) {
      Stream<Value> stream;
      blocks_.stretches(task, [&](int64_t n, int64_t s0, int64_t s1) {
        const Value* plane = x() + ((task.group * layout_.samples + n) * layout_.channels + c) * layout_.positions;
        const int64_t first = (task.group * layout_.samples + n) * layout_.positions;
        job_.counted ? stream.counted(plane + s0, job_.counted + first + s0, s1 - s0) : stream.stretch(plane + s0, s1 - s0);
      });
      const Moments moments = stream.moments();
      partial(0, task)[c] = moments.mean;
      partial(1, task)[c] = moments.squares;
      if (c == 0) count(task) = moments.count;
    }
  }

  // Of a whole group, what its blocks have counted.
  void finish_moments(int64_t group, int64_t c0, int64_t c1) {
    double *means = partial(0, {group, 0, 0, 0}), *squares = partial(1, {group, 0, 0, 0});
    int64_t done = count({group, 0, 0, 0});
    for (int64_t block = 1; block < blocks_.count(); ++block) {
      const Task task{group, block, 0, 0};
      if (!count(task)) continue;
      const Weights weights(done, count(task));
      for (int64_t c = c0; c < c1; c += 8) {
        const auto at = [&](int which) { return load(reinterpret_cast<const Float64*>(partial(which, task) + c)); };
        merge(means + c, squares + c, weights, Chunk<double>{{{at(0)}}, {{at(1)}}});
      }
      done += count(task);
    }
    for (int64_t c = c0; c < c1; ++c) {
      // Rounded as whoever asks for them sees them.
      job_.mean[group * layout_.channels + c] = static_cast<T>(means[c]);
      job_.var[group * layout_.channels + c] = static_cast<T>(done ? squares[c] / static_cast<double>(done) : 0);
    }
    set_parameters(group, c0, c1);
  }

  void set_parameters(int64_t group, int64_t c0, int64_t c1) {
    const double *mean = job_.mean + group * layout_.channels, *var = job_.var + group * layout_.channels, eps = job_.eps;
    T *to_mean = parameter(kMean, group), *inverse_std = parameter(kInverseStd, group), *slope = parameter(kSlope, group);
    read_channels(job_.weight, group, c0, c1, T{1}, slope);
    read_channels(job_.bias, group, c0, c1, T{0}, parameter(kBias, group));
    for (int64_t c = c0; c < c1; ++c) {
      to_mean[c] = static_cast<T>(mean[c]);
      inverse_std[c] = static_cast<T>(1.0 / std::sqrt(var[c] + eps));
      slope[c] *= inverse_std[c];
    }
  }

  void finish_sums(int64_t group, int64_t c0, int64_t c1) {
    int64_t counted = layout_.rows();
    if (job_.counted) counted -= std::count(job_.counted + group * counted, job_.counted + (group + 1) * counted, 0);
    const double share = 1.0 / static_cast<double>(std::max<int64_t>(1, counted));
    double *sums = partial(0, {group, 0, 0, 0}), *projections = partial(1, {group, 0, 0, 0});
    for (int64_t block = 1; block < blocks_.count(); ++block) {
      const double *other_sums = partial(0, {group, block, 0, 0}), *other_projections = partial(1, {group, block, 0, 0});
      for (int64_t c = c0; c < c1; ++c) sums[c] += other_sums[c], projections[c] += other_projections[c];
    }
    // Of centred values so far: they become normalized ones.
    const T* inverse_std = parameter(kInverseStd, group);
    T *grad_mean = parameter(kGradMean, group), *grad_centred = parameter(kGradCentred, group);
    for (int64_t c = c0; c < c1; ++c) {
      projections[c] *= static_cast<double>(inverse_std[c]);
      grad_mean[c] = static_cast<T>(sums[c] * share);
      grad_centred[c] = static_cast<T>(projections[c] * share * static_cast<double>(inverse_std[c]));
    }
    write_channels(sums, group, c0, c1, job_.grad_bias);
    write_channels(projections, group, c0, c1, job_.grad_weight);
  }
};

template <class Value, class Run>
void with_activation(const BatchNorm& job, Run run) {
  switch (job.activation) {
    case Activation::identity:
      return run(BatchNormPass<Value, Activation::identity>(job));
    case Activation::relu:
      return run(BatchNormPass<Value, Activation::relu>(job));
    case Activation::leaky_relu:
      return run(BatchNormPass<Value, Activation::leaky_relu>(job));
    case Activation::gelu:
      return run(BatchNormPass<Value, Activation::gelu>(job));
    case Activation::silu:
      return run(BatchNormPass<Value, Activation::silu>(job));
  }
}

template <class Run>
void with_types(const BatchNorm& job, Run run) {
  switch (job.dtype) {
    case Dtype::float32:
      return with_activation<Float32>(job, run);
    case Dtype::float64:
      return with_activation<Float64>(job, run);
    case Dtype::bfloat16:
      return with_activation<Bfloat16>(job, run);
    case Dtype::float16:
      return with_activation<Float16>(job, run);
  }
}

}  // namespace

namespace DROPNORM_ISA {

void batch_norm(const BatchNorm& job) {
  with_types(job, [](auto&& pass) { pass.forward(); });
}

void batch_norm_backward(const BatchNorm& job) {
  with_types(job, [](auto&& pass) { pass.backward(); });
}

}  // namespace DROPNORM_ISA

}  // namespace dropnorm

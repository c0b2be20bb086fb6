// Batch normalization, an activation and dropout in one, forward and backward: compiled once for each instruction set.
//
// Each pass goes over blocks whose borders depend on the shape alone, and what it sums is summed block by block: the result is
// the same to the bit for any number of threads.
#include "activation.hpp"
#include "runs.hpp"

namespace dropnorm {
namespace {

// Rows that a run goes down: one where a pass writes, so that memory is met in order, and more where sums are gathered, for
// which sums are loaded and stored once. Many rows whose length is a power of two would compete for the same places in a cache.
constexpr int64_t kStreamRows = 1, kSumRows = 4;

template <class Value, Activation kind>
class BatchNormPass {
  using T = typename Value::Compute;
  using Vector = Lanes<T>;

 public:
  explicit BatchNormPass(const BatchNorm& job)
      : job_(job), layout_(job.layout), blocks_(job.layout), pitch_(ceil_div(layout_.channels, kTileColumns) * kTileColumns) {
    for (auto& values : parameters_) values.assign(layout_.groups * pitch_, T{0});
    for (auto& values : partial_) values.assign(layout_.groups * blocks_.count() * pitch_, 0.0);
    counts_.assign(layout_.groups * blocks_.count(), 0);
    const int64_t worth = std::max<int64_t>(1, layout_.size() / kValuesWorthAThread);
    threads_ = static_cast<int>(std::min<int64_t>(job.threads, worth));
  }

  void forward() {
    for_tasks([this](const Task& task, RowBits::Scratch&) { blocks_.by_rows() ? row_moments(task) : plane_moments(task); });
    for_channels([this](int64_t group, int64_t c0, int64_t c1) { finish_moments(group, c0, c1); });
    for_tasks([this](const Task& task, RowBits::Scratch& scratch) {
      runs<kStreamRows>(task, scratch, [this](const auto& run, const Channel& channel, const Vector& scale) DROPNORM_INLINE {
        for (int i = 0; i < run.size; ++i) {
          const Vector z = channel.affine(channel.normalized(load(x() + run.offset(i), run.values(i))));
          const Vector activated = activate<kind>(z, Vector(static_cast<T>(job_.negative_slope)));
          store(y() + run.offset(i), keep(run.bits(i), activated * scale), run.values(i));
        }
      });
    });
  }

  void backward() {
    for_channels([this](int64_t group, int64_t c0, int64_t c1) { set_parameters(group, c0, c1); });
    for_tasks([this](const Task& task, RowBits::Scratch& scratch) {
      double *sums = partial(0, task), *projections = partial(1, task);
      runs<kSumRows>(task, scratch, [=](const auto& run, const Channel& channel, const Vector& scale) DROPNORM_INLINE {
        Vector sum(T{0}), projection(T{0});
        for (int i = 0; i < run.size; ++i) {
          const Vector normalized = channel.normalized(load(x() + run.offset(i), run.values(i)));
          const Vector grad = gradient(run, i, channel, normalized, scale);
          sum = sum + grad;
          projection = projection + grad * normalized;
        }
        run.add(sums, sum);
        run.add(projections, projection);
      });
    });
    for_channels([this](int64_t group, int64_t c0, int64_t c1) { finish_sums(group, c0, c1); });
    for_tasks([this](const Task& task, RowBits::Scratch& scratch) {
      const T *means = parameter(kGradMean, task.group), *projections = parameter(kGradProjection, task.group);
      runs<kStreamRows>(task, scratch, [=](const auto& run, const Channel& channel, const Vector& scale) DROPNORM_INLINE {
        const Vector mean = run.parameter(means), projection = run.parameter(projections);
        const Vector slope = channel.inverse_std * channel.weight;
        for (int i = 0; i < run.size; ++i) {
          const Vector normalized = channel.normalized(load(x() + run.offset(i), run.values(i)));
          Vector through_statistics = mean + normalized * projection;
          if (job_.counted) through_statistics = keep(run.counted(job_.counted, i), through_statistics);
          const Vector grad = gradient(run, i, channel, normalized, scale);
          store(y() + run.offset(i), (grad - through_statistics) * slope, run.values(i));
        }
      });
    });
  }

 private:
  enum Parameter { kMean, kInverseStd, kWeight, kBias, kGradMean, kGradProjection, kParameters };

  const BatchNorm& job_;
  const Layout& layout_;
  const Blocks blocks_;
  const int64_t pitch_;
  int threads_;
  std::vector<T> parameters_[kParameters];  // (groups, pitch)
  std::vector<double> partial_[2];          // (groups, blocks, pitch): means and squares, or the two sums
  std::vector<int64_t> counts_;             // (groups, blocks)

  struct Channel {
    Vector mean, inverse_std, weight, bias;
    Vector normalized(const Vector& x) const { return (x - mean) * inverse_std; }
    Vector affine(const Vector& normalized) const { return normalized * weight + bias; }
  };

  const Value* x() const { return static_cast<const Value*>(job_.x); }
  Value* y() const { return static_cast<Value*>(job_.y); }
  T* parameter(Parameter which, int64_t group) { return parameters_[which].data() + group * pitch_; }
  double* partial(int which, const Task& task) {
    return partial_[which].data() + (task.group * blocks_.count() + task.block) * pitch_;
  }
  int64_t& count(const Task& task) { return counts_[task.group * blocks_.count() + task.block]; }

  template <class Body>
  void for_tasks(Body body) {
#pragma omp parallel num_threads(threads_) if (threads_ > 1)
    {
      RowBits::Scratch scratch;
#pragma omp for schedule(static)
      for (int64_t index = 0; index < blocks_.tasks(); ++index) body(blocks_.task(index), scratch);
    }
  }

  template <class Body>
  void for_channels(Body body) {
    const int64_t parts = pitch_ / kTileColumns;
#pragma omp parallel for schedule(static) num_threads(threads_) if (threads_ > 1)
    for (int64_t index = 0; index < layout_.groups * parts; ++index) {
      const int64_t c0 = index % parts * kTileColumns;
      body(index / parts, c0, std::min<int64_t>(c0 + kTileColumns, layout_.channels));
    }
  }

  // Calls body(run, channel, scale) for all of a task's values; scale is what remains is multiplied by.
  template <int64_t kRows, class Body>
  void runs(const Task& task, RowBits::Scratch& scratch, Body body) {
    const Vector scale(static_cast<T>(job_.mask.group[task.group].scale));
    const T *means = parameter(kMean, task.group), *inverse_stds = parameter(kInverseStd, task.group),
            *weights = parameter(kWeight, task.group), *biases = parameter(kBias, task.group);
    const Decisions decisions(job_.mask, task.group);
    blocks_.template runs<T, kRows>(task, decisions, job_.mask.channelwise, scratch, [&](const auto& run) DROPNORM_INLINE {
      const Channel channel{run.parameter(means), run.parameter(inverse_stds), run.parameter(weights), run.parameter(biases)};
      body(run, channel, scale);
    });
  }

  // The gradient of the batch norm's output, from that of what follows it.
  template <class Run>
  Vector gradient(const Run& run, int i, const Channel& channel, const Vector& normalized, const Vector& scale) const {
    const Vector grad = load(static_cast<const Value*>(job_.grad) + run.offset(i), run.values(i));
    const Vector slope(static_cast<T>(job_.negative_slope));
    return activation_gradient<kind>(channel.affine(normalized), keep(run.bits(i), grad * scale), slope);
  }

  void row_moments(const Task& task) {
    const auto [q0, q1] = blocks_.rows(task);
    const Value* base = x() + task.group * layout_.rows() * layout_.channels;
    const uint8_t* counted = job_.counted ? job_.counted + task.group * layout_.rows() : nullptr;
    double *means = partial(0, task), *squares = partial(1, task);
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
      for (; waiting == kChunk && c + Vector::kCount <= task.c1; c += Vector::kCount)
        merge(means + c, squares + c, weights, chunk_of<T>(kChunk, [&](int i) { return load(rows[i] + c); }));
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
      static_cast<T*>(job_.mean)[group * layout_.channels + c] = static_cast<T>(means[c]);
      static_cast<T*>(job_.var)[group * layout_.channels + c] = static_cast<T>(done ? squares[c] / static_cast<double>(done) : 0);
    }
    set_parameters(group, c0, c1);
  }

  void set_parameters(int64_t group, int64_t c0, int64_t c1) {
    for (int64_t c = c0; c < c1; ++c) {
      const int64_t from = group * layout_.channels + c;
      const double var = static_cast<const T*>(job_.var)[from];
      parameter(kMean, group)[c] = static_cast<const T*>(job_.mean)[from];
      parameter(kInverseStd, group)[c] = static_cast<T>(1.0 / std::sqrt(var + job_.eps));
      parameter(kWeight, group)[c] = job_.weight ? static_cast<const T*>(job_.weight)[from] : T{1};
      parameter(kBias, group)[c] = job_.bias ? static_cast<const T*>(job_.bias)[from] : T{0};
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
    for (int64_t c = c0; c < c1; ++c) {
      static_cast<T*>(job_.grad_bias)[group * layout_.channels + c] = static_cast<T>(sums[c]);
      static_cast<T*>(job_.grad_weight)[group * layout_.channels + c] = static_cast<T>(projections[c]);
      parameter(kGradMean, group)[c] = static_cast<T>(sums[c] * share);
      parameter(kGradProjection, group)[c] = static_cast<T>(projections[c] * share);
    }
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

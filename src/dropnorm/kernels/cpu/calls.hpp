// What passes between Python and the kernels: a mask's decisions, and a batch norm with what its backward pass needs.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <vector>

#include "dense.hpp"
#include "memory.hpp"
#include "running.hpp"
#include "tensor.hpp"

namespace dropnorm {

struct Kernels {
  void (*dropout)(const Dropout&);
  void (*batch_norm)(const BatchNorm&);
  void (*batch_norm_backward)(const BatchNorm&);
  void (*gather)(const Gather&);
  void (*softmax_gradient)(const SoftmaxGradient&);
  void (*adam)(const Adam&);
  void (*train)(const DenseNets&, const DenseTraining&);
  void (*evaluate)(const DenseNets&, const DenseEvaluation&);
};

// Rates, keys, site and rows, copied: whoever has this can make the mask again.
class Decided {
 public:
  // None if a rate is none, or if key or rows are not plain tensors of 64-bit integers in the processor's memory.
  static nanobind::object from(nanobind::handle p, nanobind::handle key, uint32_t site, nanobind::handle rows, bool channelwise) {
    const auto keys = Tensors::read(key);
    if (!keys || !keys->is(kInteger, 64) || keys->dims > 1) return nanobind::none();
    Decided decided(site, channelwise, keys->dims);
    std::vector<double> rates;
    if (!PyFloat_CheckExact(p.ptr())) {
      if (!nanobind::try_cast(p, rates)) return nanobind::none();
    } else {
      rates.push_back(PyFloat_AS_DOUBLE(p.ptr()));
    }
    if (static_cast<int64_t>(rates.size()) != keys->size()) return nanobind::none();
    for (const double rate : rates) {
      if (!(rate >= 0.0 && rate <= 1.0)) return nanobind::none();
      decided.add(rate, *keys, static_cast<int64_t>(decided.groups_.size()));
    }
    if (!rows.is_none()) {
      const auto given = Tensors::read(rows);
      if (!given || !given->is(kInteger, 64) || given->dims != 1) return nanobind::none();
      for (int64_t i = 0; i < given->shape[0]; ++i) decided.rows_.push_back(at(*given, i));
      decided.has_rows_ = true;
    }
    return nanobind::cast(std::move(decided));
  }

  int leading() const { return leading_; }

  // Whether these decide about the samples of such a tensor.
  bool fits(const Layout& layout) const {
    return layout.groups == static_cast<int64_t>(groups_.size()) &&
           (!has_rows_ || layout.samples == static_cast<int64_t>(rows_.size()));
  }
  Mask mask() const { return {groups_.data(), has_rows_ ? rows_.data() : nullptr, site_, channelwise_}; }

 private:
  std::vector<Group> groups_;
  std::vector<int64_t> rows_;
  uint32_t site_;
  bool channelwise_, has_rows_ = false;
  int leading_;

  Decided(uint32_t site, bool channelwise, int leading) : site_(site), channelwise_(channelwise), leading_(leading) {}

  static int64_t at(const Tensor& tensor, int64_t i) {
    return static_cast<const int64_t*>(tensor.data)[tensor.dims ? i * tensor.strides[0] : 0];
  }
  void add(double p, const Tensor& keys, int64_t i) {
    groups_.push_back(Group::of(p, static_cast<uint64_t>(at(keys, i))));
  }
};

// Drops x into y, which may be x. False if these are not tensors that the kernel takes.
inline bool drop(const Kernels& kernels, nanobind::handle x, nanobind::handle y, const Decided& decided, int threads) {
  const auto from = Tensors::read(x);
  const auto dtype = from ? dtype_of(*from) : std::nullopt;
  if (!dtype) return false;
  auto layout = layout_of(*from, decided.leading());
  if (!layout || !decided.fits(*layout)) return false;
  void* to = same_as(Tensors::read(y), *layout, *dtype, decided.leading());
  if (!to) return false;
  const Mask mask = decided.mask();
  if (to != from->data) prefer_large_pages(to, layout->size() * from->bits / 8);
  if (!layout->channels_last && !mask.channelwise) layout->channels *= layout->positions, layout->positions = 1;
  nanobind::gil_scoped_release released;
  kernels.dropout({*layout, *dtype, from->data, to, mask, threads});
  return true;
}

// A batch norm, its activation and its dropout. The forward pass keeps the statistics here, for the backward pass and for
// whoever asks.
class BatchNormCall {
 public:
  BatchNormCall(double eps, int activation, double negative_slope, nanobind::object decided, bool grouped)
      : eps_(eps), negative_slope_(negative_slope), activation_(static_cast<Activation>(activation)), leading_(grouped),
        decided_(std::move(decided)) {}

  // Normalizes x into y by the batch's own statistics. False if these are not tensors that the kernel takes.
  bool forward(const Kernels& kernels, nanobind::handle x, nanobind::handle y, nanobind::handle weight, nanobind::handle bias,
               nanobind::handle counted, int threads) {
    BatchNorm job{};
    if (!read(job, x, weight, bias, counted) || !(job.y = same_as(Tensors::read(y), job.layout, job.dtype, leading_))) return false;
    keep(job.layout, job.dtype);
    run(kernels.batch_norm, job, threads);
    return true;
  }

  // The gradients of x, weight and bias from that of y; of the parameters, None is left out.
  bool backward(const Kernels& kernels, nanobind::handle grad, nanobind::handle x, nanobind::handle weight, nanobind::handle bias,
                nanobind::handle counted, nanobind::handle grad_x, nanobind::handle grad_weight, nanobind::handle grad_bias,
                int threads) {
    BatchNorm job{};
    if (!read(job, x, weight, bias, counted) || !(job.layout == layout_) || job.dtype != dtype_) return false;
    job.grad = same_as(Tensors::read(grad), layout_, dtype_, leading_);
    job.y = same_as(Tensors::read(grad_x), layout_, dtype_, leading_);
    if (!job.grad || !job.y || !per_channel(layout_, grad_weight, job.grad_weight) ||
        !per_channel(layout_, grad_bias, job.grad_bias)) return false;
    run(kernels.batch_norm_backward, job, threads);
    return true;
  }

  // Writes mean and variance into contiguous tensors.
  bool statistics(nanobind::handle mean, nanobind::handle var) const {
    return each_statistic(mean, 0, [](auto& value, double kept) { value = static_cast<std::decay_t<decltype(value)>>(kept); }) &&
           each_statistic(var, 1, [](auto& value, double kept) { value = static_cast<std::decay_t<decltype(value)>>(kept); });
  }

  // Takes the mean and variance of an earlier forward pass of x from contiguous tensors.
  bool recall(nanobind::handle x, nanobind::handle mean, nanobind::handle var) {
    const auto tensor = Tensors::read(x);
    const auto dtype = tensor ? dtype_of(*tensor) : std::nullopt;
    const auto layout = dtype ? layout_of(*tensor, leading_) : std::nullopt;
    if (!layout) return false;
    keep(*layout, *dtype);
    return each_statistic(mean, 0, [](auto value, double& kept) { kept = static_cast<double>(value); }) &&
           each_statistic(var, 1, [](auto value, double& kept) { kept = static_cast<double>(value); });
  }

  // Moves running statistics towards the batch's, and counts it in `batches`; without a momentum they are the mean over all
  // batches. None if these are not buffers that it takes; otherwise whether the batch counted, which with `only_finite` one
  // with a statistic that is not finite does not.
  nanobind::object track(nanobind::handle running_mean, nanobind::handle running_var, nanobind::handle batches,
                         nanobind::handle momentum, bool only_finite) const {
    const auto mean = Tensors::read(running_mean), var = Tensors::read(running_var), count = Tensors::read(batches);
    const int64_t channels = layout_.channels;
    const auto dtype = mean ? dtype_of(*mean) : std::nullopt;
    if (leading_ || !dtype || !var || dtype_of(*var) != dtype || mean->size() != channels || var->size() != channels ||
        !mean->contiguous() || !var->contiguous() || !count || !count->is(kInteger, 64) || count->dims != 0)
      return nanobind::none();
    // Kept more or less precisely than they are computed: torch has the rules for that.
    if ((*dtype == Dtype::float64) != (dtype_ == Dtype::float64)) return nanobind::none();
    auto& batch = *static_cast<int64_t*>(count->data);
    const double share = momentum.is_none() ? 1.0 / static_cast<double>(batch + 1) : nanobind::cast<double>(momentum);
    const auto rows = static_cast<double>(layout_.rows());
    bool moved = false;
    with_values({mean->data, *dtype, 0, 1}, [&](auto* to_mean) {
      moved = move_running(to_mean, static_cast<decltype(to_mean)>(var->data), statistic(0), statistic(1), channels, share,
                           rows / (rows - 1), only_finite);
    });
    batch += moved;
    return nanobind::bool_(moved);
  }

 private:
  double eps_, negative_slope_;
  Activation activation_;
  int leading_;
  nanobind::object decided_;
  Layout layout_{};
  Dtype dtype_{};
  std::vector<double> statistics_;  // means, then variances; of float32, float32's

  double* statistic(int which) { return statistics_.data() + which * layout_.groups * layout_.channels; }
  const double* statistic(int which) const { return const_cast<BatchNormCall*>(this)->statistic(which); }

  void keep(const Layout& layout, Dtype dtype) {
    layout_ = layout, dtype_ = dtype;
    statistics_.resize(2 * layout.groups * layout.channels);
  }

  // What both passes read: x and how it lies, the parameters, what counts and what is dropped.
  bool read(BatchNorm& job, nanobind::handle x, nanobind::handle weight, nanobind::handle bias, nanobind::handle counted) const {
    const auto tensor = Tensors::read(x);
    const auto dtype = tensor ? dtype_of(*tensor) : std::nullopt;
    const auto layout = dtype && tensor->dims >= leading_ + 2 ? layout_of(*tensor, leading_) : std::nullopt;
    if (!layout) return false;
    job.layout = *layout, job.dtype = *dtype, job.x = tensor->data;
    if (!decided_.is_none()) {
      const auto& decided = nanobind::cast<const Decided&>(decided_);
      if (decided.leading() != leading_ || !decided.fits(*layout)) return false;
      job.mask = decided.mask();
    }
    if (!counted.is_none()) {
      const auto flags = Tensors::read(counted);
      if (!flags || !flags->is(kBool, 8) || !flags->contiguous() || flags->size() != layout->groups * layout->rows()) return false;
      job.counted = static_cast<const uint8_t*>(flags->data);
    }
    return per_channel(*layout, weight, job.weight) && per_channel(*layout, bias, job.bias);
  }

  // False if there is a parameter and it does not fit.
  bool per_channel(const Layout& layout, nanobind::handle parameter, PerChannel& values) const {
    if (parameter.is_none()) return true;
    const auto tensor = Tensors::read(parameter);
    const auto dtype = tensor ? dtype_of(*tensor) : std::nullopt;
    if (!dtype || tensor->dims != leading_ + 1 || tensor->shape[leading_] != layout.channels) return false;
    if (leading_ && tensor->shape[0] != layout.groups) return false;
    values = {tensor->data, *dtype, leading_ ? tensor->strides[0] : 0, tensor->strides[leading_]};
    return true;
  }

  // Calls body(value, kept) for all channels' values in a contiguous tensor and what is kept of them here.
  template <class Body>
  bool each_statistic(nanobind::handle object, int which, Body body) const {
    const auto tensor = Tensors::read(object);
    const int64_t size = layout_.groups * layout_.channels;
    if (!tensor || tensor->size() != size || !tensor->contiguous() || tensor->code != kFloat) return false;
    auto* kept = const_cast<BatchNormCall*>(this)->statistic(which);
    const auto all = [&](auto* values) {
      for (int64_t i = 0; i < size; ++i) body(values[i], kept[i]);
    };
    if (tensor->bits == 64) return all(static_cast<double*>(tensor->data)), true;
    if (tensor->bits == 32) return all(static_cast<float*>(tensor->data)), true;
    return false;
  }

  void run(void (*kernel)(const BatchNorm&), BatchNorm& job, int threads) {
    job.mean = statistic(0), job.var = statistic(1);
    prefer_large_pages(job.y, job.layout.size() * bytes_of(job.dtype));
    job.eps = eps_, job.negative_slope = negative_slope_, job.activation = activation_, job.threads = threads;
    nanobind::gil_scoped_release released;
    kernel(job);
  }
};

}  // namespace dropnorm

// How a training step's kernels are called from Python: each says whether it took the tensors.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "calls.hpp"
#include "tensor.hpp"
#include "training.hpp"

namespace dropnorm {

inline bool are_dense(std::initializer_list<const std::optional<Tensor>*> tensors, uint8_t code, uint8_t bits) {
  for (const auto* each : tensors)
    if (!*each || !(*each)->is(code, bits) || !(*each)->contiguous()) return false;
  return true;
}

template <class T>
inline T* data_of(const std::optional<Tensor>& tensor) {
  return static_cast<T*>(tensor->data);
}

// The table, if base, factor and shift are one.
inline std::optional<Table> read_table(nanobind::handle base, nanobind::handle factor, nanobind::handle shift, float farthest) {
  const auto from = Tensors::read(base), scale = Tensors::read(factor), offset = Tensors::read(shift);
  if (!from || !from->contiguous() || from->dims != 2 || !are_dense({&scale, &offset}, kFloat, 32)) return std::nullopt;
  const bool bytes = from->is(kUnsigned, 8);
  const int64_t features = from->shape[1];
  if (!bytes && !from->is(kFloat, 32)) return std::nullopt;
  if (scale->dims != 2 || scale->shape[1] != features || offset->size() != scale->size()) return std::nullopt;
  return Table{from->data, bytes, from->shape[0], features, data_of<float>(scale), data_of<float>(offset), scale->shape[0], farthest};
}

// Numbers (nets, count), each from 0 to `below`.
inline std::optional<Numbers> read_numbers(const std::optional<Tensor>& tensor, int64_t nets, int64_t below) {
  if (!tensor || !tensor->is(kInteger, 64) || tensor->dims != 2 || tensor->shape[0] != nets) return std::nullopt;
  const Numbers numbers{static_cast<const int64_t*>(tensor->data), tensor->strides[0], tensor->strides[1]};
  for (int64_t net = 0; net < nets; ++net)
    for (int64_t i = 0; i < tensor->shape[1]; ++i)
      if (numbers.of(net, i) < 0 || numbers.of(net, i) >= below) return std::nullopt;
  return numbers;
}

inline bool are_below(const std::optional<Tensor>& numbers, int64_t below) {
  const auto* data = static_cast<const int64_t*>(numbers->data);
  return std::all_of(data, data + numbers->size(), [=](int64_t number) { return number >= 0 && number < below; });
}

inline bool gather(const Kernels& kernels, nanobind::handle base, nanobind::handle rows, nanobind::handle seeds,
                   nanobind::handle factor, nanobind::handle shift, float farthest, nanobind::handle x, int threads) {
  const auto table = read_table(base, factor, shift, farthest);
  const auto row = Tensors::read(rows), seed = Tensors::read(seeds), to = Tensors::read(x);
  if (!table || !are_dense({&seed}, kInteger, 64) || !are_dense({&to}, kFloat, 32)) return false;
  const auto numbers = read_numbers(row, seed->size(), table->rows);
  if (!numbers || to->size() != row->size() * table->features || !are_below(seed, table->seeds)) return false;
  const Gather job{*table, row->shape[0], row->shape[1], *numbers, data_of<int64_t>(seed), data_of<float>(to), threads};
  nanobind::gil_scoped_release released;
  kernels.gather(job);
  return true;
}

inline bool softmax_gradient(const Kernels& kernels, nanobind::handle outputs, nanobind::handle targets, float scale,
                             nanobind::handle grad, int threads) {
  const auto from = Tensors::read(outputs), target = Tensors::read(targets), to = Tensors::read(grad);
  if (!are_dense({&from, &to}, kFloat, 32) || !are_dense({&target}, kInteger, 64) || from->dims < 1) return false;
  const int64_t classes = from->shape[from->dims - 1], rows = target->size();
  if (classes == 0 || from->size() != rows * classes || to->size() != from->size()) return false;
  SoftmaxGradient job{data_of<float>(from), data_of<int64_t>(target), rows, classes, scale, data_of<float>(to), threads};
  if (!are_below(target, classes)) return false;
  nanobind::gil_scoped_release released;
  kernels.softmax_gradient(job);
  return true;
}

// `step` counts from 1. A step is taken for all of the parameters, or for none.
inline bool adam(const Kernels& kernels, nanobind::sequence values, nanobind::sequence grads, nanobind::sequence means,
                 nanobind::sequence squares, const std::vector<double>& learning_rates, double beta1, double beta2, double eps,
                 int64_t step, int threads) {
  Adam job{{}, {}, threads};
  for (const double learning_rate : learning_rates) job.steps.emplace_back(AdamSettings{beta1, beta2, eps}, learning_rate, step);
  if (job.steps.empty()) return false;
  const size_t count = nanobind::len(values);
  if (nanobind::len(grads) != count || nanobind::len(means) != count || nanobind::len(squares) != count) return false;
  for (size_t i = 0; i < count; ++i) {
    const nanobind::object given[] = {values[i], grads[i], means[i], squares[i]};
    const auto value = Tensors::read(given[0]), grad = Tensors::read(given[1]), mean = Tensors::read(given[2]),
               square = Tensors::read(given[3]);
    if (!are_dense({&value, &grad, &mean, &square}, kFloat, 32)) return false;
    const int64_t size = value->size();
    if (grad->size() != size || mean->size() != size || square->size() != size) return false;
    if (size % static_cast<int64_t>(job.steps.size())) return false;
    job.parameters.push_back({data_of<float>(value), data_of<float>(grad), data_of<float>(mean), data_of<float>(square), size});
  }
  nanobind::gil_scoped_release released;
  kernels.adam(job);
  return true;
}

}  // namespace dropnorm

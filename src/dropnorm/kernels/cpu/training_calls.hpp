// How a training step's kernels are called from Python: each says whether it took the tensors.
#pragma once

#include <nanobind/nanobind.h>

#include <cmath>
#include <initializer_list>

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

inline bool gather(const Kernels& kernels, nanobind::handle base, nanobind::handle rows, nanobind::handle seeds,
                   nanobind::handle factor, nanobind::handle shift, float farthest, nanobind::handle x, int threads) {
  const auto from = Tensors::read(base), row = Tensors::read(rows), seed = Tensors::read(seeds), to = Tensors::read(x);
  const auto scale = Tensors::read(factor), offset = Tensors::read(shift);
  if (!from || !from->contiguous() || from->dims != 2 || !row || !row->is(kInteger, 64) || row->dims != 2) return false;
  if (!are_dense({&seed}, kInteger, 64) || !are_dense({&scale, &offset, &to}, kFloat, 32)) return false;
  const bool bytes = from->is(kUnsigned, 8);
  const int64_t nets = row->shape[0], batch = row->shape[1], features = from->shape[1];
  if (!bytes && !from->is(kFloat, 32)) return false;
  if (seed->size() != nets || to->size() != nets * batch * features || scale->dims != 2 || scale->shape[1] != features ||
      offset->size() != scale->size())
    return false;
  Gather job{from->data, bytes, nets, batch, features, data_of<int64_t>(row), row->strides[0], row->strides[1],
             data_of<int64_t>(seed), data_of<float>(scale), data_of<float>(offset), farthest, data_of<float>(to), threads};
  for (int64_t i = 0; i < nets * batch; ++i)
    if (job.row(i) < 0 || job.row(i) >= from->shape[0]) return false;
  for (int64_t net = 0; net < nets; ++net)
    if (job.seed[net] < 0 || job.seed[net] >= scale->shape[0]) return false;
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
  for (int64_t i = 0; i < rows; ++i)
    if (job.target[i] < 0 || job.target[i] >= classes) return false;
  nanobind::gil_scoped_release released;
  kernels.softmax_gradient(job);
  return true;
}

// `step` counts from 1. A step is taken for all of the parameters, or for none.
inline bool adam(const Kernels& kernels, nanobind::sequence values, nanobind::sequence grads, nanobind::sequence means,
                 nanobind::sequence squares, double learning_rate, double beta1, double beta2, double eps, int64_t step,
                 int threads) {
  Adam job{{},
           static_cast<float>(1 - beta1),
           static_cast<float>(beta2),
           static_cast<float>(1 - beta2),
           static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, step))),
           static_cast<float>(learning_rate / (1 - std::pow(beta1, step))),
           static_cast<float>(eps),
           threads};
  const size_t count = nanobind::len(values);
  if (nanobind::len(grads) != count || nanobind::len(means) != count || nanobind::len(squares) != count) return false;
  for (size_t i = 0; i < count; ++i) {
    const nanobind::object given[] = {values[i], grads[i], means[i], squares[i]};
    const auto value = Tensors::read(given[0]), grad = Tensors::read(given[1]), mean = Tensors::read(given[2]),
               square = Tensors::read(given[3]);
    if (!are_dense({&value, &grad, &mean, &square}, kFloat, 32)) return false;
    const int64_t size = value->size();
    if (grad->size() != size || mean->size() != size || square->size() != size) return false;
    job.parameters.push_back({data_of<float>(value), data_of<float>(grad), data_of<float>(mean), data_of<float>(square), size});
  }
  nanobind::gil_scoped_release released;
  kernels.adam(job);
  return true;
}

}  // namespace dropnorm

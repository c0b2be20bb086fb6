// Dense nets as Python hands them over: the tensors of each layer, kept alive here.
#pragma once

#include <nanobind/stl/vector.h>

#include "calls.hpp"
#include "training_calls.hpp"

namespace dropnorm {

class DenseCall {
  using Objects = std::vector<nanobind::object>;

 public:
  // None if these are not tensors that the kernels take. Of each layer: weight, bias, batch norm's weight and bias, running mean and
  // variance, any but the first of which may be None; and Adam's means and squares of the first four, or nothing.
  static nanobind::object from(const std::vector<uintptr_t>& blas, int activation, double negative_slope, double eps, double momentum,
                               const std::vector<Objects>& layers, const std::vector<Objects>& means,
                               const std::vector<Objects>& squares, const std::vector<std::vector<double>>& rates,
                               std::vector<double> input_rates, uint32_t input_site, std::vector<double> decays,
                               std::vector<double> largest_norms) {
    DenseCall call;
    DenseNets& nets = call.nets_;
    nets.blas = {reinterpret_cast<decltype(Blas::gemm)>(blas.at(0)), reinterpret_cast<decltype(Blas::set_threads)>(blas.at(1))};
    nets.nets = static_cast<int64_t>(input_rates.size());
    nets.activation = static_cast<Activation>(activation), nets.negative_slope = static_cast<float>(negative_slope);
    nets.eps = eps, nets.momentum = momentum;
    call.trained_ = !means.empty();
    if (layers.empty() || (call.trained_ && (means.size() != layers.size() || squares.size() != layers.size())) ||
        rates.size() + 1 != layers.size() || decays.size() != input_rates.size() || largest_norms.size() != input_rates.size())
      return nanobind::none();
    for (size_t l = 0; l < layers.size(); ++l) {
      const Objects none(4, nanobind::none());
      if (!call.add(layers[l], call.trained_ ? means[l] : none, call.trained_ ? squares[l] : none)) return nanobind::none();
      if (!l) continue;
      DenseLayer& below = nets.layers[l - 1];
      below.rates = rates[l - 1];
      if (below.outputs != nets.layers[l].inputs || below.rates.size() != input_rates.size()) return nanobind::none();
    }
    nets.input_rates = std::move(input_rates), nets.input_site = input_site;
    nets.decays = std::move(decays), nets.largest_norms = std::move(largest_norms);
    return nanobind::cast(std::move(call));
  }

  // On the rows of this table; targets are classes (rows,) or quantities (seeds, rows), weights those of classes (seeds, outputs) or
  // None.
  bool read(nanobind::handle base, nanobind::handle factor, nanobind::handle shift, float farthest, nanobind::handle seeds,
            nanobind::handle targets, nanobind::handle weights) {
    const auto table = read_table(base, factor, shift, farthest);
    const auto seed = Tensors::read(seeds), target = Tensors::read(targets);
    if (!table || table->features != nets_.layers.front().inputs || !are_dense({&seed}, kInteger, 64) || seed->size() != nets_.nets ||
        !are_below(seed, table->seeds))
      return false;
    const int64_t outputs = nets_.layers.back().outputs;
    nets_.classes = nullptr, nets_.quantities = nullptr, nets_.weights = nullptr;
    if (are_dense({&target}, kInteger, 64) && target->size() == table->rows && are_below(target, outputs))
      nets_.classes = data_of<int64_t>(target);
    else if (are_dense({&target}, kFloat, 32) && target->size() == table->seeds * table->rows)
      nets_.quantities = data_of<float>(target);
    else
      return false;
    if (!weights.is_none()) {
      const auto weight = Tensors::read(weights);
      if (!nets_.classes || !are_dense({&weight}, kFloat, 32) || weight->size() != table->seeds * outputs) return false;
      nets_.weights = data_of<float>(weight);
    }
    nets_.table = *table, nets_.seed = data_of<int64_t>(seed);
    for (const auto each : {base, factor, shift, seeds, targets, weights}) alive_.push_back(nanobind::borrow(each));
    return true;
  }

  // Steps on the batches of order (nets, steps * batch) with the masks of keys (nets, steps); the first is Adam's `number`-th. Each
  // net has its own learning rate.
  bool train(const Kernels& kernels, nanobind::handle order, nanobind::handle keys, int64_t number,
             const std::vector<double>& learning_rates, double beta1, double beta2, double eps, int threads) const {
    if (static_cast<int64_t>(learning_rates.size()) != nets_.nets) return false;
    const auto rows = Tensors::read(order), key = Tensors::read(keys);
    if (!trained_ || !key || !key->is(kInteger, 64) || key->dims != 2 || key->shape[0] != nets_.nets || key->shape[1] == 0) return false;
    const auto numbers = read_numbers(rows, nets_.nets, nets_.table.rows);
    const int64_t steps = key->shape[1];
    if (!numbers || rows->shape[1] == 0 || rows->shape[1] % steps) return false;
    const DenseTraining job{*numbers, {static_cast<const int64_t*>(key->data), key->strides[0], key->strides[1]},
                            rows->shape[1] / steps, steps, number, {beta1, beta2, eps}, learning_rates, threads};
    nanobind::gil_scoped_release released;
    kernels.train(nets_, job);
    return true;
  }

  // Outputs (nets, count, outputs) of rows (nets, count), in inference mode.
  bool evaluate(const Kernels& kernels, nanobind::handle rows, nanobind::handle outputs, int threads) const {
    const auto row = Tensors::read(rows), to = Tensors::read(outputs);
    const auto numbers = read_numbers(row, nets_.nets, nets_.table.rows);
    if (!numbers || row->shape[1] == 0 || !are_dense({&to}, kFloat, 32) || to->size() != row->size() * nets_.layers.back().outputs)
      return false;
    const DenseEvaluation job{*numbers, row->shape[1], data_of<float>(to), threads};
    nanobind::gil_scoped_release released;
    kernels.evaluate(nets_, job);
    return true;
  }

 private:
  DenseNets nets_{};
  bool trained_ = false;
  Objects alive_;

  bool add(const Objects& tensors, const Objects& means, const Objects& squares) {
    if (tensors.size() != 6 || means.size() != 4 || squares.size() != 4) return false;
    const auto weight = Tensors::read(tensors[0]);
    if (!weight || weight->dims != 3) return false;
    DenseLayer layer{weight->shape[1], weight->shape[2], {}, {}, {}, {}, nullptr, nullptr, {}};
    DenseParameter* const parameters[] = {&layer.weight, &layer.bias, &layer.norm_weight, &layer.norm_bias};
    for (int i = 0; i < 4; ++i) {
      DenseParameter& parameter = *parameters[i];
      parameter.size = layer.outputs * (i ? 1 : layer.inputs);
      if (!take(tensors[i], parameter.size, parameter.value)) return false;
      if (trained_ && parameter.value &&
          !(take(means[i], parameter.size, parameter.mean) && take(squares[i], parameter.size, parameter.square) &&
            parameter.mean && parameter.square))
        return false;
    }
    if (!take(tensors[4], layer.outputs, layer.running_mean) || !take(tensors[5], layer.outputs, layer.running_var)) return false;
    const bool normalized = layer.norm_weight.value;
    if (normalized != bool(layer.norm_bias.value) || normalized != bool(layer.running_mean) || normalized != bool(layer.running_var))
      return false;
    nets_.layers.push_back(std::move(layer));
    return true;
  }

  // The values of a tensor (nets, *) with so many for each net; none of None.
  bool take(const nanobind::object& object, int64_t size, float*& values) {
    if (object.is_none()) return true;
    const auto tensor = Tensors::read(object);
    if (!are_dense({&tensor}, kFloat, 32) || tensor->size() != nets_.nets * size) return false;
    values = data_of<float>(tensor);
    alive_.push_back(object);
    return true;
  }
};

}  // namespace dropnorm

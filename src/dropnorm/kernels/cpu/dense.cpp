// Training steps and outputs of a study's dense nets: compiled once for each instruction set.
//
// A net's arithmetic is one thread's, in one order: its weights are the same to the bit for any number of threads, and whichever
// nets there are besides it.
#include "dense.hpp"

#include <memory>

#include "activation.hpp"
#include "dense_thread.hpp"
#include "running.hpp"
#include "training_loops.hpp"
#include "values.hpp"

namespace dropnorm {
namespace {

constexpr int64_t kRowsEvaluated = 128;

template <class Body>
void with_activation(Activation kind, Body body) {
  switch (kind) {
    case Activation::identity: return body(std::integral_constant<Activation, Activation::identity>{});
    case Activation::relu: return body(std::integral_constant<Activation, Activation::relu>{});
    case Activation::leaky_relu: return body(std::integral_constant<Activation, Activation::leaky_relu>{});
    case Activation::gelu: return body(std::integral_constant<Activation, Activation::gelu>{});
    case Activation::silu: return body(std::integral_constant<Activation, Activation::silu>{});
  }
}

const Float32* lanes_of(const float* from) { return reinterpret_cast<const Float32*>(from); }
Float32* lanes_of(float* to) { return reinterpret_cast<Float32*>(to); }

// One thread's memory, for one net after the other.
class DensePass {
  using Vector = Lanes<float>;
  struct Layer {
    Memory z, y, grad_weight, grad_bias, grad_norm_weight, grad_norm_bias;
    std::vector<double> mean, var;
  };

 public:
  DensePass(const DenseNets& nets, int64_t batch, bool training)
      : nets_(nets), batch_(batch), x_(batch * nets.table.features), grad_(batch * widest(nets)), other_grad_(batch * widest(nets)) {
    for (const DenseLayer& layer : nets.layers) {
      const int64_t rows = batch * layer.outputs, weights = training ? layer.weight.size : 0, units = training ? layer.outputs : 0;
      layers_.push_back({Memory(rows), Memory(rows), Memory(weights), Memory(units), Memory(units), Memory(units),
                         std::vector<double>(layer.outputs), std::vector<double>(layer.outputs)});
    }
  }

  void train(int64_t net, const DenseTraining& job) {
    const int64_t last = job.steps * batch_ - 1;
    std::vector<int64_t> rows(batch_ + 1);
    const double learning_rate = job.learning_rates[net];
    for (int64_t step = 0; step < job.steps; ++step) {
      for (int64_t i = 0; i <= batch_; ++i) rows[i] = job.order.of(net, std::min(step * batch_ + i, last));
      forward(net, rows, static_cast<uint64_t>(job.keys.of(net, step)));
      loss_gradient(net, rows);
      backward(net, static_cast<uint64_t>(job.keys.of(net, step)));
      update(net, AdamStep(job.adam, learning_rate, job.number + step), static_cast<float>(1 - learning_rate * nets_.decays[net]));
    }
  }

  void evaluate(int64_t net, const DenseEvaluation& job) {
    const int64_t width = nets_.layers.back().outputs;
    for (int64_t first = 0; first < job.count; first += batch_) {
      const int64_t count = std::min(batch_, job.count - first);
      const auto row = [&](int64_t i) { return job.rows.of(net, std::min(i, job.count - 1)); };
      for (int64_t i = 0; i < count; ++i) take(net, row(first + i), row(first + i + 1), i);
      const float* x = x_.get();
      for (size_t l = 0; l + 1 < nets_.layers.size(); ++l) {
        const DenseLayer& layer = nets_.layers[l];
        affine(net, layer, count, x, layers_[l].z.get());
        activate_normalized(net, layer, count, layers_[l].z.get(), layers_[l].y.get());
        x = layers_[l].y.get();
      }
      affine(net, nets_.layers.back(), count, x, job.outputs + (net * job.count + first) * width);
    }
  }

 private:
  const DenseNets& nets_;
  const int64_t batch_;
  Memory x_, grad_, other_grad_;
  std::vector<Layer> layers_;
  std::vector<int64_t> targets_;
  std::vector<float> powers_, scales_, shifts_;

  static int64_t widest(const DenseNets& nets) {
    int64_t widest = 0;
    for (const DenseLayer& layer : nets.layers) widest = std::max(widest, layer.outputs);
    return widest;
  }

  void take(int64_t net, int64_t row, int64_t next, int64_t to) {
    gather_row(nets_.table, row, next, nets_.seed[net], x_.get() + to * nets_.table.features);
  }

  void forward(int64_t net, const std::vector<int64_t>& rows, uint64_t key) {
    for (int64_t i = 0; i < batch_; ++i) take(net, rows[i], rows[i + 1], i);
    drop(nets_.input_rates[net], key, nets_.input_site, nets_.table.features, x_.get());
    const float* x = x_.get();
    for (size_t l = 0; l < nets_.layers.size(); ++l) {
      const DenseLayer& layer = nets_.layers[l];
      float *z = layers_[l].z.get(), *y = layers_[l].y.get();
      affine(net, layer, batch_, x, z);
      if (l + 1 == nets_.layers.size()) return;
      if (layer.norm_weight.value) {
        const Group group = Group::of(layer.rates[net], key);
        BatchNorm job = norm(net, l, &group);
        job.x = z, job.y = y;
        DROPNORM_ISA::batch_norm(job);
        const double correction = static_cast<double>(batch_) / static_cast<double>(batch_ - 1);
        move_running(lanes_of(layer.running_mean + net * layer.outputs), lanes_of(layer.running_var + net * layer.outputs),
                     job.mean, job.var, layer.outputs, nets_.momentum, correction, false);
      } else {
        activate_all(batch_ * layer.outputs, z, y);
        drop(layer.rates[net], key, static_cast<uint32_t>(l), layer.outputs, y);
      }
      x = y;
    }
  }

  // Of the mean loss of the rows.
  void loss_gradient(int64_t net, const std::vector<int64_t>& rows) {
    const int64_t width = nets_.layers.back().outputs;
    const float* outputs = layers_.back().z.get();
    if (nets_.classes) {
      targets_.resize(batch_);
      for (int64_t i = 0; i < batch_; ++i) targets_[i] = nets_.classes[rows[i]];
      softmax_gradient_rows(outputs, targets_.data(), batch_, width, 1.0f / static_cast<float>(batch_), grad_.get(), powers_);
      if (nets_.weights) weigh_classes(nets_.weights + nets_.seed[net] * width, width);
      return;
    }
    const float* quantities = nets_.quantities + nets_.seed[net] * nets_.table.rows;
    const float factor = 2.0f / static_cast<float>(batch_);
    for (int64_t i = 0; i < batch_ * width; ++i) grad_.get()[i] = (outputs[i] - quantities[rows[i / width]]) * factor;
  }

  void weigh_classes(const float* weights, int64_t width) {
    for (int64_t i = 0; i < batch_; ++i) {
      const float weight = weights[targets_[i]];
      for (int64_t c = 0; c < width; ++c) grad_.get()[i * width + c] *= weight;
    }
  }

  void backward(int64_t net, uint64_t key) {
    float *grad = grad_.get(), *other = other_grad_.get();
    for (size_t l = nets_.layers.size(); l-- > 0;) {
      const DenseLayer& layer = nets_.layers[l];
      const float* x = l ? layers_[l - 1].y.get() : x_.get();
      multiply(true, false, layer.inputs, layer.outputs, batch_, x, grad, 0.0f, layers_[l].grad_weight.get());
      if (layer.bias.value) sum_rows(layer.outputs, grad, layers_[l].grad_bias.get());
      if (!l) return;  // nobody asks for the gradient of the features
      const float* weight = layer.weight.value + net * layer.weight.size;
      multiply(false, true, batch_, layer.inputs, layer.outputs, grad, weight, 0.0f, other);
      const DenseLayer& below = nets_.layers[l - 1];
      if (below.norm_weight.value) {
        const Group group = Group::of(below.rates[net], key);
        BatchNorm job = norm(net, l - 1, &group);
        job.x = layers_[l - 1].z.get(), job.grad = other, job.y = grad;
        job.grad_weight = {layers_[l - 1].grad_norm_weight.get(), Dtype::float32, 0, 1};
        job.grad_bias = {layers_[l - 1].grad_norm_bias.get(), Dtype::float32, 0, 1};
        DROPNORM_ISA::batch_norm_backward(job);
      } else {
        // Dropout is linear: its gradient is itself, with the mask made again.
        drop(below.rates[net], key, static_cast<uint32_t>(l - 1), below.outputs, other);
        activation_gradients(batch_ * below.outputs, layers_[l - 1].z.get(), other, grad);
      }
    }
  }

  void update(int64_t net, const AdamStep& step, float kept) {
    for (size_t l = 0; l < nets_.layers.size(); ++l) {
      const DenseLayer& layer = nets_.layers[l];
      float* weight = layer.weight.value + net * layer.weight.size;
      if (kept != 1.0f)
        for (int64_t i = 0; i < layer.weight.size; ++i) weight[i] *= kept;
      const auto adam = [&](const DenseParameter& parameter, const Memory& grad) {
        if (!parameter.value) return;
        const int64_t from = net * parameter.size;
        adam_values(step, {parameter.value + from, grad.get(), parameter.mean + from, parameter.square + from, parameter.size}, 0,
                    parameter.size);
      };
      adam(layer.weight, layers_[l].grad_weight);
      adam(layer.bias, layers_[l].grad_bias);
      adam(layer.norm_weight, layers_[l].grad_norm_weight);
      adam(layer.norm_bias, layers_[l].grad_norm_bias);
      const auto largest = static_cast<float>(nets_.largest_norms[net]);
      if (std::isfinite(largest) && l + 1 < nets_.layers.size()) constrain(layer, weight, largest);
    }
  }

  // Scales the weights into each unit down to the largest norm.
  void constrain(const DenseLayer& layer, float* weight, float largest) {
    scales_.assign(layer.outputs, 0.0f);
    for (int64_t i = 0; i < layer.weight.size; ++i) scales_[i % layer.outputs] += weight[i] * weight[i];
    for (float& each : scales_) {
      const float factor = largest / std::sqrt(each);
      each = factor < 1.0f ? factor : 1.0f;
    }
    for (int64_t i = 0; i < layer.weight.size; ++i) weight[i] *= scales_[i % layer.outputs];
  }

  BatchNorm norm(int64_t net, size_t l, const Group* group) {
    const DenseLayer& layer = nets_.layers[l];
    BatchNorm job{};
    job.layout = {1, batch_, layer.outputs, 1, false};
    job.dtype = Dtype::float32;
    job.weight = {layer.norm_weight.value + net * layer.outputs, Dtype::float32, 0, 1};
    job.bias = {layer.norm_bias.value + net * layer.outputs, Dtype::float32, 0, 1};
    job.mean = layers_[l].mean.data(), job.var = layers_[l].var.data();
    job.eps = nets_.eps, job.negative_slope = nets_.negative_slope, job.activation = nets_.activation;
    job.mask = {group, nullptr, static_cast<uint32_t>(l), false};
    job.threads = 1;
    return job;
  }

  void drop(double rate, uint64_t key, uint32_t site, int64_t width, float* values) const {
    if (rate == 0.0) return;
    const Group group = Group::of(rate, key);
    DROPNORM_ISA::dropout({{1, batch_, width, 1, false}, Dtype::float32, values, values, {&group, nullptr, site, false}, 1});
  }

  // C (rows, columns) = op(A) op(B) + beta C, row by row, which to BLAS is the product of the transposed the other way round.
  void multiply(bool transpose_a, bool transpose_b, int64_t rows, int64_t columns, int64_t inner, const float* a, const float* b,
                float beta, float* c) const {
    const int64_t pitch_a = transpose_a ? rows : inner, pitch_b = transpose_b ? inner : columns;
    const float one = 1.0f;
    nets_.blas.gemm(transpose_b ? "T" : "N", transpose_a ? "T" : "N", &columns, &rows, &inner, &one, b, &pitch_b, a, &pitch_a, &beta, c,
               &columns);
  }

  void affine(int64_t net, const DenseLayer& layer, int64_t rows, const float* x, float* z) const {
    if (layer.bias.value)
      for (int64_t row = 0; row < rows; ++row)
        std::copy_n(layer.bias.value + net * layer.outputs, layer.outputs, z + row * layer.outputs);
    multiply(false, false, rows, layer.outputs, layer.inputs, x, layer.weight.value + net * layer.weight.size,
             layer.bias.value ? 1.0f : 0.0f, z);
  }

  void sum_rows(int64_t width, const float* values, float* sums) const {
    std::fill_n(sums, width, 0.0f);
    for (int64_t row = 0; row < batch_; ++row)
      for (int64_t c = 0; c < width; ++c) sums[c] += values[row * width + c];
  }

  void activate_all(int64_t count, const float* z, float* y) const {
    with_activation(nets_.activation, [&](auto kind) {
      const Vector slope(nets_.negative_slope);
      for (int64_t i = 0; i < count; i += Vector::kCount)
        store(lanes_of(y + i), activate<decltype(kind)::value>(load(lanes_of(z + i), count - i), slope), count - i);
    });
  }

  void activation_gradients(int64_t count, const float* z, const float* grad, float* to) const {
    with_activation(nets_.activation, [&](auto kind) {
      const Vector slope(nets_.negative_slope);
      for (int64_t i = 0; i < count; i += Vector::kCount) {
        const Vector lanes = load(lanes_of(grad + i), count - i);
        store(lanes_of(to + i), activation_gradient<decltype(kind)::value>(load(lanes_of(z + i), count - i), lanes, slope), count - i);
      }
    });
  }

  // By running statistics, where the layer has them.
  void activate_normalized(int64_t net, const DenseLayer& layer, int64_t rows, const float* z, float* y) {
    if (!layer.norm_weight.value) return activate_all(rows * layer.outputs, z, y);
    const int64_t width = layer.outputs, from = net * width;
    scales_.resize(width), shifts_.resize(width);
    for (int64_t c = 0; c < width; ++c) {
      scales_[c] = layer.norm_weight.value[from + c] / std::sqrt(layer.running_var[from + c] + static_cast<float>(nets_.eps));
      shifts_[c] = layer.norm_bias.value[from + c] - layer.running_mean[from + c] * scales_[c];
    }
    with_activation(nets_.activation, [&](auto kind) {
      const Vector slope(nets_.negative_slope);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < width; c += Vector::kCount) {
          const auto at = [&](const float* values) { return load(lanes_of(values + c), width - c); };
          const Vector normalized = at(z + row * width) * at(scales_.data()) + at(shifts_.data());
          store(lanes_of(y + row * width + c), activate<decltype(kind)::value>(normalized, slope), width - c);
        }
    });
  }
};

// Calls body(pass, net) for every net, on as many threads as there is work for; whoever is done takes the next net.
template <class Body>
void for_nets(const DenseNets& nets, int64_t batch, bool training, int threads, Body body) {
  Failure failure;
#pragma omp parallel num_threads(static_cast<int>(std::min<int64_t>(threads, nets.nets)))
  {
    const OneThread products(nets.blas);
    std::unique_ptr<DensePass> pass;
    failure.caught([&] { pass = std::make_unique<DensePass>(nets, batch, training); });
#pragma omp for schedule(dynamic)
    for (int64_t net = 0; net < nets.nets; ++net)
      if (pass) failure.caught([&] { body(*pass, net); });
  }
  failure.raise();
}

}  // namespace

namespace DROPNORM_ISA {

void train(const DenseNets& nets, const DenseTraining& job) {
  for_nets(nets, job.batch, true, job.threads, [&](DensePass& pass, int64_t net) { pass.train(net, job); });
}

void evaluate(const DenseNets& nets, const DenseEvaluation& job) {
  for_nets(nets, std::min(kRowsEvaluated, job.count), false, job.threads,
           [&](DensePass& pass, int64_t net) { pass.evaluate(net, job); });
}

}  // namespace DROPNORM_ISA
}  // namespace dropnorm

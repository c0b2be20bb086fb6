// The Python module `_cpu`: which instruction sets this processor has, and the kernels of each.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "calls.hpp"
#include "dense_calls.hpp"
#include "training_calls.hpp"

namespace nb = nanobind;
using namespace dropnorm;

namespace {

// The best first.
std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
#ifdef DROPNORM_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    names.emplace_back("avx512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) names.emplace_back("avx2");
#endif
  names.emplace_back("portable");
  return names;
}

#define DROPNORM_ALL_OF(instruction_set)                                                                       \
  Kernels {                                                                                                    \
    instruction_set::dropout, instruction_set::batch_norm, instruction_set::batch_norm_backward,               \
        instruction_set::gather, instruction_set::softmax_gradient, instruction_set::adam,                     \
        instruction_set::train, instruction_set::evaluate                                                      \
  }

Kernels chosen = DROPNORM_ALL_OF(portable);

void choose(const std::string& name) {
  if (name == "portable") {
    chosen = DROPNORM_ALL_OF(portable);
#ifdef DROPNORM_X86
  } else if (name == "avx2") {
    chosen = DROPNORM_ALL_OF(avx2);
  } else if (name == "avx512") {
    chosen = DROPNORM_ALL_OF(avx512);
#endif
  } else {
    throw std::invalid_argument("no kernels for the instruction set " + name);
  }
}

}  // namespace

NB_MODULE(_cpu, module) {
  module.def("instruction_sets", &instruction_sets);
  module.def("choose", &choose);
  nb::class_<Decided>(module, "Decided");
  module.def("decide", &Decided::from, nb::arg().none(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
  module.def(
      "dropout",
      [](nb::handle x, nb::handle y, const Decided& decided, int threads) { return drop(chosen, x, y, decided, threads); });
  nb::class_<BatchNormCall>(module, "BatchNorm")
      .def(nb::init<double, int, double, nb::object, bool>(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg())
      .def("forward", [](BatchNormCall& call, nb::handle x, nb::handle y, nb::handle weight, nb::handle bias, nb::handle counted,
                         int threads) { return call.forward(chosen, x, y, weight, bias, counted, threads); },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg())
      .def("backward", [](BatchNormCall& call, nb::handle grad, nb::handle x, nb::handle weight, nb::handle bias,
                          nb::handle counted, nb::handle grad_x, nb::handle grad_weight, nb::handle grad_bias, int threads) {
             return call.backward(chosen, grad, x, weight, bias, counted, grad_x, grad_weight, grad_bias, threads);
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg().none(),
           nb::arg().none(), nb::arg())
      .def("statistics", &BatchNormCall::statistics)
      .def("recall", &BatchNormCall::recall)
      .def("track", &BatchNormCall::track, nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg());
  module.def("gather", [](nb::handle base, nb::handle rows, nb::handle seeds, nb::handle factor, nb::handle shift, float farthest,
                          nb::handle x, int threads) {
    return gather(chosen, base, rows, seeds, factor, shift, farthest, x, threads);
  });
  module.def("softmax_gradient", [](nb::handle outputs, nb::handle targets, float scale, nb::handle grad, int threads) {
    return softmax_gradient(chosen, outputs, targets, scale, grad, threads);
  });
  module.def("adam", [](nb::sequence values, nb::sequence grads, nb::sequence means, nb::sequence squares,
                        const std::vector<double>& learning_rates, double beta1, double beta2, double eps, int64_t step, int threads) {
    return adam(chosen, values, grads, means, squares, learning_rates, beta1, beta2, eps, step, threads);
  });
  nb::class_<DenseCall>(module, "Dense")
      .def("read", &DenseCall::read, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("train", [](const DenseCall& call, nb::handle order, nb::handle keys, int64_t number,
                       const std::vector<double>& learning_rates, double beta1, double beta2, double eps, int threads) {
             return call.train(chosen, order, keys, number, learning_rates, beta1, beta2, eps, threads);
           })
      .def("evaluate", [](const DenseCall& call, nb::handle rows, nb::handle outputs, int threads) {
             return call.evaluate(chosen, rows, outputs, threads);
           });
  module.def("dense", &DenseCall::from);
}

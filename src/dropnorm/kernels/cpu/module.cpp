// The Python module `_cpu`: which instruction sets this processor has, and the kernels of each.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "calls.hpp"

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

Kernels chosen{portable::dropout, portable::batch_norm, portable::batch_norm_backward};

void choose(const std::string& name) {
  if (name == "portable") {
    chosen = {portable::dropout, portable::batch_norm, portable::batch_norm_backward};
#ifdef DROPNORM_X86
  } else if (name == "avx2") {
    chosen = {avx2::dropout, avx2::batch_norm, avx2::batch_norm_backward};
  } else if (name == "avx512") {
    chosen = {avx512::dropout, avx512::batch_norm, avx512::batch_norm_backward};
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
}

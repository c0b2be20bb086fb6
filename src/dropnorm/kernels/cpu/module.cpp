// The Python module `_cpu`: which instruction sets this processor has, and the kernels of each.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "kernels.hpp"

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

const Kernels& kernels(const std::string& name) {
#ifdef DROPNORM_X86
  if (name == "avx512") return avx512;
  if (name == "avx2") return avx2;
#endif
  return portable;
}

void run_dropout(const std::string& instruction_set, uintptr_t x, uintptr_t y, int dtype, int64_t rows, int64_t columns,
                 int64_t inner, uintptr_t keys, const std::vector<uint64_t>& thresholds, const std::vector<double>& scales,
                 uint32_t site, uintptr_t row, int threads) {
  std::vector<Group> groups(thresholds.size());
  for (size_t index = 0; index < groups.size(); ++index)
    groups[index] = {reinterpret_cast<const uint64_t*>(keys)[index], thresholds[index], scales[index]};
  kernels(instruction_set)
      .dropout({reinterpret_cast<const void*>(x), reinterpret_cast<void*>(y), static_cast<Dtype>(dtype),
                static_cast<int64_t>(groups.size()), rows, columns, inner, groups.data(),
                reinterpret_cast<const int64_t*>(row), site, threads});
}

}  // namespace

NB_MODULE(_cpu, module) {
  module.def("instruction_sets", &instruction_sets);
  module.def("dropout", &run_dropout, nb::call_guard<nb::gil_scoped_release>());
}

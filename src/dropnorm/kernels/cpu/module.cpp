// The Python module `_cpu`: which instruction sets this processor has, and the kernels of each.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.hpp"
#include "running.hpp"

namespace nb = nanobind;
using namespace dropnorm;

namespace {

struct Kernels {
  void (*dropout)(const Dropout&);
  void (*batch_norm)(const BatchNorm&);
  void (*batch_norm_backward)(const BatchNorm&);
};

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

template <class Pointee = void>
Pointee* pointer(uintptr_t address) {
  return reinterpret_cast<Pointee*>(address);
}

// The groups of a mask live as long as the call.
class GroupsOf {
 public:
  GroupsOf(uintptr_t keys, const std::vector<double>& p) : groups_(p.size()) {
    for (size_t i = 0; i < p.size(); ++i)
      groups_[i] = {pointer<const uint64_t>(keys)[i], static_cast<uint64_t>(std::nearbyint(p[i] * 4294967296.0)),
                    p[i] < 1.0 ? 1.0 / (1.0 - p[i]) : 0.0};
  }
  Mask mask(uintptr_t row, uint32_t site, bool channelwise) const {
    return {groups_.data(), pointer<const int64_t>(row), site, channelwise};
  }
  int64_t count() const { return static_cast<int64_t>(groups_.size()); }

 private:
  std::vector<Group> groups_;
};

void run_dropout(uintptr_t x, uintptr_t y, int dtype, int64_t samples, int64_t channels, int64_t positions, bool channels_last,
                 const std::vector<double>& p, uintptr_t keys, uint32_t site, uintptr_t row, bool channelwise, int threads) {
  const GroupsOf groups(keys, p);
  chosen.dropout({{groups.count(), samples, channels, positions, channels_last}, static_cast<Dtype>(dtype), pointer(x),
                  pointer(y), groups.mask(row, site, channelwise), threads});
}

void run_batch_norm(bool backward, uintptr_t x, uintptr_t grad, uintptr_t y, int dtype, int64_t samples, int64_t channels,
                    int64_t positions, bool channels_last, uintptr_t weight, uintptr_t bias, uintptr_t mean, uintptr_t var,
                    uintptr_t grad_weight, uintptr_t grad_bias, uintptr_t counted, double eps, int activation,
                    double negative_slope, const std::vector<double>& p, uintptr_t keys, uint32_t site, uintptr_t row,
                    bool channelwise, int threads) {
  const GroupsOf groups(keys, p);
  (backward ? chosen.batch_norm_backward : chosen.batch_norm)(
      {{groups.count(), samples, channels, positions, channels_last}, static_cast<Dtype>(dtype), pointer(x), pointer(grad),
       pointer(y), pointer(weight), pointer(bias), pointer(mean), pointer(var), pointer(grad_weight), pointer(grad_bias),
       pointer<const uint8_t>(counted), eps, negative_slope, static_cast<Activation>(activation),
       groups.mask(row, site, channelwise), threads});
}

bool run_move_running(uintptr_t running_mean, uintptr_t running_var, uintptr_t mean, uintptr_t var, int dtype, int64_t channels,
                      double momentum, double correction, bool only_finite) {
  const auto move = [&](auto type) {
    using T = decltype(type);
    return move_running(pointer<T>(running_mean), pointer<T>(running_var), pointer<const T>(mean), pointer<const T>(var),
                        channels, momentum, correction, only_finite);
  };
  return static_cast<Dtype>(dtype) == Dtype::float64 ? move(double{}) : move(float{});
}

}  // namespace

NB_MODULE(_cpu, module) {
  module.def("instruction_sets", &instruction_sets);
  module.def("choose", &choose);
  module.def("dropout", &run_dropout, nb::call_guard<nb::gil_scoped_release>());
  module.def("move_running", &run_move_running);
  module.def("batch_norm", &run_batch_norm, nb::call_guard<nb::gil_scoped_release>());
}

// torch's tensors, read through the table of functions that torch offers for DLPack (its DLPackExchangeAPI): a few nanoseconds a
// tensor, and no torch headers. What the kernels do not take, they say they do not take: Python then goes another way.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>

#include "kernels.hpp"

namespace dropnorm {

// DLPack 1's DLTensor.
struct Tensor {
  void* data;
  int32_t device_type, device_id, dims;
  uint8_t code, bits;
  uint16_t vector_lanes;
  const int64_t *shape, *strides;
  uint64_t byte_offset;

  int64_t size() const {
    int64_t size = 1;
    for (int i = 0; i < dims; ++i) size *= shape[i];
    return size;
  }
  // Whether values lie in this order of dimensions, densely. Where a dimension has one value, its stride says nothing.
  template <class Order>
  bool lies_in(Order order) const {
    int64_t stride = 1;
    for (int i = dims - 1; i >= 0; --i) {
      const int d = order(i);
      if (shape[d] != 1 && strides[d] != stride) return false;
      stride *= shape[d];
    }
    return true;
  }
  bool contiguous() const {
    return lies_in([](int i) { return i; });
  }
  bool is(uint8_t wanted_code, uint8_t wanted_bits) const { return code == wanted_code && bits == wanted_bits; }
};

constexpr uint8_t kInteger = 0, kUnsigned = 1, kFloat = 2, kBfloat = 4, kBool = 6;

class Tensors {
 public:
  // Reads a plain tensor or parameter that lies in the processor's memory, and nothing else: a subclass may be of any kind.
  static std::optional<Tensor> read(nanobind::handle object) {
    const Tensors& torch = instance();
    if (Py_TYPE(object.ptr()) != torch.tensor_ && Py_TYPE(object.ptr()) != torch.parameter_) return std::nullopt;
    Tensor tensor;
    if (torch.table_->read(object.ptr(), &tensor) != 0) {
      PyErr_Clear();
      return std::nullopt;
    }
    constexpr int32_t kCpu = 1;
    if (tensor.device_type != kCpu) return std::nullopt;
    tensor.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
    return tensor;
  }

 private:
  struct Table {
    uint32_t major, minor;
    void *previous, *allocate, *own, *give_back;
    int (*read)(void* object, Tensor* tensor);
  };
  PyTypeObject *tensor_, *parameter_;
  const Table* table_;

  Tensors() {
    const nanobind::module_ torch = nanobind::module_::import_("torch");
    const nanobind::object tensor = torch.attr("Tensor"), parameter = torch.attr("nn").attr("Parameter");
    tensor_ = reinterpret_cast<PyTypeObject*>(tensor.ptr());
    parameter_ = reinterpret_cast<PyTypeObject*>(parameter.ptr());
    const nanobind::object capsule = tensor.attr("__dlpack_c_exchange_api__");
    table_ = static_cast<const Table*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    if (!table_) throw nanobind::python_error();
    if (table_->major != 1) throw std::runtime_error("torch speaks another version of DLPack than 1");
  }
  static const Tensors& instance() {
    static const Tensors torch;
    return torch;
  }
};

inline std::optional<Dtype> dtype_of(const Tensor& tensor) {
  if (tensor.is(kFloat, 32)) return Dtype::float32;
  if (tensor.is(kFloat, 64)) return Dtype::float64;
  if (tensor.is(kBfloat, 16)) return Dtype::bfloat16;
  if (tensor.is(kFloat, 16)) return Dtype::float16;
  return std::nullopt;
}

inline int64_t bytes_of(Dtype dtype) { return dtype == Dtype::float64 ? 8 : dtype == Dtype::float32 ? 4 : 2; }

// How (N, C, *), or (groups, N, C, *) with one leading dimension, lies in memory, if its channels come first or last there.
inline std::optional<Layout> layout_of(const Tensor& x, int leading) {
  const int inner = leading + 2;
  if (x.dims <= leading || x.size() == 0) return std::nullopt;
  Layout layout{leading ? x.shape[0] : 1, x.shape[leading], x.dims > leading + 1 ? x.shape[leading + 1] : 1, 1, false};
  for (int d = inner; d < x.dims; ++d) layout.positions *= x.shape[d];
  if (x.contiguous()) return layout;
  const int last = x.dims - 1;
  layout.channels_last = true;
  if (x.dims > inner && x.lies_in([=](int i) { return i <= leading ? i : i == last ? leading + 1 : i + 1; })) return layout;
  return std::nullopt;
}

// What lies in memory as `layout` says, in this type; its address is null if it does not.
inline void* same_as(const std::optional<Tensor>& tensor, const Layout& layout, Dtype dtype, int leading) {
  if (!tensor || dtype_of(*tensor) != dtype) return nullptr;
  const auto other = layout_of(*tensor, leading);
  return other && *other == layout ? tensor->data : nullptr;
}

}  // namespace dropnorm

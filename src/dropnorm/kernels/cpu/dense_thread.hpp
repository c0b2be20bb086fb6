// What a thread that trains dense nets has of its own: memory, products that it does alone, and a way to say that it failed.
#pragma once

#include <exception>
#include <memory>
#include <new>

#include "dense.hpp"

namespace dropnorm {
namespace {

constexpr size_t kAlignment = 64;

// Float memory that begins where a vector may.
class Memory {
 public:
  explicit Memory(int64_t size) : data_(static_cast<float*>(::operator new(sizeof(float) * size, std::align_val_t(kAlignment)))) {}
  float* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* data) const { ::operator delete(data, std::align_val_t(kAlignment)); }
  };
  std::unique_ptr<float[], Free> data_;
};

// While there is one of it, a thread's products are that thread's alone: shared out, their sums would depend on among how many.
class OneThread {
 public:
  explicit OneThread(const Blas& blas) : blas_(blas), before_(blas.set_threads(1)) {}
  ~OneThread() { blas_.set_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const Blas& blas_;
  const int before_;
};

// The first exception of several threads, none of which may leave a parallel region.
class Failure {
 public:
  template <class Body>
  void caught(Body body) {
    try {
      body();
    } catch (...) {
#pragma omp critical(dropnorm_failure)
      first_ = std::current_exception();
    }
  }
  void raise() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

}  // namespace
}  // namespace dropnorm

// What a training step of many nets does besides its layers: compiled once for each instruction set.
#include "training_loops.hpp"

namespace dropnorm {
namespace {

int threads_for(int threads, int64_t values) {
  return static_cast<int>(std::min<int64_t>(threads, std::max<int64_t>(1, values / kValuesWorthAThread)));
}

}  // namespace

namespace DROPNORM_ISA {

void gather(const Gather& job) {
  const int64_t count = job.nets * job.batch;
  const auto row = [&](int64_t i) { return job.rows.of(i / job.batch, i % job.batch); };
#pragma omp parallel for schedule(static) num_threads(threads_for(job.threads, count * job.table.features))
  for (int64_t i = 0; i < count; ++i)
    gather_row(job.table, row(i), row(std::min(i + 1, count - 1)), job.seed[i / job.batch], job.x + i * job.table.features);
}

void softmax_gradient(const SoftmaxGradient& job) {
  const int64_t at_once = std::max<int64_t>(1, 2048 / job.classes), pieces = (job.rows + at_once - 1) / at_once;
#pragma omp parallel num_threads(threads_for(job.threads, 8 * job.rows * job.classes))
  {
    std::vector<float> powers;
#pragma omp for schedule(static)
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t first = piece * at_once, count = std::min(at_once, job.rows - first);
      softmax_gradient_rows(job.outputs + first * job.classes, job.target + first, count, job.classes, job.scale,
                            job.grad + first * job.classes, powers);
    }
  }
}

void adam(const Adam& job) {
  constexpr int64_t kPiece = 4096;
  int64_t values = 0;
  for (const auto& each : job.parameters) values += each.size;
  const auto nets = static_cast<int64_t>(job.steps.size());
#pragma omp parallel num_threads(threads_for(job.threads, values))
  for (const auto& each : job.parameters) {
    const int64_t size = each.size / nets, pieces = (size + kPiece - 1) / kPiece;
#pragma omp for schedule(static) nowait
    for (int64_t piece = 0; piece < nets * pieces; ++piece) {
      const int64_t net = piece / pieces, first = net * size + piece % pieces * kPiece;
      adam_values(job.steps[net], each, first, std::min(first + kPiece, (net + 1) * size));
    }
  }
}

}  // namespace DROPNORM_ISA
}  // namespace dropnorm

#include "bench/scaling_model.h"

double tail_of(size_t tasks, int threads) {
  size_t n = (size_t)threads, rounds = (tasks + n - 1) / n;
  return tasks ? (double)(rounds * n) / (double)tasks : 1;
}

double bandwidth_of(double one, double most, int threads) {
  double all = one * threads;
  return all < most ? all : most;
}

double barrier_of(double measured_us, int m, int n) { return measured_us * n / m; }

struct latency_terms latency_of(const struct op_cost *costs, const struct op_split *splits, size_t ops, double serial,
                                int threads, double bandwidth_gbs, double barrier_us) {
  struct latency_terms terms = {.serial = serial};
  for (size_t i = 0; i < ops; i++) {
    double ideal = costs[i].seconds / threads, real = ideal * splits[i].tail;
    double memory = costs[i].weight_bytes / (bandwidth_gbs * 1e9);
    terms.work += ideal;
    terms.tail += real - ideal;
    if (memory > real) terms.memory += memory - real;
    if (threads > 1) terms.barriers += splits[i].jobs * barrier_us * 1e-6;
  }
  terms.total = terms.work + terms.tail + terms.memory + terms.barriers + terms.serial;
  return terms;
}

double throughput_of(double one, int threads, double bytes, double bandwidth_gbs) {
  double all = one * threads, memory = bandwidth_gbs * 1e9 / bytes;
  return all < memory ? all : memory;
}

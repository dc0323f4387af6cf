/* What to expect of more cores than are at hand, from what was measured on these.
 *
 * Latency: a batch of one image, every op split over n threads. With t the seconds of an op on one thread,
 *
 *     T(n) = S + sum over ops of ( max(t * tail(n) / n, weights / bandwidth(n)) + jobs * barrier(n) )
 *
 *   tail(n)       the last of uneven tasks: c equal tasks on n threads take ceil(c / n) rounds where c / n would be
 *                 ideal, so tail = ceil(c / n) * n / c. c is what the op really makes on n threads: it is counted on a
 *                 pool of n threads, however few cores there are. Of several jobs the mean.
 *   weights       the op's packed weights, bytes: they do not stay in caches from one image to the next. Activations of
 *                 one image do.
 *   bandwidth(n)  min(n * one core's, the socket's): one core's is measured, the socket's is measured or assumed.
 *   jobs          calls of threads_run(), each with a barrier at its end; counted.
 *   barrier(n)    what a threads_run() takes beyond its tasks, measured as far as there are cores, then in proportion
 *                 to n: the caller marks each thread's share, all look at it, and each counts down one shared word.
 *   S             what is not split, measured.
 *
 * Throughput: n workers, each with its own images, session and batch, as `features` works; no barrier, no tail:
 *
 *     R(n) = min(n * R(1), bandwidth(n) / bytes),  bytes of an image = weights / images that run together + activations
 *
 * where activations are the bytes that all ops read and write, as if no cache held them.
 *
 * The efficiency is T(1) / (n T(n)) and R(n) / (n R(1)). Not in the model: a lower clock when all cores work, memory of
 * another NUMA node, the bandwidth of a shared cache, and other programs. It is an upper estimate in these. */
#ifndef BENCH_SCALING_MODEL_H
#define BENCH_SCALING_MODEL_H

#include <stddef.h>

/* On one thread: seconds an image; bytes of its packed weights. */
struct op_cost {
  double seconds, weight_bytes;
};
/* On n threads: calls of threads_run(), and the mean of their tails. */
struct op_split {
  double jobs, tail;
};

/* ceil(tasks / threads) * threads / tasks; 1 without tasks. */
double tail_of(size_t tasks, int threads);
/* GB/s for `threads` cores, of which one can have `one` and all together `most`. */
double bandwidth_of(double one, double most, int threads);
/* Microseconds on n threads from those measured on m. */
double barrier_of(double measured_us, int m, int n);

/* Seconds of an image on n threads and what they are made of: `work` is what n threads at best need, the others come on
 * top. */
struct latency_terms {
  double work, tail, memory, barriers, serial, total;
};
struct latency_terms latency_of(const struct op_cost *costs, const struct op_split *splits, size_t ops, double serial,
                                int threads, double bandwidth_gbs, double barrier_us);
/* Images/s of n workers. */
double throughput_of(double one, int threads, double bytes, double bandwidth_gbs);

#endif

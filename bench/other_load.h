/* How busy other programs keep the cores while something is timed: a measurement beside others is none. */
#ifndef BENCH_OTHER_LOAD_H
#define BENCH_OTHER_LOAD_H

struct load_watch {
  double begin, busy, own; /* seconds: of the clock, of all cores that this process may use, of this process */
};

struct load_watch load_watch_start(void);
/* Cores that others (other processes, interrupts, a hypervisor that took them) used on average since then, of those
 * that this process may use. 0 where the system does not tell or the time was below a quarter of a second, which its
 * clock ticks do not resolve. */
double load_watch_others(const struct load_watch *watch);
/* More than that disturbs a measurement: a tenth of a core. */
extern const double disturbing_load;

/* Seconds that the cores that this process may use were busy, idle and waiting left out: the sum of the lines "cpuN
 * user nice system idle iowait irq softirq steal ..." of /proc/stat. 0 when there is no such file. */
double load_busy_seconds(const char *path);

#endif

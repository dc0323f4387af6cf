#include "bench/machine_facts.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/threads.h"

static void read_cpu(char *text, size_t size) {
  snprintf(text, size, "unknown processor");
  FILE *file = fopen("/proc/cpuinfo", "re");
  if (!file) return;
  char line[512];
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, "model name", 10) != 0) continue;
    const char *value = strchr(line, ':');
    if (!value) continue;
    value += strspn(value, ": \t");
    snprintf(text, size, "%.*s", (int)strcspn(value, "\n"), value);
    break;
  }
  fclose(file);
}

static int first_core(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 0;
  for (size_t i = 0; i < CPU_SETSIZE; i++) {
    if (CPU_ISSET(i, &set)) return (int)i;
  }
  return 0;
}

/* The first line of a file that describes a cache of a core; false when it cannot be read. */
static bool cache_line(int core, int index, const char *name, char *line, size_t size) {
  char path[128];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", core, index, name);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  bool read = fgets(line, (int)size, file) != NULL;
  fclose(file);
  line[read ? strcspn(line, "\n") : 0] = 0;
  return read;
}

/* "0-3,8" is five cores. */
static int count_list(const char *list) {
  int count = 0;
  while (*list) {
    char *end;
    long first = strtol(list, &end, 10), last = first;
    if (end == list) break;
    if (*end == '-') last = strtol(end + 1, &end, 10);
    count += last >= first ? (int)(last - first) + 1 : 0;
    list = *end == ',' ? end + 1 : end;
  }
  return count;
}

static void read_caches(struct machine_facts *facts) {
  int core = first_core();
  char line[512];
  for (int i = 0; facts->cache_count < MOST_CACHES; i++) {
    struct machine_cache cache = {0};
    if (!cache_line(core, i, "level", line, sizeof line)) return;
    cache.level = atoi(line);
    if (cache_line(core, i, "type", line, sizeof line)) snprintf(cache.type, sizeof cache.type, "%.15s", line);
    if (!cache_line(core, i, "size", line, sizeof line)) continue;
    char *unit;
    size_t number = (size_t)strtoul(line, &unit, 10);
    cache.bytes = number << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : 0);
    if (cache_line(core, i, "shared_cpu_list", line, sizeof line)) cache.cores = count_list(line);
    facts->caches[facts->cache_count++] = cache;
  }
}

struct machine_facts machine_facts_read(void) {
  struct machine_facts facts = {.cores = usable_cores(), .affinity = affinity_cores(), .quota = quota_cores()};
  read_cpu(facts.cpu, sizeof facts.cpu);
  read_caches(&facts);
  return facts;
}

void machine_facts_print(const struct machine_facts *facts, const char *isa) {
  printf("%s, %d core%s usable (%d in the affinity mask, ", facts->cpu, facts->cores, facts->cores == 1 ? "" : "s",
         facts->affinity);
  if (facts->quota > 0)
    printf("cgroup quota %g", facts->quota);
  else
    printf("no cgroup quota");
  printf("), %s kernels\n", isa);
  for (size_t i = 0; i < facts->cache_count; i++) {
    const struct machine_cache *cache = &facts->caches[i];
    const char *suffix = !strcmp(cache->type, "Data") ? "d" : !strcmp(cache->type, "Instruction") ? "i" : "";
    bool whole_mb = cache->bytes % (1 << 20) == 0;
    printf("%sL%d%s %zu %s", i ? ", " : "caches: ", cache->level, suffix, cache->bytes >> (whole_mb ? 20 : 10),
           whole_mb ? "MiB" : "KiB");
    if (cache->cores > 1) printf(" (shared by %d)", cache->cores);
  }
  if (facts->cache_count) printf("\n");
}

void machine_facts_write(const struct machine_facts *facts, struct json_writer *w) {
  json_key(w, "cpu"), json_string(w, facts->cpu);
  json_key(w, "cores"), json_integer(w, facts->cores);
  json_key(w, "affinity_cores"), json_integer(w, facts->affinity);
  json_key(w, "quota_cores");
  if (facts->quota > 0)
    json_number(w, facts->quota);
  else
    json_null(w);
  json_key(w, "caches"), json_begin_array(w);
  for (size_t i = 0; i < facts->cache_count; i++) {
    const struct machine_cache *cache = &facts->caches[i];
    json_begin_object(w);
    json_key(w, "level"), json_integer(w, cache->level);
    json_key(w, "type"), json_string(w, cache->type);
    json_key(w, "bytes"), json_integer(w, (int64_t)cache->bytes);
    json_key(w, "cores"), json_integer(w, cache->cores);
    json_end_object(w);
  }
  json_end_array(w);
}

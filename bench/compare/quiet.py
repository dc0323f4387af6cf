"""How much of the machine others used meanwhile: engines that meet at barriers lose far more than that share.
What others take of a core that an engine leaves idle, as this program does while it loads, counts as well."""
import os
import time

TICK = os.sysconf("SC_CLK_TCK")
MOST_FOREIGN = 0.05  # of the usable cores
TRIES = 2


def busy_seconds():
    """Of all cores that this process may use, since the system started: all but idle time, what a hypervisor took included."""
    usable, total = os.sched_getaffinity(0), 0
    with open("/proc/stat") as file:
        for line in file:
            name, *ticks = line.split()
            if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in usable:
                total += sum(map(int, ticks[:3])) + sum(map(int, ticks[5:8]))
    return total / TICK


def process_seconds(pid):
    """Of a process and the children that it has waited for; of one that has gone already, None."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return sum(map(int, fields[11:15])) / TICK


def undisturbed(engine, seconds):
    """engine.round(seconds), again while others used more than a little, at most TRIES times in all: the least disturbed
    (images/s, MB) with the share of the usable cores that others had."""
    best = None
    for _ in range(TRIES):
        pids, cores = {os.getpid(), engine.pid()}, len(os.sched_getaffinity(0))
        begin, busy, own = time.time(), busy_seconds(), sum(map(process_seconds, pids))
        result = engine.round(seconds)
        own = sum(map(process_seconds, pids)) - own
        foreign = max(0.0, busy_seconds() - busy - own) / (time.time() - begin) / cores
        if best is None or foreign < best[2]:
            best = (*result, foreign)
        time.sleep(0.3)  # threads of this engine stop spinning
        if best[2] <= MOST_FOREIGN:
            break
    return best

"""What the machine did meanwhile: CPU of process trees, of everybody else, stolen time, memory."""
import glob
import os
import pathlib
import time

TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count()


def _stat(pid):
    """Fields of /proc/PID/stat behind the command name, or None when it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def trees(roots):
    """{root: [pids of its tree, itself first]}, from one look at /proc."""
    children = {}
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path[6:])
        fields = _stat(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found = {}
    for root in roots:
        pids = [root]
        for pid in pids:
            pids += children.get(pid, [])
        found[root] = pids
    return found


def cpu_seconds(pids):
    """User and system time of the processes, and of their children that have ended."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK


def pss_mb(pids):
    """Proportional share of memory in MB, or None where the kernel does not tell."""
    total = 0
    for pid in pids:
        try:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            return None
    return total / 1024


class Usage:
    """CPU between two looks: of named process trees, of everybody else, and what was stolen.

    Programs started and ended in between (wrk, pgbench) are children of this process, so they are
    in its own account."""

    def __init__(self, roots):
        self.roots = dict(roots, bench=os.getpid())
        self.processes = {name: len(pids) for name, pids in self._trees().items()}
        self.before = self._look()

    def _trees(self):
        found = trees(self.roots.values())
        return {name: found[root] for name, root in self.roots.items()}

    def settle(self, name, patience=3):
        """Waits until the tree has no more processes than at first: the time of one that ended
        is on its parent's account only when the parent has taken note."""
        until = time.monotonic() + patience
        while len(self._trees()[name]) > self.processes[name] and time.monotonic() < until:
            time.sleep(0.02)

    def _look(self):
        known = {name: cpu_seconds(pids if name != "bench" else pids[:1])
                 for name, pids in self._trees().items()}
        with open("/proc/stat") as stat:
            steal = int(stat.readline().split()[8]) / TICK
        # Summed over processes: the line "cpu" of /proc/stat is sampled by ticks, which misses
        # much of what short-lived wake-ups use.
        return {"at": time.monotonic(), "known": known, "steal": steal,
                "all": cpu_seconds(int(path[6:]) for path in glob.glob("/proc/[0-9]*"))}

    def since(self):
        """{seconds, cpu: {name: s}, foreign, steal}: the last two as shares of all cores."""
        before, now = self.before, self._look()
        seconds = now["at"] - before["at"]
        cpu = {name: now["known"][name] - before["known"][name] for name in self.roots}
        foreign = now["all"] - before["all"] - sum(cpu.values())
        return {"seconds": seconds, "cpu": cpu,
                "foreign": max(0.0, foreign) / seconds / CORES,
                "steal": (now["steal"] - before["steal"]) / seconds / CORES}


def busy_share(seconds=0.4):
    """How busy all cores are while we do nothing."""
    usage = Usage({})
    time.sleep(seconds)
    return usage.since()["foreign"]


def wait_for_quiet(limit=0.10, patience=15):
    """Waits, not for ever, until others leave the machine alone."""
    until = time.monotonic() + patience
    while busy_share() > limit and time.monotonic() < until:
        time.sleep(0.3)


def describe():
    """The machine in one line."""
    model = "unknown CPU"
    with open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{CORES} cores ({model}), {memory:.0f} GB, Linux {os.uname().release.split('-')[0]}"

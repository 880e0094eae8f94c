#!/usr/bin/python3
"""In steady state a worker makes no system call but its driver's and the kick, and no malloc."""
import os
import re
import subprocess
import time

import suite
from flow import Flow
from lib import Edge, Report, Wire, sh, wait_until

# The drivers' own (AF_PACKET: poll, sendto; AF_XDP: sendto, recvfrom, poll; TAP: readv, writev, and the return from the signal by which it learns of input), the
# eventfd kick (write), and the idle worker's bounded sleep.
ALLOWED = {"af_packet": {"poll", "sendto"}, "tap": {"readv", "writev", "rt_sigreturn"}}
ALWAYS = {"write", "clock_nanosleep", "nanosleep", "restart_syscall"}


def worker_threads(edge):
    pid = edge.pid("dataplane")
    out = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm") as f:
            name = f.read().strip()
        if name.startswith(("lcore-worker", "rte-worker")):
            out.append(int(tid))
    assert out, "no worker threads found"
    return out


def check_syscalls(edge, kind):
    flow = Flow(edge)
    wait_until(lambda: len(edge.mails()) > 50, 30, "mail flows")
    tracers = [subprocess.Popen(["strace", "-c", "-p", str(t)], stderr=subprocess.PIPE, text=True)
               for t in worker_threads(edge)]
    time.sleep(5)
    seen = {}
    for tracer in tracers:
        tracer.terminate()
        for line in tracer.communicate(timeout=20)[1].splitlines():
            m = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if m and m.group(2) != "total":
                seen[m.group(2)] = seen.get(m.group(2), 0) + int(m.group(1))
    flow.stop()
    print(f"# {kind}: {seen}")
    assert seen, "strace saw nothing"
    bad = set(seen) - ALWAYS - ALLOWED[kind]
    assert not bad, f"system calls of workers: {seen}"


def check_heap(edge, kind):
    """jemalloc's own count for the worker threads does not move under load."""
    suite.check_smtp_source(edge.wire, edge, 200, 1024)
    before = edge.metrics()
    suite.check_smtp_source(edge.wire, edge, 2000, 4096)
    after = edge.metrics()
    name = "sluice_worker_heap_bytes"
    if "sanitize" in os.environ.get("BUILD", ""):
        return
    sessions = after["sluice_sessions_total"] - before["sluice_sessions_total"]
    assert sessions >= 20, sessions
    assert after[name] > 0, "the figure does not live: is the data plane linked with jemalloc?"
    assert after[name] == before[name], f"workers allocated {after[name] - before[name]} bytes in {sessions} sessions"
    print(f"# {kind}: {after[name]:.0f} bytes ever, 0 more over {sessions:.0f} sessions")


report = Report()
for kind in ("af_packet", "tap"):
    wire = Wire(kind)
    edge = Edge(wire)
    report.run(f"{kind}: no malloc by workers", check_heap, edge, kind)
    report.run(f"{kind}: no system calls by workers", check_syscalls, edge, kind)
    edge.close()
    wire.close()
report.done()

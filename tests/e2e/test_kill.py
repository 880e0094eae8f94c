#!/usr/bin/python3
"""kill -9 of each process once while messages flow: all that got 250 arrives, and all comes back."""
import os
import signal
import time

from flow import Flow, judge
from lib import Edge, Report, Wire, equal, wait_until

PROCESSES = ("queue", "deliver", "control", "dataplane")


def kill_one(edge, name):
    edge.clear_mails()
    flow = Flow(edge)
    wait_until(lambda: len(edge.mails()) > 20, 30, "mail flows")
    old = edge.pid(name)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: edge.pid(name) != old, 20, f"{name} comes back")
    before = len(edge.mails())
    wait_until(lambda: len(edge.mails()) > before + 20, 60, f"mail flows again after {name} died")
    time.sleep(1)
    account = flow.stop()
    missing, duplicates, extra = judge(edge, account)
    print(f"# {name}: {len(account['acknowledged'])} acknowledged, {account['tried']} tried, "
          f"{len(extra)} stored without 250, {len(duplicates)} twice, refusals {account['refused']}")
    equal(missing, [], "acknowledged but not delivered")
    # A second copy is right only where no outcome was durable: when queue or deliver died.
    if name in ("control", "dataplane"):
        equal(duplicates, {}, "delivered twice")
    wait_until(lambda: edge.queue_count() == 0, 30, "an empty queue")


def kill_all(edge):
    edge.clear_mails()
    flow = Flow(edge)
    wait_until(lambda: len(edge.mails()) > 20, 30, "mail flows")
    os.killpg(edge.process.pid, signal.SIGKILL)
    for name in ("run",) + PROCESSES:
        try:
            os.kill(edge.pid(name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass
    edge.process.wait(10)
    account = flow.stop()
    edge.start()
    missing, duplicates, extra = judge(edge, account)
    print(f"# all: {len(account['acknowledged'])} acknowledged, {len(extra)} stored without 250, "
          f"{len(duplicates)} twice")
    equal(missing, [], "acknowledged but not delivered")


report = Report()
wire = Wire("af_packet")
edge = Edge(wire)
for process in PROCESSES:
    report.run(f"kill -9 {process}", kill_one, edge, process)
report.run("kill -9 all, start again", kill_all, edge)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

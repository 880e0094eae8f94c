#!/usr/bin/python3
"""tools/demo.sh as an operator runs it: ready, one message, refusals, figures, gone without a trace."""
import os
import subprocess

from lib import BUILD, TOP, Report, Skip, equal, sh, wait_until

DEMO = os.path.join(TOP, "build", "demo")


def demo(*argv, **kw):
    return sh(os.path.join(TOP, "tools", "demo.sh"), *argv, timeout=600, **kw)


def swaks(to):
    return sh("swaks", "--server", "127.0.0.1:2525", "--from", "a@example.net", "--to", to, check=False)


def mails():
    folder = os.path.join(DEMO, "mailbox", "new")
    return os.listdir(folder) if os.path.isdir(folder) else []


def start():
    if BUILD != os.path.join(TOP, "build"):
        raise Skip("the demo is for build/ alone")
    demo("--fresh", "--detach")


def one_message():
    equal(swaks("user@example.org").returncode, 0, "swaks")
    wait_until(mails, 10, "the message")
    equal(len(mails()), 1, "messages")


def refusals():
    assert "550 5.7.1" in swaks("user@elsewhere.example").stdout
    assert "550 5.1.1" in swaks("nobody@example.org").stdout
    equal(len(mails()), 1, "messages")


def pings():
    for host in ("10.25.0.25", "fd25::25"):
        sh("ping", "-c", "2", "-W", "5", host, netns="sluice-demo")


def figures():
    assert "sluice_smtp_" in sh("curl", "-s", "http://127.0.0.1:8025/metrics").stdout
    assert sh("curl", "-s", "http://127.0.0.1:8025/stats").stdout.startswith("{")
    runtime = os.path.join(DEMO, "run")
    sh(os.path.join(BUILD, "sluice"), "status", "--runtime", runtime)
    equal(sh(os.path.join(BUILD, "sluice"), "queue", "count", "--runtime", runtime).stdout, "0\n", "queue count")


def again():
    """A second start keeps the mailbox."""
    demo("--stop")
    demo("--detach")
    equal(len(mails()), 1, "messages kept")


def stop():
    demo("--stop")
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert "sluice-demo" not in left, left
    equal(sh(os.path.join(BUILD, "sluice"), "status", "--runtime", os.path.join(DEMO, "run"),
             check=False).returncode, 3, "exit status without an edge")


report = Report()
for test in (start, one_message, refusals, pings, figures, again, stop):
    report.run(test.__name__.replace("_", " "), test)
report.done()

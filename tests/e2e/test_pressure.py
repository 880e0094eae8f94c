#!/usr/bin/python3
"""At the bounds: new work is shed with a temporary answer, mail goes on, and it recovers by itself."""
import os
import subprocess
import time

import suite
from flow import Flow, judge
from lib import Client, Edge, Report, Wire, equal, python_in, sh, wait_until

SLOW = r"""
import json, select, socket, sys, time
n, seconds = int(sys.argv[1]), float(sys.argv[2])
socks = []
for k in range(n):
    s = socket.create_connection(("10.25.0.25", 25), 10); s.settimeout(10)
    s.recv(200)
    s.sendall(b"EHLO slow.example.net\r\nMAIL FROM:<s@example.net>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n")
    got = b""
    while b"354 " not in got and b"\n4" not in got and b"\n5" not in got:
        piece = s.recv(4096)
        if not piece: break
        got += piece
    socks.append((s, b"354 " in got))
taken = sum(ok for _, ok in socks)
print(json.dumps({"taken": taken}), flush=True)
end = time.time() + seconds
while time.time() < end:
    for s, ok in socks:
        if ok:
            s.send(b"x")
    time.sleep(1)
"""


def try_message(edge, size=2000):
    """The reply after DATA, or the first refusal."""
    c = Client(edge.wire)
    try:
        reply = c.reply()
        if not reply.startswith("220"):
            return reply
        c.command("EHLO client.example.net")
        for line in ("MAIL FROM:<a@example.net>", "RCPT TO:<user@example.org>", "DATA"):
            reply = c.command(line)
            if reply[0] not in "23":
                return reply
        c.send(b"Subject: x\r\n\r\n" + b"y" * 70 * (size // 70))
        return c.command("\r\n.", 30)
    finally:
        c.close()


def slow_senders(edge):
    """500 senders of one byte a second starve nobody."""
    slow = subprocess.Popen(["ip", "netns", "exec", edge.wire.client_ns, "/usr/bin/python3", "-c", SLOW, "500", "20"],
                            stdout=subprocess.PIPE, text=True)
    taken = slow.stdout.readline()
    edge.clear_mails()
    suite.check_smtp_source(edge.wire, edge, 300, 20000)
    slow.kill()
    slow.wait()
    slow.stdout.close()
    print(f"# slow senders let in: {taken.strip()}")
    wait_until(lambda: edge.metrics()["sluice_sessions"] == 0, 30, "the slow sessions end")


def queue_limit(edge):
    """Deliveries stop; the queue fills to its limit: 452 4.3.1; when it drains, mail is taken again."""
    edge.stop()
    edge.settings.update(queue="  limit: {bytes: 1G, messages: 50}", route="behind")
    edge.start()
    replies = [try_message(edge) for _ in range(60)]
    accepted = sum(r.startswith("250") for r in replies)
    assert 45 <= accepted <= 50, f"{accepted} accepted"
    assert replies[-1].startswith("452 4.3.1"), replies[-1]
    equal(edge.queue_count(), accepted, "queued")
    edge.write_config(route="mailbox")
    edge.clear_mails()
    edge.cli("reload")
    edge.cli("queue", "flush")
    wait_until(lambda: edge.queue_count() == 0, 30, "the queue drains by the new route")
    equal(len(edge.mails()), accepted, "delivered")
    wait_until(lambda: try_message(edge).startswith("250"), 20, "mail is taken again")


def disk_full(edge):
    """The spool's file system is full: 452, nothing lost, and it recovers when there is room."""
    edge.stop()
    spool = os.path.join(edge.home, "spool")
    sh("mount", "-t", "tmpfs", "-o", "size=300m,mode=0700,uid=%d,gid=%d" % edge._ids(), "tmpfs", spool)
    try:
        edge.settings.update(queue="", route="mailbox")
        edge.start()
        assert try_message(edge).startswith("250")
        ballast = os.path.join(spool, "ballast")
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=1M", "count=400"], capture_output=True, check=False)
        edge.clear_mails()
        last, accepted = "", 0
        for _ in range(60):
            last = try_message(edge, 3_000_000)
            if not last.startswith("250"):
                break
            accepted += 1
        assert last.startswith("452 4.3.1"), f"{accepted} accepted, then {last}"
        os.unlink(ballast)
        wait_until(lambda: try_message(edge).startswith("250"), 30, "mail is taken again")
        edge.wait_mails(accepted + 1)
        wait_until(lambda: edge.queue_count() == 0, 30, "an empty queue")
        edge.stop()
    finally:
        sh("umount", "-l", spool, check=False)


def session_limit(edge):
    """More clients than sessions: the rest is turned away, the others go on, and it recovers."""
    edge.settings.update(sessions=100, queue="", route="mailbox")
    edge.start()
    got = python_in(edge.wire.client_ns, r"""
import json, socket
socks, greeted = [], 0
for k in range(160):
    s = socket.create_connection(("10.25.0.25", 25), 5); s.settimeout(1); socks.append(s)
    try: greeted += s.recv(100).startswith(b"220")
    except OSError: pass
print(json.dumps(greeted))
""")
    equal(got, 100, "greeted")
    wait_until(lambda: try_message(edge).startswith("250"), 20, "mail is taken again")
    assert edge.metrics()['sluice_sessions_shed_total{reason="no_slot"}'] >= 60


def queue_stopped(edge):
    """SIGSTOP the queue: sessions wait, nobody is told 250; SIGCONT: all goes on."""
    import signal
    flow = Flow(edge, threads=4)
    wait_until(lambda: len(edge.mails()) > 10, 30, "mail flows")
    pid = edge.pid("queue")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(pid, signal.SIGCONT)
    time.sleep(2)
    account = flow.stop()
    missing, duplicates, _ = judge(edge, account)
    equal((missing, duplicates), ([], {}), "missing, twice")


report = Report()
edge = Edge(Wire("af_packet"))
report.run("slow senders starve nobody", slow_senders, edge)
report.run("queue limit", queue_limit, edge)
report.run("disk full", disk_full, edge)
report.run("session limit", session_limit, edge)
edge.clear_mails()
report.run("the queue hangs for a while", queue_stopped, edge)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

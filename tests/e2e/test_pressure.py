#!/usr/bin/python3
"""At the bounds: new work is shed with a temporary answer, mail goes on, and it recovers by itself.

Every case ends with nothing acknowledged lost, and with the limit it reached in a counter.
"""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

import suite
from flow import Flow, judge
from lib import Edge, Report, Wire, equal, python_in, sh, spawn, stored_body, wait_until

# n clients in the middle of DATA, from five addresses, one byte a second each; told so on stdin
# they end their messages, and say whose got 250.
SLOW = r"""
import json, resource, select, socket, sys, time
n = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (n + 100, max(n + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))

def until(s, mark):
    got = b""
    while mark not in got:
        piece = s.recv(4096)
        if not piece or b"\n4" in got + piece or b"\n5" in got + piece:
            return False
        got += piece
    return True

socks = []
for k in range(n):
    s = socket.create_connection(("10.25.0.25", 25), 10, ("10.25.0.%d" % (100 + k % 5), 0))
    until(s, b"220 ")
    s.sendall(b"EHLO slow.example.net\r\n")
    until(s, b"250 ")
    s.sendall(b"MAIL FROM:<s@example.net>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n")
    if until(s, b"354 "):
        s.sendall(b"Subject: slow\r\n\r\nnumber %d " % k)
        socks.append((k, s))
print(len(socks), flush=True)
while not select.select([sys.stdin], [], [], 1)[0]:
    for k, s in socks:
        s.send(b"x")
for k, s in socks:
    s.sendall(b"\r\n.\r\n")
print(json.dumps([k for k, s in socks if until(s, b"250 ")]), flush=True)
"""

# Numbered messages, a connection each, until one is refused: the numbers taken and the refusal.
MANY = r"""
import json, smtplib, sys
first, count, size = (int(a) for a in sys.argv[1:4])
taken, refusal = [], ""
for n in range(first, first + count):
    client = smtplib.SMTP("10.25.0.25", 25, local_hostname="client.example.net", timeout=30)
    try:
        client.sendmail("a@example.net", ["user@example.org"],
                        f"Subject: x\r\n\r\nnumber {n} " + ("y" * 70 + "\r\n") * (size // 72))
        taken.append(n)
        client.quit()
    except smtplib.SMTPResponseException as error:
        refusal = f"{error.smtp_code} {error.smtp_error.decode()}"
        client.close()
        break
print(json.dumps([taken, refusal]))
"""

# n clients in DATA; told so on stdin each sends so many bytes; whose got 250.
BURST = r"""
import json, smtplib, sys, threading
n, size = int(sys.argv[1]), int(sys.argv[2])
clients = [smtplib.SMTP("10.25.0.25", 25, local_hostname="client.example.net", timeout=60) for _ in range(n)]
for c in clients:
    for line in ("EHLO client.example.net", "MAIL FROM:<a@example.net>", "RCPT TO:<user@example.org>", "DATA"):
        c.docmd(line)
print("ready", flush=True)
sys.stdin.readline()
taken = []

def run(k):
    clients[k].send(f"Subject: x\r\n\r\nnumber {k} " + ("y" * 70 + "\r\n") * (size // 72) + ".\r\n")
    if clients[k].getreply()[0] == 250:
        taken.append(k)

threads = [threading.Thread(target=run, args=(k,)) for k in range(n)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps(sorted(taken)), flush=True)
"""

# n IPv6 fragments, seven a packet, never the last one.
PIECES = r"""
import json, re, socket, struct, subprocess, sys
subprocess.run(["ping", "-c1", "-W2", "10.25.0.25"], capture_output=True)
neighbours = subprocess.run(["ip", "neigh"], capture_output=True, text=True).stdout
edge = bytes.fromhex(re.search(r"10.25.0.25 .*lladdr (\S+)", neighbours).group(1).replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("v1", 0))
ends = socket.inet_pton(socket.AF_INET6, "fd25::1") + socket.inet_pton(socket.AF_INET6, "fd25::25")
for k in range(int(sys.argv[1])):
    piece = struct.pack("!BBHI", 58, 0, k % 7 * 256 | 1, k // 7) + b"x" * 256
    s.send(edge + s.getsockname()[4] + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(piece), 44, 64) + ends + piece)
print(json.dumps(None))
"""

GREETED = r"""
import json, socket
socks, greeted = [], 0
for k in range(160):
    try:
        s = socket.create_connection(("10.25.0.25", 25), 5); s.settimeout(2)
        greeted += s.recv(100).startswith(b"220")
        socks.append(s)
    except ConnectionResetError:
        pass
first = socks[0]
first.sendall(b"NOOP\r\n")
print(json.dumps([greeted, first.recv(100).decode()[:3]]))
"""


def restart(edge, **settings):
    edge.stop()
    edge.clear_mails()
    edge.settings.update(dict(queue="", route="mailbox", sessions=20000), **settings)
    edge.start()


def send(edge, first, count, size=2000):
    return python_in(edge.wire.client_ns, MANY, first, count, size)


def takes_mail(edge, seconds=20):
    """Mail is taken again, without anybody's help."""
    wait_until(lambda: send(edge, 900000, 1)[0], seconds, "mail is taken again")


def numbers(edge):
    return sorted({int(re.search(rb"number (\d+) ", stored_body(p)).group(1)) for p in edge.mails()} - {900000})


def all_came(edge, taken, seconds=30):
    wait_until(lambda: edge.queue_count() == 0, seconds, "an empty queue")
    equal(sorted(set(taken) - set(numbers(edge))), [], "acknowledged and lost")


def counted(edge, name, least=1):
    value = edge.metrics()[name]
    assert value >= least, f"{name} is {value}"
    return value


def slow_senders(edge):
    """4,000 senders of one byte a second, more than there are chunks without taking them back:
    they starve nobody, and what they send arrives."""
    edge.wire.address(*(f"10.25.0.{100 + k}/24" for k in range(5)))
    slow = spawn(sys.executable, "-c", SLOW, 4000, netns=edge.wire.client_ns, stdin=subprocess.PIPE,
                 stdout=subprocess.PIPE, text=True)
    try:
        equal(int(slow.stdout.readline()), 4000, "slow senders let in")
        suite.smtp_source(edge.wire, "-s", "20", "-m", "300", "-l", "20000", timeout=60)
        edge.wait_mails(300)
        counted(edge, "sluice_chunk_reclaimed_total", 300)
        edge.clear_mails()
        taken = json.loads(slow.communicate("end\n", timeout=60)[0])
        equal(len(taken), 4000, "slow messages taken")
        all_came(edge, taken, 60)
    finally:
        slow.kill()
        slow.communicate()
    wait_until(lambda: edge.metrics()["sluice_sessions"] == 0, 10, "the slow sessions end")
    equal(edge.metrics()["sluice_chunks_free"], 4096, "chunks free")


def queue_limit(edge):
    """Nothing can be delivered: the queue fills to its limit, 452 4.3.1; when it drains, mail is
    taken again."""
    restart(edge, queue="  limit: {bytes: 1G, messages: 50}", route="behind")
    taken, refusal = send(edge, 0, 60)
    equal(len(taken), 50, "accepted")
    assert refusal.startswith("452 4.3.1"), refusal
    equal(edge.queue_count(), 50, "queued")
    counted(edge, 'sluice_queue_shuts_total{limit="messages"}')
    counted(edge, "sluice_queue_shut")
    edge.write_config(route="mailbox")
    edge.cli("reload")
    edge.cli("queue", "flush")
    takes_mail(edge)
    all_came(edge, taken)
    wait_until(lambda: edge.metrics()["sluice_queue_shut"] == 0, 10, "the figure says so")


def disk_full(edge):
    """Others fill the spool's disk: 452 when the prepared files are full too; queued mail goes
    out all the same, which makes room; and it is as before when the disk has room."""
    edge.stop()
    for path in glob.glob(os.path.join(edge.home, "spool", "*")):
        os.unlink(path)
    spool = os.path.join(edge.home, "spool")
    sh("mount", "-t", "tmpfs", "-o", "size=600m,mode=0700,uid=%d,gid=%d" % edge._ids(), "tmpfs", spool)
    try:
        restart(edge, route="behind")
        taken, _ = send(edge, 0, 1)
        wait_until(lambda: edge.metrics()["sluice_queue_segments_spare"] >= 2, 20, "files are prepared")
        ballast = os.path.join(spool, "ballast")
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=1M", "count=700"], capture_output=True, check=False)
        more, refusal = send(edge, 1, 60, 3_000_000)
        assert refusal.startswith("452 4.3.1"), f"{len(more)} accepted, then {refusal}"
        counted(edge, 'sluice_queue_shuts_total{limit="disk"}')
        counted(edge, "sluice_queue_disk_low")
        edge.write_config(route="mailbox")
        edge.cli("reload")
        edge.cli("queue", "flush")
        all_came(edge, taken + more)
        takes_mail(edge)
        os.unlink(ballast)
        wait_until(lambda: edge.metrics()["sluice_queue_disk_low"] == 0, 10, "the disk has room again")
        again, refusal = send(edge, 100, 5, 3_000_000)
        equal((len(again), refusal), (5, ""), "taken with room on the disk")
        all_came(edge, again)
        edge.stop()
    finally:
        sh("umount", "-l", spool, check=False)


def session_limit(edge):
    """More clients than sessions: the rest is turned away, the others go on, and it recovers."""
    restart(edge, sessions=100)
    equal(python_in(edge.wire.client_ns, GREETED), [100, "250"], "greeted; NOOP of the first")
    takes_mail(edge)
    equal(edge.metrics()['sluice_sessions_shed_total{reason="no_slot"}'], 60, "shed")
    all_came(edge, [])


def queue_stopped(edge):
    """SIGSTOP the queue: sessions wait, nobody is told 250; SIGCONT: all goes on."""
    restart(edge)
    flow = Flow(edge, threads=4)
    wait_until(lambda: len(edge.mails()) > 10, 30, "mail flows")
    pid = edge.pid("queue")
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(1)
        before = edge.metrics()
        time.sleep(2)
        after = edge.metrics()
    finally:
        os.kill(pid, signal.SIGCONT)
    equal(after["sluice_sessions_committing"], 4, "sessions that wait for the queue")
    equal(after["sluice_smtp_messages_accepted_total"], before["sluice_smtp_messages_accepted_total"],
          "250 without the queue")
    time.sleep(1)
    account = flow.stop()
    missing, duplicates, _ = judge(edge, account)
    equal((missing, duplicates, account["refused"]), ([], {}, {}), "missing, twice, refused")
    assert len(account["acknowledged"]) > before["sluice_smtp_messages_accepted_total"] + 10, "mail goes on"


def chunks_run_out(edge):
    """The queue stands still while 160 MB arrive in 64 MB of chunks: windows close, what comes
    now gets 452, and all goes on when the queue does."""
    restart(edge)
    senders = spawn(sys.executable, "-c", BURST, 40, 4_000_000, netns=edge.wire.client_ns, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True)
    try:
        equal(senders.stdout.readline(), "ready\n", "senders")
        os.kill(edge.pid("queue"), signal.SIGSTOP)
        try:
            senders.stdin.write("go\n")
            senders.stdin.flush()
            wait_until(lambda: edge.metrics()["sluice_chunk_waits_total"] > 0, 15, "sessions wait for chunks")
            _, refusal = send(edge, 900000, 1)
            assert refusal.startswith("452 4.3.1"), refusal
            counted(edge, "sluice_chunk_shed_total")
        finally:
            os.kill(edge.pid("queue"), signal.SIGCONT)
        taken = json.loads(senders.communicate(timeout=60)[0])
    finally:
        senders.kill()
        senders.communicate()
    equal(taken, list(range(40)), "taken")
    all_came(edge, taken)
    takes_mail(edge)
    wait_until(lambda: edge.metrics()["sluice_chunks_free"] == 4096, 10, "all chunks are free again")


def fragments(edge):
    """A flood of pieces of packets that never become whole: they get a share of the frames, and
    mail goes on with the rest."""
    restart(edge)
    frames = edge.metrics()["sluice_mbufs_free"]
    python_in(edge.wire.client_ns, PIECES, int(frames) * 2)
    time.sleep(0.3)  # figures are set ten times a second; pieces are held for five
    counted(edge, "sluice_mbufs_free", frames // 2)
    suite.smtp_source(edge.wire, "-s", "20", "-m", "200", "-l", "20000", timeout=30)
    counted(edge, "sluice_fragment_drops_total", frames)
    edge.wait_mails(200)
    wait_until(lambda: edge.metrics()["sluice_mbufs_free"] > frames - 64, 20, "all frames are free again")


report = Report()
edge = Edge(Wire("af_packet"))
report.run("slow senders starve nobody", slow_senders, edge)
report.run("queue limit", queue_limit, edge)
report.run("disk full", disk_full, edge)
report.run("session limit", session_limit, edge)
report.run("the queue hangs for a while", queue_stopped, edge)
report.run("no chunks left", chunks_run_out, edge)
report.run("fragments that never become whole", fragments, edge)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

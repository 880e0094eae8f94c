#!/usr/bin/python3
"""A wire that loses, repeats, delays and reorders frames both ways, and flips bits: mail comes
whole and once, and nothing is left over.  SLUICE_TEST_SEED sets the wire's seed."""
import os
import time

from lib import EDGE4, EDGE6, Edge, Report, Wire, digest, equal, python_in, stored_body, wait_until

SCALE = float(os.environ.get("SLUICE_TEST_SCALE", "1"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", str(time.time_ns() // 1000 % 1000000)))

# One session a message; every message differs.  Prints what failed, each message's digest, and
# how long sessions took.
SEND = r"""
import base64, hashlib, json, random, smtplib, sys, threading, time
hosts, count, size, threads, seed = sys.argv[1].split(","), *map(int, sys.argv[2:6])
lock = threading.Lock()
failed, digests, took = [], [], []
numbers = iter(range(count))

def message(n):
    body = base64.encodebytes(random.Random(seed * 1000003 + n).randbytes(size * 3 // 4))
    return f"Subject: number {n}\r\n\r\n".encode() + body.replace(b"\n", b"\r\n")

def run():
    while True:
        with lock:
            n = next(numbers, None)
        if n is None:
            return
        data = message(n)
        began = time.monotonic()
        try:
            client = smtplib.SMTP(hosts[n % len(hosts)], 25, local_hostname="loss.example.net", timeout=60)
            client.sendmail("l@example.net", ["user@example.org"], data)
            client.quit()
        except (OSError, smtplib.SMTPException) as error:
            failed.append(f"{n}: {error!r}")
        took.append(time.monotonic() - began)
        digests.append(hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest())

began = time.monotonic()
workers = [threading.Thread(target=run) for _ in range(threads)]
[w.start() for w in workers]
[w.join() for w in workers]
print(json.dumps({"failed": failed, "digests": digests, "seconds": time.monotonic() - began,
                  "worst": max(took), "median": sorted(took)[len(took) // 2]}))
"""

# Our own sending: commands go in one piece, so that their answers come in trains of segments.
TRAINS = r"""
import json, socket, sys, threading
hosts, rounds, threads, count = sys.argv[1].split(","), *map(int, sys.argv[2:5])
failed = []

def run(k):
    s = socket.create_connection((hosts[k % len(hosts)], 25), 60)
    f = s.makefile("rb")
    def expect(command, replies, text):
        s.sendall(command)
        for i in range(replies):
            line = f.readline()
            while line[3:4] == b"-":
                line = f.readline()
            if not line.startswith(text):
                raise ValueError(f"reply {i}: {line!r}")
    try:
        expect(b"", 1, b"220 ")
        expect(b"EHLO trains.example.net\r\n", 1, b"250 ")
        for _ in range(rounds):
            expect(b"MAIL FROM:<t@example.net>\r\n", 1, b"250 2.1.0 ")
            expect(b"RCPT TO:<user@example.org>\r\n" * count, count, b"250 2.1.5 ")
            expect(b"RSET\r\n", 1, b"250 2.0.0 ")
        expect(b"QUIT\r\n", 1, b"221 ")
        if f.read() != b"":
            raise ValueError("more than was asked for")
    except (OSError, ValueError) as error:
        failed.append(f"{k}: {error!r}")

workers = [threading.Thread(target=run, args=(k,)) for k in range(threads)]
[w.start() for w in workers]
[w.join() for w in workers]
print(json.dumps(failed))
"""

TOLD = ("timeouts", "fast_recoveries", "retrans_segs", "dup_acks", "duplicate_text", "dsack_recv",
        "ofo_queued", "ofo_drop", "unread_drop", "syn_retrans", "paws", "unacceptable", "window_drop")


def total(metrics, name):
    return sum(value for key, value in metrics.items() if key.split("{")[0] == name)


def nothing_left(edge):
    names = ("sluice_sessions", "sluice_embryonic", "sluice_connections", "sluice_tcp_blocks")
    got = {}

    def clean():
        metrics = edge.metrics()
        got.update((name, total(metrics, name)) for name in names)
        return not any(got.values())

    assert set(names) <= {key.split("{")[0] for key in edge.metrics()}, "a gauge is missing"
    try:
        wait_until(clean, 40, "nothing left over")  # a last ACK may be lost again and again: linger
    except AssertionError:
        raise AssertionError(f"left over after 40 s: {got}") from None


def told(before, after):
    out = {n: total(after, f"sluice_tcp_{n}_total") - total(before, f"sluice_tcp_{n}_total") for n in TOLD}
    print("# " + ", ".join(f"{n} {v:.0f}" for n, v in out.items()))
    return out


def on_a_bad_wire(rates, what, *args):
    wire = Wire("lossy", impair=["--seed", SEED, *rates.split()])
    edge = Edge(wire)
    try:
        what(wire, edge, *args)
        nothing_left(edge)
        equal(edge.stop(), 0, "exit status")
    finally:
        edge.close()
        wire.relay.terminate()
        for line in wire.relay.communicate(timeout=10)[0].splitlines():
            print(f"# {line}")
        wire.close()


def check_mail(wire, edge, count, size, threads):
    before = edge.metrics()
    account = python_in(wire.client_ns, SEND, f"{EDGE4},{EDGE6}", count, size, threads, SEED, timeout=600)
    equal(account["failed"], [], "failed sessions")
    edge.wait_mails(count, 30)
    wait_until(lambda: edge.queue_count() == 0, 30, "an empty queue")
    paths = edge.mails()
    equal(len(paths), count, "messages")
    equal(sorted(digest(stored_body(p)) for p in paths), sorted(account["digests"]), "digests")
    print(f"# {count} sessions of {size} bytes in {account['seconds']:.1f} s "
          f"({count * size / account['seconds'] / 1e6:.2f} MB/s), a session {account['median']:.2f} s, "
          f"at worst {account['worst']:.2f} s")
    told(before, edge.metrics())


def check_trains(wire, edge, rounds, threads):
    before = edge.metrics()
    failed = python_in(wire.client_ns, TRAINS, f"{EDGE4},{EDGE6}", rounds, threads, 1000, timeout=600)
    equal(failed, [], "failed sessions")
    seen = told(before, edge.metrics())
    assert seen["fast_recoveries"] > 0, "what was lost in the midst of a train was found by the timer only"


def scaled(n):
    return max(10, int(n * SCALE))


report = Report()
print(f"# SLUICE_TEST_SEED={SEED}")
report.run("5 % lost, 10 % reordered: messages of 1 MiB", on_a_bad_wire,
           "--loss 0.05 --reorder 0.1 --dup 0.01 --delay-ms 5 --jitter-ms 5 --hold-ms 10",
           check_mail, scaled(60), 1 << 20, 10)
report.run("10 % lost, 1 % corrupt: small messages", on_a_bad_wire,
           "--loss 0.1 --reorder 0.1 --dup 0.02 --corrupt 0.01 --delay-ms 2 --jitter-ms 3",
           check_mail, scaled(500), 1500, 25)
report.run("5 % lost: 1000 replies at a time", on_a_bad_wire,
           "--loss 0.05 --reorder 0.02 --dup 0.01 --delay-ms 5 --hold-ms 4", check_trains, scaled(20), 10)
report.done()

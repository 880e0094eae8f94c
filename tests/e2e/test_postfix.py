#!/usr/bin/python3
"""Postfix on both sides: as the client in front of the edge, and as the server behind it."""
import atexit
import os
import re

import suite
from lib import BEHIND4, EDGE4, Edge, Report, Wire, digest, equal, python_in, unix_lines, wait_until
from postfix import Postfix

INJECT = r"""
import glob, json, smtplib, sys
client = smtplib.SMTP("127.0.0.1", 2526, local_hostname="inside.example.net", timeout=60)
for path in sorted(glob.glob(sys.argv[1] + "/*")):
    client.sendmail("a@example.net", ["user@example.org"], open(path, "rb").read(), ["BODY=8BITMIME"])
client.quit()
print(json.dumps(1))
"""


def after_received(path):
    """The message below every line that a server on the way put before it: they all precede the
    marker that the test put first."""
    with open(path, "rb") as f:
        data = f.read()
    return data[data.index(b"X-Mark: "):]


def marked_messages():
    """Marked, and with the headers that Postfix would otherwise add for itself."""
    out = []
    for n, m in enumerate(suite.real_messages()):
        if max(map(len, m.split(b"\r\n"))) > 990 or m.startswith(b"no header") or not m:
            continue  # Postfix itself cuts longer lines and mends headerless messages
        if not all(re.match(rb"[!-9;-~]+:|[ \t]", line) for line in m.split(b"\r\n\r\n", 1)[0].split(b"\r\n")):
            continue  # and closes a header that breaks off
        head = m.split(b"\r\n\r\n", 1)[0].lower()
        first = b"X-Mark: %d\r\n" % n
        for name, value in ((b"from", b"a@example.net"), (b"date", b"Mon, 1 Jan 2024 00:00:00 +0000"),
                            (b"message-id", b"<%d@example.net>" % n), (b"to", b"user@example.org")):
            if b"\r\n" + name + b":" not in b"\r\n" + head:
                first += name.title() + b": " + value + b"\r\n"
        out.append(first + m)
    assert len(out) > 20
    return out


def as_client(wire, edge):
    messages = marked_messages()
    folder = os.path.join(edge.home, "marked")
    suite.write_messages(folder, messages)
    edge.clear_mails()
    front = Postfix(wire.client_ns, "127.0.0.1:2526", f"""
virtual_mailbox_domains =
relayhost = [{EDGE4}]:25
smtpd_relay_restrictions = permit_mynetworks, reject
""").start()
    atexit.register(front.stop)
    python_in(wire.client_ns, INJECT, folder)
    wait_until(lambda: len(edge.mails()) >= len(messages) or front.queue_size() == 0, 60, front.log_tail())
    paths = edge.wait_mails(len(messages), 20)
    want = sorted(digest(unix_lines(m)) for m in messages)
    got = sorted(digest(after_received(p)) for p in paths)
    equal(len(set(want) - set(got)), 0, "messages that did not arrive byte for byte")
    equal(len(paths), len(messages), "messages")
    front.stop()


def as_server_behind(wire, edge, behind):
    messages = marked_messages()
    folder = os.path.join(edge.home, "marked")
    suite.write_messages(folder, messages)
    refused = python_in(wire.client_ns, suite.SEND_FILES, EDGE4, folder)
    equal(refused, {}, "refused")
    wait_until(lambda: len(behind.mails()) >= len(messages), 60,
               f"{len(messages)} messages behind, {len(behind.mails())} there\n{behind.log_tail()}")
    wait_until(lambda: edge.queue_count() == 0, 10, "an empty queue")
    want = sorted(digest(unix_lines(m)) for m in messages)
    equal(sorted(digest(after_received(p)) for p in behind.mails()), want, "digests")


def many_behind(edge, behind):
    count, before = max(20, int(2000 * suite.SCALE)), len(behind.mails())
    suite.smtp_source(edge.wire, "-s", "20", "-m", str(count), "-l", "4096")
    wait_until(lambda: len(behind.mails()) >= before + count, 120, "all behind")
    wait_until(lambda: edge.queue_count() == 0, 30, "an empty queue")
    equal(len(behind.mails()) - before, count, "messages")


def behind_is_down(edge, behind):
    """Mail waits while the server behind is down, and goes out when it is back."""
    before = len(behind.mails())
    sh_stop(behind)
    suite.smtp_source(edge.wire, "-s", "5", "-m", "50", "-l", "2000")
    wait_until(lambda: edge.queue_count() == 50, 10, "50 wait")
    wait_until(lambda: "refused" in edge.cli("queue", "list").stdout.lower(), 10,
               "the reason is shown:\n" + edge.cli("queue", "list").stdout)
    behind.start()
    wait_until(lambda: edge.queue_count() == 0, 60, "an empty queue")
    equal(len(behind.mails()) - before, 50, "messages")


def sh_stop(postfix):
    postfix.process.terminate()
    postfix.process.wait(20)


def refused_behind(edge, behind):
    """What the server behind refuses for good is held and shown, never dropped; a release retries."""
    with open(os.path.join(behind.home, "conf", "main.cf"), "a") as f:
        f.write("smtpd_recipient_restrictions = reject\n")
    sh_stop(behind)
    behind.start()
    suite.smtp_source(edge.wire, "-m", "3", "-l", "500")
    wait_until(lambda: edge.cli("queue", "list").stdout.count("held") >= 3, 30, "3 held")
    with open(os.path.join(behind.home, "conf", "main.cf"), "a") as f:
        f.write("smtpd_recipient_restrictions = permit\n")
    sh_stop(behind)
    behind.start()
    edge.cli("queue", "release", "--state", "held")
    wait_until(lambda: edge.queue_count() == 0, 30, "an empty queue after release")


report = Report()
wire = Wire("af_packet")
edge = Edge(wire)
report.run("Postfix as client", as_client, wire, edge)
edge.stop()
edge = Edge(wire, route="behind")
behind = Postfix(wire.edge_ns, f"{BEHIND4}:25").start()
atexit.register(behind.stop)
report.run("Postfix behind: real messages", as_server_behind, wire, edge, behind)
report.run("Postfix behind: 2000 by smtp-source", many_behind, edge, behind)
report.run("Postfix behind goes down and comes back", behind_is_down, edge, behind)
report.run("Postfix behind refuses: held, released", refused_behind, edge, behind)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

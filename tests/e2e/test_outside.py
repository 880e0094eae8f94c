#!/usr/bin/python3
"""The outsider: open-relay tricks, smuggling, limits to the byte, TCP made by hand; and the death of
`sluice run` itself.  After each the edge takes an ordinary message and no session is left."""
import json
import os
import re
import signal
import sys
import threading

from lib import EDGE4, Client, Edge, Report, Wire, equal, sh, stored_body, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
NORMALIZE, NOTE = "10.25.0.7", "10.25.0.8"
BARE = (f"bare_newline: {{default: refuse, rules: [{{match: {NORMALIZE}, action: normalize}}, "
        f"{{match: {NOTE}, action: note}}]}}")
TRANSACTION = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\n"
LIMIT = 50 << 20


def greeted(edge, source=None):
    c = Client(edge.wire, source=source)
    c.reply()
    c.command("EHLO client.example.net")
    return c


def whole(edge):
    """An ordinary message goes through, and nothing is left of what came before."""
    wait_until(lambda: edge.metrics()["sluice_sessions"] == 0, 10, "no session is left")
    done = sh("swaks", "--server", EDGE4, "--from", "a@example.net", "--to", "alice@example.org",
              netns=edge.wire.client_ns, check=False)
    equal(done.returncode, 0, done.stdout)
    wait_until(lambda: edge.queue_count() == 0, 20, "an empty queue")


RELAY = ["x%far.example@example.org", "x%far.example@[10.25.0.25]", "far.example!x@example.org", "far.example!x",
         "x%far.example", '"x@far.example"@example.org', '"x@far.example"', '"x%far.example"@example.org',
         "@example.org:x@far.example", "x@far.example@example.org", "x@example.org@far.example", "x@@example.org",
         "@example.org:x@far.example@example.org", "user@[10.25.0.25]", "user@[IPv6:fd25::25]", "user@[127.0.0.1]",
         "user@10.25.0.25", "user@mx1.example.net", "user@localhost", "user@sub.example.org", "x@far.example",
         "postmaster@[10.25.0.26]", "postmaster@far.example", "a%far.example%example.org@example.org"]
SENDERS = ["a@example.net", "user@example.org", "", "x@[10.25.0.25]", "user@mx1.example.net"]


def relay(edge):
    for sender in SENDERS:
        c = greeted(edge)
        assert c.command(f"MAIL FROM:<{sender}>").startswith("250")
        for to in RELAY:
            got = c.command(f"RCPT TO:<{to}>")
            assert got.startswith("550 5.7.1"), f"{sender} {to}: {got}"
        assert c.command("DATA").startswith("554 5.5.1")
        c.close()


def wording(edge):
    rows = [("MAIL FROM:<a@example.net> FOO=1", "555 5.5.4"), (f"MAIL FROM:<> SIZE={LIMIT + 1}", "552 5.3.4"),
            ("MAIL FROM:<\u00fc@example.net>", "553 5.6.7"), ("MAIL FROM:<a@example.net", "501 5.1.7"),
            ("RCPT TO:<user@example.org>", "503 5.5.1"), ("STARTTLS", "502 5.5.1"), ("XCLIENT ADDR=1.2.3.4", "500 5.5.2"),
            ("MAIL FROM:<a@example.net>", "250 2.1.0"), ("RCPT TO:<nobody@example.org>", "550 5.1.1"),
            ("RCPT TO:<user@example.org> NOTIFY=NEVER", "555 5.5.4"), ("RCPT TO:<>", "501 5.1.3"),
            ("RCPT TO:<PostMaster>", "250 2.1.5"), ("RCPT TO:<postmaster@[IPv6:fd25::25]>", "250 2.1.5"),
            ("RCPT TO:<postmaster@[10.25.0.25]>", "250 2.1.5"), ('RCPT TO:<"user"@EXAMPLE.org>', "250 2.1.5")]
    c = greeted(edge)
    for line, want in rows:
        got = c.command(line)
        assert got.startswith(want), f"{line}: {got}"
    c.close()


ENDINGS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\r\n.\r\r\n", b"\n\n.\n\n",
           b"\r\n\r.\r\n", b"\r\n.\r\r\n", b"\r\n.\n\r\n"]


def smuggling(edge):
    """What is refused by default is one message where it is mended, and no bare CR or LF is stored."""
    edge.clear_mails()
    evil = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nsmuggled"
    sent = 0
    for ending in ENDINGS:
        text = b"Subject: x\r\n\r\nbody" + ending + evil
        for source in (None, NORMALIZE, NOTE):
            for chunked in (False, True):
                c = greeted(edge, source)
                c.send(TRANSACTION)
                c.recv(5, b"2.1.5 Recipient ok\r\n")
                if not chunked:
                    c.command("DATA")
                    c.send(text + b"\r\n.\r\n")
                else:
                    c.send(b"BDAT %d LAST\r\n" % len(text) + text)
                want = "250 2.0.0" if source else "554 5.5.2"
                got = c.reply()
                assert got.startswith(want), f"{source} {chunked} {ending!r}: {got}"
                if source:
                    equal(c.command("NOOP")[:3], "250", "the session is in step")
                    sent += 1
                else:
                    equal(c.closed(), "fin", "end")
                c.close()
    paths = edge.wait_mails(sent)
    wait_until(lambda: edge.queue_count() == 0, 10, "an empty queue")
    equal(len(edge.mails()), sent, "messages")
    for path in paths:
        with open(path, "rb") as f:
            text = f.read()
        assert b"\r" not in text and b"\nDelivered-To: user@" in text and text.endswith(b"smuggled\n"), text


def injection(edge):
    c = greeted(edge)
    c.send(TRANSACTION + b"DATA\r\nNOOP\r\n")
    got = c.recv(5)
    assert got.endswith(b"554 5.5.0 Input pipelined after DATA, closing connection\r\n"), got
    c.close()
    c = greeted(edge)  # where DATA is refused what follows are commands
    c.send(b"MAIL FROM:<>\r\nRCPT TO:<no@example.org>\r\nDATA\r\nNOOP\r\nQUIT\r\n")
    equal([line[:3] for line in c.recv(5, b"Bye\r\n").split(b"\r\n")][2:], [b"554", b"250", b"221", b""], "replies")
    c.close()


def limits(edge):
    """SIZE to the byte, a line without end, more recipients than are taken."""
    for octets, chunked in ((LIMIT, False), (LIMIT + 1, False), (LIMIT, True), (LIMIT + 1, True)):
        c = greeted(edge)
        c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<bob@example.org>\r\n")
        c.recv(5, b"2.1.5 Recipient ok\r\n")
        if chunked:
            c.send(b"BDAT %d LAST\r\n" % octets)
        else:
            c.command("DATA")
        piece = b"x" * (1 << 20)
        for _ in range(49):
            c.send(piece)
        c.send(b"x" * (octets - 49 * (1 << 20) - 2) + b"\r\n" + (b"" if chunked else b".\r\n"))
        got = c.reply(60)
        assert got.startswith("250 2.0.0" if octets == LIMIT else "552 5.3.4"), f"{octets} {chunked}: {got}"
        equal(c.command("NOOP")[:3], "250", "the session lives")
        c.close()
    c = greeted(edge)
    c.command("MAIL FROM:<a@example.net>")
    sender = threading.Thread(target=c.send, args=(b"RCPT TO:<alice@example.org>\r\n" * 1001,))
    sender.start()
    sender.join()
    got = c.recv(20, b"452 4.5.3")
    equal(got.count(b"250 2.1.5"), 1000, "recipients")
    c.recv(1, b"transaction\r\n")
    assert c.command("DATA").startswith("354")
    assert c.command("x\r\n.").startswith("250")
    c.close()


def content(edge):
    for text, want in ((b"a\0b\r\n", "554 5.6.0"), (b"Received: x\r\n" * 100, "554 5.4.6"),
                       (b"Received: x\r\n" * 99, "250 2.0.0"), (b"\r\n" + b"Received: x\r\n" * 200, "250 2.0.0")):
        c = greeted(edge)
        c.send(TRANSACTION)
        c.recv(5, b"2.1.5 Recipient ok\r\n")
        c.command("DATA")
        c.send(text + b".\r\n")
        got = c.reply()
        assert got.startswith(want), f"{text[:20]!r}: {got}"
        equal(c.command("NOOP")[:3], "250", "the session lives")
        c.close()


def layout(edge):
    """What lies in the Maildir, line by line."""
    edge.clear_mails()
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO (x);<y>")
    c.command("MAIL FROM:<\u00fc@b\u00fccher.example> SMTPUTF8")
    assert c.command('RCPT TO:<@a.example:"user"@Example.ORG>').startswith("250")
    c.command("DATA")
    c.send(b"Subject: layout\r\n\r\n..\r\n\ttab \xff\r\n.\r\n")
    assert c.reply().startswith("250")
    c.close()
    path = edge.wait_mails(1)[0]
    with open(path, "rb") as f:
        text = f.read()
    head = (rb"Return-Path: <\xc3\xbc@xn--bcher-kva\.example>\nDelivered-To: user@example\.org\n"
            rb"Received: from \?x\?\?\?y\? \(\[10\.25\.0\.1\]\)\n\tby mx1\.example\.net \(Sluice\) with UTF8SMTP id \w+\n"
            rb"\tfor <user@example\.org>;\n\t\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000\nSubject")
    assert re.match(head, text), text
    equal(stored_body(path), b"Subject: layout\n\n.\n\ttab \xff\n", "body")


def hand_made(edge):
    done = sh(sys.executable, os.path.join(HERE, "raw_tcp.py"), netns=edge.wire.client_ns, timeout=120)
    verdicts = json.loads(done.stdout)
    equal({case: wrong for case, wrong in verdicts.items() if wrong}, {}, "cases")
    assert len(verdicts) > 10


def killed(edge):
    """Without `run` nothing goes on; another one starts where the first ended."""
    children = [edge.pid(name) for name in ("dataplane", "control", "queue", "deliver")]
    os.kill(edge.process.pid, signal.SIGKILL)
    edge.process.wait()

    def gone(pid):
        try:
            with open(f"/proc/{pid}/stat") as f:
                return f.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True
    wait_until(lambda: all(gone(pid) for pid in children), 10, "the children end")
    equal(edge.cli("status", check=False).returncode, 3, "exit status: not running")
    edge.start()


report = Report()
wire = Wire("af_packet")
wire.address(NORMALIZE + "/24", NOTE + "/24")
edge = Edge(wire, more=BARE)
for name, case in (("open-relay tricks from any sender", relay), ("replies and their codes", wording),
                   ("smuggling, by DATA and BDAT, refused and mended", smuggling),
                   ("commands behind DATA", injection), ("limits to the byte", limits),
                   ("content that is refused", content), ("the stored message", layout),
                   ("TCP made by hand", hand_made), ("run is killed", killed)):
    report.run(name, case, edge)
    report.run(name + ": and mail goes on", whole, edge)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

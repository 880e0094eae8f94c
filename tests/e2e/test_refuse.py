#!/usr/bin/python3
"""Who is turned away, and how: rules, limits, early talkers, bare newlines, smuggling."""
import time

from lib import EDGE4, Client, Edge, Report, Wire, equal, python_in, sh, stored_body, wait_until

SERVER = """connections:
      default: allow
      rules:
        - {match: 10.25.0.101, action: drop}
        - {match: 10.25.0.102, action: reset}
        - {match: 10.25.0.103, action: refuse}
        - {match: 10.25.0.104, action: tarpit}
        - {match: 10.25.0.96/27, action: refuse}
        - {match: 10.25.0.105, action: allow}
    greeting: {wait: 300ms, early: refuse}"""

CONNECT = r"""
import json, socket, sys
try:
    s = socket.create_connection(("10.25.0.25", int(sys.argv[2])), 2, (sys.argv[1], 0)); s.settimeout(2)
    try: print(json.dumps("greeted " + s.recv(200).decode()))
    except socket.timeout: print(json.dumps("silent"))
except socket.timeout: print(json.dumps("timeout"))
except ConnectionRefusedError: print(json.dumps("refused"))
"""


def connect(wire, source, port=25):
    return python_in(wire.client_ns, CONNECT, source, str(port))


def rules(wire):
    equal(connect(wire, "10.25.0.101"), "timeout", "drop")
    equal(connect(wire, "10.25.0.102"), "refused", "reset")
    assert connect(wire, "10.25.0.103").startswith("greeted 554 5.7.1"), "refuse"
    equal(connect(wire, "10.25.0.104"), "silent", "tarpit")
    assert connect(wire, "10.25.0.105").startswith("greeted 220"), "longest prefix allows"
    assert connect(wire, "10.25.0.106").startswith("greeted 554"), "the /27 refuses"
    assert connect(wire, "10.25.0.1").startswith("greeted 220"), "default"
    equal(connect(wire, "10.25.0.1", 26), "refused", "no listener")


def early_talker(wire):
    c = Client(wire)
    c.send(b"EHLO early.example.net\r\n")
    assert c.reply().startswith("554 5.5.0"), "an early talker is refused"
    equal(c.closed(), "fin", "end")
    c.close()
    c = Client(wire)
    assert c.reply().startswith("220 "), "a patient one is greeted"
    c.close()


def client_limit(edge):
    edge.write_config(per_client=5)
    edge.cli("reload")
    clients = [Client(edge.wire, source="10.25.0.105") for _ in range(6)]
    replies = [c.reply() for c in clients]
    equal([r[:3] for r in replies], ["220"] * 5 + ["421"], "greetings")
    assert replies[5].startswith("421 4.7.0"), replies[5]
    for c in clients:
        c.close()
    wait_until(lambda: connect(edge.wire, "10.25.0.105").startswith("greeted 220"), 10, "the places are free again")
    edge.write_config(per_client=1000)
    edge.cli("reload")


def dialogue(edge):
    edge.clear_mails()
    wire = edge.wire
    c = Client(wire)
    c.reply()
    reply = c.command("EHLO client.example.net")
    for word in ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "HELP"):
        assert word in reply, f"{word} not in {reply}"
    for word in ("STARTTLS", "AUTH", "DSN", "REQUIRETLS", "BINARYMIME"):
        assert word not in reply, f"{word} in {reply}"
    c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\nRCPT TO:<x@far.example>\r\nDATA\r\n")
    got = c.recv(5, b"354")
    equal([line[:3] for line in got.split(b"\r\n") if line], [b"250", b"250", b"550", b"354"], "a pipelined group")
    c.command("one\r\n.")
    edge.wait_mails(1)
    assert c.command("VRFY user").startswith("252")
    assert c.command("EXPN list").startswith("502")
    assert c.command("STARTTLS").startswith("50")
    assert c.command("QUIT").startswith("221")
    equal(c.closed(), "fin", "end")
    c.close()


def every_byte_alone(edge):
    edge.clear_mails()
    c = Client(edge.wire)
    c.reply()
    for byte in (b"EHLO one.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\n"):
        c.send(bytes([byte]))
    c.recv(5, b"2.1.5")
    for byte in b"DATA\r\n":
        c.send(bytes([byte]))
    c.recv(5, b"354")
    for byte in b"Subject: drip\r\n\r\n..dot\r\nlast\r\n.\r\n":
        c.send(bytes([byte]))
    assert c.reply().startswith("250 2.0.0")
    c.close()
    equal(stored_body(edge.wait_mails(1)[0]), b"Subject: drip\n\n.dot\nlast\n", "stored")


ENDINGS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\r\n.\r\r\n"]


def smuggling(edge):
    """No end-of-data variant but CRLF.CRLF ends a message: each is refused at its first bad byte."""
    edge.clear_mails()
    smuggled = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<user@example.org>\r\nDATA\r\nsmuggled\r\n.\r\n"
    for ending in ENDINGS:
        c = Client(edge.wire)
        c.reply()
        c.command("EHLO client.example.net")
        c.command("MAIL FROM:<a@example.net>")
        c.command("RCPT TO:<user@example.org>")
        c.command("DATA")
        c.send(b"Subject: x\r\n\r\nbody" + ending + smuggled + b"\r\n.\r\n")
        got = c.recv(5, b"\r\n")
        assert got.startswith(b"554 5.5.2"), f"{ending!r}: {got!r}"
        equal(c.closed(), "fin", f"{ending!r}: end")
        c.close()
    time.sleep(0.5)
    equal(edge.mails(), [], "smuggled")


def reset_mid_data(edge):
    edge.clear_mails()
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO client.example.net")
    c.command("MAIL FROM:<a@example.net>")
    c.command("RCPT TO:<user@example.org>")
    c.command("DATA")
    c.send(b"half a message\r\n" * 5000)
    c.reset()
    c.close()
    wait_until(lambda: edge.metrics()["sluice_sessions"] == 0, 10, "the session ends")
    time.sleep(0.5)
    equal((edge.mails(), edge.queue_count()), ([], 0), "mail, queue")


def gone_before_250(edge):
    """The client closes right after the dot: the message is durable and delivered once."""
    edge.clear_mails()
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO client.example.net")
    c.command("MAIL FROM:<a@example.net>")
    c.command("RCPT TO:<user@example.org>")
    c.command("DATA")
    c.send(b"Subject: gone\r\n\r\nbody\r\n.\r\n")
    c.reset()
    c.close()
    edge.wait_mails(1)
    time.sleep(1)
    equal(len(edge.mails()), 1, "messages")


SLOW_READER = r"""
import json, socket, threading, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.settimeout(30)
s.connect(("10.25.0.25", 25))
talk = b"EHLO slow.example.net\r\n"
for k in range(20):
    talk += b"MAIL FROM:<a@example.net>\r\n" + b"RCPT TO:<user@example.org>\r\n" * 300
    talk += b"BDAT 7 LAST\r\nhello\r\n"
talk += b"QUIT\r\n"
greeting = s.recv(4096)
sender = threading.Thread(target=s.sendall, args=(talk,))
sender.start()
time.sleep(3)
data = b""
while True:
    piece = s.recv(65536)
    if not piece:
        break
    data += piece
sender.join()
print(json.dumps([line[:4].decode() for line in data.split(b"\r\n")]))
"""


def slow_reader(edge):
    """A client that pipelines far more than its replies fit in our send buffer, and reads late."""
    edge.clear_mails()
    got = python_in(edge.wire.client_ns, SLOW_READER)
    equal(got.count("221 "), 1, f"goodbyes; last replies {got[-5:]}")
    assert got.count("250 ") >= 20 * 302, f"{got.count('250 ')} good replies"
    edge.wait_mails(20, 90)  # the same address again and again is one file


def default_route(edge):
    """An interface that carries the default route is refused, unless --force."""
    import os
    import subprocess
    from lib import BUILD
    edge.stop()
    ns = edge.wire.edge_ns
    sh("ip", "-n", ns, "addr", "add", "10.77.0.1/24", "dev", "v0")
    sh("ip", "-n", ns, "route", "add", "default", "via", "10.77.0.254")
    argv = ["ip", "netns", "exec", ns, os.path.join(BUILD, "sluice"), "run", "-c", edge.config]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    equal(done.returncode, 1, "exit status")
    assert "default" in done.stderr and "--force" in done.stderr, done.stderr
    with open(edge.log_path, "ab") as log:
        edge.process = subprocess.Popen(argv + ["--force"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)
    sh("ip", "-n", ns, "addr", "del", "10.77.0.1/24", "dev", "v0")
    wait_until(edge.greets, 30, "--force takes it")


def privileges(edge):
    """Only `sluice run` is root; the queue directory is closed to others; nothing can gain more."""
    import os
    import stat
    uid, _ = edge._ids()
    for name in ("run", "dataplane", "control", "queue", "deliver"):
        with open(f"/proc/{edge.pid(name)}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        want = 0 if name == "run" else uid
        equal({int(n) for n in status["Uid"].split()}, {want}, f"{name}: user ids")
        if name != "run":
            equal(int(status["CapEff"], 16) | int(status["CapPrm"], 16), 0, f"{name}: capabilities")
            equal(status["NoNewPrivs"], "1", f"{name}: no new privileges")
    equal(stat.S_IMODE(os.stat(os.path.join(edge.home, "spool")).st_mode), 0o700, "queue directory's mode")


def hostile_frames(edge):
    """Garbage on the wire: counted, and mail goes on."""
    before = sum(v for k, v in edge.metrics().items() if k.startswith("sluice_net_drops_total"))
    python_in(edge.wire.client_ns, r"""
import json, random, socket, time
random.seed(7)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); s.bind(("v1", 0))
for n in range(4000):
    kind = random.choice([0x0800, 0x86dd, 0x0806, 0x8100, random.randrange(65536)])
    if n % 50 == 0: time.sleep(0.005)
    s.send(b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + kind.to_bytes(2, "big") + random.randbytes(random.randrange(1, 1400)))
print(json.dumps(1))
""")

    def dropped():
        return sum(v for k, v in edge.metrics().items() if k.startswith("sluice_net_drops_total"))
    wait_until(lambda: dropped() > before + 3000, 10, "3000 drops counted")
    after = dropped()
    edge.clear_mails()
    done = sh("swaks", "--server", EDGE4, "--from", "a@example.net", "--to", "user@example.org",
              netns=edge.wire.client_ns, check=False)
    equal(done.returncode, 0, done.stdout)
    print(f"# {after - before:.0f} frames dropped by reason")


report = Report()
wire = Wire("af_packet")
wire.address(*[f"10.25.0.{n}/24" for n in range(101, 107)])
edge = Edge(wire, server=SERVER)
report.run("connection rules", rules, wire)
report.run("early talker", early_talker, wire)
report.run("concurrent sessions of a client", client_limit, edge)
report.run("EHLO, pipelining, verbs", dialogue, edge)
report.run("every byte alone", every_byte_alone, edge)
report.run("smuggling", smuggling, edge)
report.run("reset in mid DATA", reset_mid_data, edge)
report.run("gone before the 250", gone_before_250, edge)
report.run("a client that reads late", slow_reader, edge)
report.run("hostile frames", hostile_frames, edge)
report.run("privileges", privileges, edge)
report.run("the default route's interface", default_route, edge)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

"""suite.py - the black-box tests every wire must pass: real clients, real messages, IPv4 and IPv6."""
import glob
import os

from lib import (EDGE4, EDGE6, PEERS, Edge, Report, Wire, digest, equal, python_in, sh, stored_body,
                 unix_lines, wait_until)

SCALE = float(os.environ.get("SLUICE_TEST_SCALE", "1"))
SMTP_SOURCE = os.path.join(PEERS, "postfix", "usr", "sbin", "smtp-source")
POSTFIX_LIBS = os.path.join(PEERS, "postfix", "usr", "lib", "postfix")

SEND_FILES = r"""
import glob, json, smtplib, sys
host, folder = sys.argv[1], sys.argv[2]
refused = {}
client = smtplib.SMTP(host, 25, local_hostname="client.example.net", timeout=30)
for n, path in enumerate(sorted(glob.glob(folder + "/*"))):
    data = open(path, "rb").read()
    try:
        client.sendmail(f"s{n}@example.net", ["user@example.org"], data, ["BODY=8BITMIME"])
    except smtplib.SMTPException as error:
        refused[path] = repr(error)
client.quit()
print(json.dumps(refused))
"""


def smtp_source(wire, *argv, host=EDGE4, timeout=600):
    return sh(SMTP_SOURCE, *argv, "-f", "a@example.net", "-t", "user@example.org", f"{host}:25",
              netns=wire.client_ns, env=dict(os.environ, LD_LIBRARY_PATH=POSTFIX_LIBS), timeout=timeout)


def real_messages():
    """Real messages from Debian's packages, with CRLF line ends and no NUL, and our own worst."""
    out = []
    for path in (glob.glob(f"{PEERS}/spamassassin/usr/share/doc/spamassassin/examples/sample-*.txt*") +
                 sorted(glob.glob(f"{PEERS}/python/usr/lib/python3.11/test/test_email/data/msg_*.txt"))):
        with open(path, "rb") as f:
            data = f.read()
        if path.endswith(".gz"):
            import gzip
            data = gzip.decompress(data)
        if b"\0" not in data:
            out.append(data.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n"))
    assert len(out) > 30, f"only {len(out)} real messages under {PEERS}: run tools/deps.sh test"
    head = b"From: a@example.net\r\nSubject: hard\r\n\r\n"
    out.append(head + b"x" * 1_000_000 + b"\r\n")
    out.append(head + bytes(range(1, 10)) + bytes([11, 12]) + bytes(range(14, 256)) + b"\r\n")
    out.append(head + b".\r\n..\r\n.x\r\n" + b".\r\n" * 5000)
    out.append(head + b"\r\n" * 20000)
    out.append(b"")
    out.append(b"no header at all\r\n")
    return [m if m.endswith(b"\r\n") or not m else m + b"\r\n" for m in out]


def write_messages(folder, messages):
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    for n, data in enumerate(messages):
        with open(os.path.join(folder, f"{n:04d}"), "wb") as f:
            f.write(data)


def check_ping(wire):
    for host in (EDGE4, EDGE6):
        done = sh("ping", "-c", "3", "-i", "0.2", "-W", "5", host, netns=wire.client_ns)
        assert " 0% packet loss" in done.stdout, done.stdout


def check_big_ping(wire):
    """Fragments in both directions.  (DPDK's AF_PACKET driver has the kernel put IPv4 fragments
    together, into a frame larger than its ring's.)"""
    for host in (EDGE6,) if wire.kind == "af_packet" else (EDGE4, EDGE6):
        done = sh("ping", "-c", "3", "-i", "0.2", "-W", "5", "-s", "4000", host, netns=wire.client_ns)
        assert " 0% packet loss" in done.stdout, done.stdout


def swaks(wire, to, host=EDGE4):
    return sh("swaks", "--server", host, "--from", "a@example.net", "--to", to, "--timeout", "20",
              netns=wire.client_ns, check=False)


def check_swaks(wire, edge):
    for host in (EDGE4, EDGE6):
        edge.clear_mails()
        done = swaks(wire, "user@example.org", host)
        equal(done.returncode, 0, done.stdout + done.stderr)
        edge.wait_mails(1)
        wait_until(lambda: edge.queue_count() == 0, 10, "an empty queue")
        equal(len(edge.mails()), 1, "messages")


def check_swaks_refused(wire, edge):
    edge.clear_mails()
    for to, want in (("user@elsewhere.example", "550 5.7.1"), ("nobody@example.org", "550 5.1.1"),
                     ("user%elsewhere.example@example.org", "550 5.7.1")):
        done = swaks(wire, to)
        assert done.returncode != 0, to
        assert want in done.stdout, f"{to}: {done.stdout}"
    equal(edge.mails(), [], "messages")


def check_real_messages(wire, edge, host):
    messages = real_messages()
    folder = os.path.join(edge.home, "messages")
    write_messages(folder, messages)
    edge.clear_mails()
    refused = python_in(wire.client_ns, SEND_FILES, host, folder)
    equal(refused, {}, "refused")
    paths = edge.wait_mails(len(messages), 60)
    # smtplib makes sure of a final CRLF; an empty message is a lone CRLF on the wire.
    want = sorted(digest(unix_lines(m) or b"\n") for m in messages)
    equal(sorted(digest(stored_body(p)) for p in paths), want, "digests")


def check_curl(wire, edge):
    edge.clear_mails()
    path = os.path.join(edge.home, "curl.eml")
    body = b"Subject: by curl\r\n\r\n" + b"".join(b"line %d\r\n" % i for i in range(3000))
    with open(path, "wb") as f:
        f.write(body)
    sh("curl", "-s", "--mail-from", "c@example.net", "--mail-rcpt", "alice@example.org", "--mail-rcpt",
       "bob@example.org", "-T", path, f"smtp://{EDGE4}:25/client.example", netns=wire.client_ns)
    for p in edge.wait_mails(2):
        equal(digest(stored_body(p)), digest(unix_lines(body)), p)


def check_smtp_source(wire, edge, count, size, host=EDGE4):
    count = max(20, int(count * SCALE))
    edge.clear_mails()
    smtp_source(wire, "-s", "20", "-m", str(count), "-l", str(size), host=host)
    paths = edge.wait_mails(count, 300)
    wait_until(lambda: edge.queue_count() == 0, 60, "an empty queue")
    equal(len(edge.mails()), count, "messages")
    sizes = {len(stored_body(p)) for p in paths}
    assert len(sizes) <= 10, f"bodies of {len(sizes)} sizes"  # message ids differ in digits only
    edge.clear_mails()


def run(kind):
    report = Report()
    wire = Wire(kind)
    edge = Edge(wire)
    report.run("ping over IPv4 and IPv6", check_ping, wire)
    report.run("ping with fragments", check_big_ping, wire)
    report.run("swaks leaves one message", check_swaks, wire, edge)
    report.run("swaks is refused", check_swaks_refused, wire, edge)
    report.run("real messages over IPv4", check_real_messages, wire, edge, EDGE4)
    report.run("real messages over IPv6", check_real_messages, wire, edge, EDGE6)
    report.run("curl, two recipients", check_curl, wire, edge)
    report.run("smtp-source 10000 of 1 KiB, 20 parallel", check_smtp_source, wire, edge, 10000, 1024)
    report.run("smtp-source 200 of 1 MiB, 20 parallel", check_smtp_source, wire, edge, 200, 1 << 20)
    report.run("smtp-source over IPv6", check_smtp_source, wire, edge, 500, 4096, f"[{EDGE6}]")
    report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
    report.done()

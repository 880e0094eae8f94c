"""lib.py - what the end-to-end tests share: namespaces, wires, edges, mail, TAP lines.

A test makes its own network namespaces (names begin with sluice-t), runs a real edge in one
and real clients in another (or in the same one, on a TAP), and leaves nothing behind.  Wires:
  tap        the edge and its clients in one namespace, the kernel's end of the TAP between
  af_packet  veth pair, DPDK's AF_PACKET on the edge's end
  af_xdp     veth pair, DPDK's AF_XDP (copy mode) on the edge's end
  lossy      as af_packet, but the kernel's end is a TAP, and impair (impair.c) is between
BUILD (environment) names the build directory, default build/.
"""
import atexit
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
PEERS = os.path.join(TOP, "build", "peers")
EDGE4, EDGE6 = "10.25.0.25", "fd25::25"
PEER4, PEER6 = "10.25.0.1", "fd25::1"
BEHIND4 = "10.25.1.10"  # on the edge namespace's loopback: servers behind
USER = "sluice"


# A test that is told to end still takes its edges and namespaces down.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


# ---- TAP output ----

class Report:
    """Counts and prints; a test's functions raise AssertionError or Skip."""

    def __init__(self):
        self.n = self.failed = 0

    def run(self, name, function, *args):
        self.n += 1
        try:
            function(*args)
            print(f"ok {self.n} - {name}", flush=True)
        except Skip as why:
            print(f"ok {self.n} - {name} # SKIP {why}", flush=True)
        except Exception:  # noqa: BLE001 - every failure of a test is a failed test
            self.failed += 1
            print(f"not ok {self.n} - {name}", flush=True)
            for line in traceback.format_exc().rstrip().splitlines():
                print(f"# {line}", flush=True)

    def done(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.failed else 0)


class Skip(Exception):
    pass


def equal(got, want, what=""):
    assert got == want, f"{what}: got {got!r}, want {want!r}"


# ---- commands and namespaces ----

def sh(*argv, netns=None, check=True, timeout=120, **kw):
    """Runs a command, in a namespace if named; its CompletedProcess with text output."""
    argv = [str(a) for a in argv]
    if netns:
        argv = ["ip", "netns", "exec", netns] + argv
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL if "input" not in kw else None, **kw)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def spawn(*argv, netns=None, **kw):
    argv = [str(a) for a in argv]
    if netns:
        argv = ["ip", "netns", "exec", netns] + argv
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(argv, **kw)


def wait_until(condition, seconds, what):
    """The first true value of condition(), asked often; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Wire:
    """Namespaces and the link between the edge and its clients."""

    def __init__(self, kind, queues=1, impair=()):
        self.kind = kind
        tag = f"sluice-t{os.getpid()}"
        self.edge_ns = tag + "e"
        self.client_ns = self.edge_ns if kind == "tap" else tag + "c"
        atexit.register(self.close)
        sh("ip", "netns", "add", self.edge_ns)
        self._quiet(self.edge_ns)
        if kind == "tap":
            sh("ip", "-n", self.edge_ns, "tuntap", "add", "dev", "dtap0", "mode", "tap", "multi_queue")
            self.device, end = "net_tap0,iface=dtap0", "dtap0"
        else:
            sh("ip", "netns", "add", self.client_ns)
            self._quiet(self.client_ns)
            sh("ip", "link", "add", "v0", "netns", self.edge_ns, "type", "veth",
               "peer", "name", "w1" if kind == "lossy" else "v1", "netns", self.client_ns)
            sh("sysctl", "-qw", "net.ipv6.conf.v0.disable_ipv6=1", netns=self.edge_ns)
            sh("ip", "-n", self.edge_ns, "link", "set", "v0", "up")
            if kind == "lossy":
                self._relay(impair)
            # Or the kernel leaves checksums and segmentation to us, as to a card that can.
            sh("ethtool", "-K", "v1", "tx", "off", netns=self.client_ns)
            end = "v1"
            self.device = ("net_af_xdp0,iface=v0" if kind == "af_xdp"
                           else f"net_af_packet0,iface=v0,qpairs={queues}")
        self.end = end
        sh("ip", "-n", self.client_ns, "addr", "add", PEER4 + "/24", "dev", end)
        sh("ip", "-n", self.client_ns, "addr", "add", PEER6 + "/64", "dev", end, "nodad")
        sh("ip", "-n", self.client_ns, "link", "set", end, "up")
        sh("ip", "-n", self.edge_ns, "addr", "add", BEHIND4 + "/32", "dev", "lo")

    def _relay(self, impair):
        """Starts the bad wire; its totals are in relay.stdout when it has ended."""
        sh("sysctl", "-qw", "net.ipv6.conf.w1.disable_ipv6=1", netns=self.client_ns)
        sh("ip", "-n", self.client_ns, "link", "set", "w1", "arp", "off", "up")
        self.relay = spawn(os.path.join(BUILD, "tests", "e2e", "impair"), "--tap", "v1", "--device", "w1",
                           *impair, netns=self.client_ns, stdout=subprocess.PIPE, text=True)
        atexit.register(self.relay.kill)
        self.relay.stdout.readline()

    @staticmethod
    def _quiet(ns):
        sh("ip", "-n", ns, "link", "set", "lo", "up")
        sh("sysctl", "-qw", "net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.default.accept_dad=0",
           netns=ns)

    def address(self, *addresses):
        """Further client addresses."""
        for a in addresses:
            sh("ip", "-n", self.client_ns, "addr", "add", a, "dev", self.end,
               *(["nodad"] if ":" in a else []))

    def close(self):
        for ns in {self.edge_ns, self.client_ns}:
            subprocess.run(["ip", "netns", "del", ns], capture_output=True, check=False)


# ---- the edge ----

DEFAULT_CONFIG = """\
instance: mx1.example.net
runtime: {{directory: {home}/run, user: {user}}}
dataplane:
  cores: [{cores}]
  memory: 256M
  hugepages: {hugepages}
  ports:
    - device: "{device}"
      addresses: [10.25.0.25/24, "fd25::25/64"]
      gateways: [10.25.0.1, "fd25::1"]
  limits: {{sessions: {sessions}}}
virtual_servers:
  - name: inbound
    listen: ["10.25.0.25:25", "[fd25::25]:25"]
    hostname: mx1.example.net
    {server}
domains:
  - {{name: example.org, type: authoritative, recipients: {{file: recipients.txt}}, route: {route}}}
{domains}
routes:
  - {{name: mailbox, to: ["maildir:{home}/mailbox"]}}
  - {{name: discard, to: ["discard:"]}}
  - {{name: behind, to: ["smtp://10.25.1.10:25"]}}
  - {{name: outbound, to: ["maildir:{home}/outbound"], domains: ["*"]}}
bounces: {{route: mailbox, return: headers, rate: 10/s}}
queue:
  directory: {home}/spool
  retry: {{first: 1s, maximum: 4s}}
  expire: {expire}
{queue}
limits: {{message_size: 50M, recipients: 1000, connections_per_client: {per_client}}}
admin: {{listen: "127.0.0.1:8025"}}
log: {{format: json, to: stderr}}
{more}
"""


GREETS = r"""
import socket, sys
s = socket.create_connection((sys.argv[1], 25), 2)
s.settimeout(2)
print(s.recv(100).decode())
s.sendall(b"QUIT\r\n")
"""


class Edge:
    """A running `sluice run` with its own home directory."""

    def __init__(self, wire, start=True, recipients=None, **settings):
        self.wire = wire
        self.home = tempfile.mkdtemp(prefix="sluice-e2e-", dir="/tmp")
        os.chmod(self.home, 0o755)
        uid, gid = self._ids()
        for name in ("mailbox", "outbound", "spool", "run"):
            path = os.path.join(self.home, name)
            os.mkdir(path, 0o700)
            os.chown(path, uid, gid)
        os.chmod(os.path.join(self.home, "run"), 0o755)
        self.recipients = recipients or ["user", "alice", "bob", "postmaster"]
        self.settings = dict(
            home=self.home, user=USER, cores="1" if os.cpu_count() > 1 else "0", device=wire.device,
            hugepages="off" if os.environ.get("SLUICE_TEST_NO_HUGE") else "auto", sessions=20000,
            server="connections: {default: allow}", route="mailbox", domains="", queue="", expire="5d",
            per_client=1000, more="")
        self.settings.update(settings)
        self.process = None
        self.log_path = os.path.join(self.home, "log")
        self.config = os.path.join(self.home, "sluice.yaml")
        atexit.register(self.close)
        if start:
            self.start()

    @staticmethod
    def _ids():
        import pwd
        entry = pwd.getpwnam(USER)
        return entry.pw_uid, entry.pw_gid

    def write_config(self, **changes):
        self.settings.update(changes)
        with open(os.path.join(self.home, "recipients.txt"), "w") as f:
            f.writelines(f"{r}@example.org\n" for r in self.recipients)
        with open(self.config, "w") as f:
            f.write(DEFAULT_CONFIG.format(**self.settings))

    def start(self, wait=True):
        assert self.process is None or self.process.poll() is not None, "this edge runs already"
        self.write_config()
        with open(self.log_path, "ab") as log:
            self.process = spawn(os.path.join(BUILD, "sluice"), "run", "-c", self.config,
                                 netns=self.wire.edge_ns, stdout=log, stderr=log,
                                 start_new_session=True)
        if wait:
            wait_until(self.greets, 30, lambda_text(self))

    def greets(self):
        if self.process.poll() is not None:
            raise AssertionError("the edge ended:\n" + self.log_tail())
        done = sh(sys.executable, "-c", GREETS, EDGE4, netns=self.wire.client_ns, check=False)
        return done.stdout.startswith("220")

    def log_tail(self, lines=15):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def log_events(self, event=None):
        out = []
        with open(self.log_path, errors="replace") as f:
            for line in f:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if event is None or entry.get("event") == event:
                    out.append(entry)
        return out

    def cli(self, *argv, check=True, timeout=60):
        return sh(os.path.join(BUILD, "sluice"), *argv, "--runtime", os.path.join(self.home, "run"),
                  netns=self.wire.edge_ns, check=check, timeout=timeout)

    def queue_count(self):
        return int(self.cli("queue", "count").stdout)

    def metrics(self):
        """{name with labels: value} of /metrics."""
        text = sh("curl", "-s", "-m", "10", "http://127.0.0.1:8025/metrics",
                  netns=self.wire.edge_ns).stdout
        out = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                out[name] = float(value)
        return out

    def pid(self, name):
        with open(os.path.join(self.home, "run", name + ".pid")) as f:
            return int(f.read())

    def mails(self, box="mailbox"):
        return sorted(glob.glob(os.path.join(self.home, box, "new", "*")))

    def wait_mails(self, count, seconds=30, box="mailbox"):
        wait_until(lambda: len(self.mails(box)) >= count, seconds,
                   f"{count} messages in {box} ({len(self.mails(box))} there)")
        return self.mails(box)

    def clear_mails(self, box="mailbox"):
        for path in self.mails(box):
            os.unlink(path)

    def stop(self, seconds=40):
        """Ordered shutdown; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError("the edge did not stop:\n" + self.log_tail()) from None

    def close(self):
        try:
            self.stop()
        except AssertionError:
            pass
        if os.environ.get("SLUICE_TEST_KEEP"):
            print(f"# kept {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)


def lambda_text(edge):
    return "the edge greets; log: " + edge.log_path


# ---- mail ----

def stored_body(path):
    """A Maildir file's content after the lines we put before it: Return-Path, Delivered-To and
    our Received (folded), as bytes."""
    with open(path, "rb") as f:
        lines = f.read().split(b"\n")
    at = 0
    assert lines[0].startswith(b"Return-Path: "), lines[0]
    assert lines[1].startswith(b"Delivered-To: "), lines[1]
    assert lines[2].startswith(b"Received: "), lines[2]
    at = 3
    while lines[at][:1] in (b" ", b"\t"):
        at += 1
    return b"\n".join(lines[at:])


def digest(data):
    return hashlib.sha256(data).hexdigest()


def unix_lines(data):
    return data.replace(b"\r\n", b"\n")


class Client:
    """A raw SMTP client in the client namespace (a child process: a thread cannot change its
    namespace back), speaking lines on a pipe; for dialogues byte by byte."""

    def __init__(self, wire, host=EDGE4, port=25, source=None):
        here = os.path.dirname(os.path.abspath(__file__))
        self.process = spawn(sys.executable, os.path.join(here, "raw_client.py"), host, port,
                             source or "-", netns=wire.client_ns, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)

    def send(self, data):
        self._ask({"send": data.decode("latin-1")})

    def recv(self, seconds=5, until=None):
        """What arrives until `until` (bytes) has come, the peer closed, or time is up."""
        answer = self._ask({"recv": seconds, "until": until.decode("latin-1") if until else None})
        return answer["data"].encode("latin-1")

    def reply(self, seconds=10):
        """One whole reply (its last line has a space after the code)."""
        answer = self._ask({"reply": seconds})
        return answer["data"].encode("latin-1").decode("utf-8", "replace")

    def command(self, line, seconds=10):
        self.send(line.encode() + b"\r\n")
        return self.reply(seconds)

    def closed(self, seconds=5):
        """How the peer ended it: 'fin', 'reset' or 'open'."""
        return self._ask({"closed": seconds})["data"]

    def shutdown(self):
        self._ask({"shutdown": True})

    def reset(self):
        self._ask({"reset": True})

    def _ask(self, what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "client ended"}
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def python_in(netns, code, *argv, timeout=300):
    """Runs Python code in a namespace; its JSON answer (the last line it prints)."""
    done = sh(sys.executable, "-c", code, *argv, netns=netns, timeout=timeout)
    return json.loads(done.stdout.strip().splitlines()[-1])

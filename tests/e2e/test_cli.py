#!/usr/bin/python3
"""The operator's commands and the configuration's errors, as they are typed and read."""
import json
import os
import re
import signal
import subprocess
import tempfile

from lib import BUILD, Client, Edge, Report, Wire, equal, sh, wait_until

SLUICE = os.path.join(BUILD, "sluice")


def usage():
    equal(sh(SLUICE, "help").returncode, 0, "help")
    assert re.match(r"sluice \d+\.\d+", sh(SLUICE, "version").stdout)
    for argv in ((), ("frobnicate",), ("status", "--bogus"), ("queue",), ("check",)):
        done = sh(SLUICE, *argv, check=False)
        equal(done.returncode, 2, f"exit status of sluice {' '.join(argv)}")
        assert done.stderr, argv
    for argv in (("status",), ("queue", "count"), ("reload",), ("drain",), ("stats",)):
        with tempfile.TemporaryDirectory() as empty:
            done = sh(SLUICE, *argv, "--runtime", empty, check=False)
        equal(done.returncode, 3, f"exit status of sluice {' '.join(argv)} without an edge")
        equal(len(done.stderr.strip().splitlines()), 1, f"lines of error: {done.stderr}")


def check(edge):
    edge.write_config()
    equal(sh(SLUICE, "check", "-c", edge.config).returncode, 0, "a good configuration")
    with open(edge.config) as f:
        good = f.read()
    rows = [
        ("instance: mx1.example.net", "instance: [a]", 1),
        ("memory: 256M", "memory: lots", None),
        ("hostname: mx1.example.net", "hostnme: mx1.example.net", None),
        ('listen: ["10.25.0.25:25"', 'listen: ["10.25.0.99:25"', None),
        ("route: mailbox}", "route: nowhere}", None),
        ("connections: {default: allow}", "relay: {default: allow}", None),
        ("connections: {default: allow}",
         "relay: {rules: [{match: 0.0.0.0/1, action: allow}, {match: 128.0.0.0/1, action: allow}]}", None),
        ("connections: {default: allow}", "relay: {rules: [{match: 10.25.0.25, action: allow}]}", None),
        ("bounces: {route: mailbox, return: headers, rate: 10/s}", "", None),
        ("recipients.txt", "missing.txt", None),
        ("instance:", "\tinstance:", None),
    ]
    try:
        for old, new, line in rows:
            assert old in good, old
            with open(edge.config, "w") as f:
                f.write(good.replace(old, new, 1))
            done = sh(SLUICE, "check", "-c", edge.config, check=False)
            equal(done.returncode, 1, new)
            assert re.search(r"sluice\.yaml:%s:\d+: " % (line or r"\d+"), done.stderr), f"{new}: {done.stderr}"
    finally:
        edge.write_config()


def status(edge):
    text = edge.cli("status").stdout
    for word in ("dataplane", "queue", "deliver", "control"):
        assert word in text, text
    json.loads(edge.cli("status", "--json").stdout)
    json.loads(edge.cli("stats", "--json").stdout)
    assert edge.cli("stats").stdout.strip()


def metrics(edge):
    text = sh("curl", "-s", "http://127.0.0.1:8025/metrics", netns=edge.wire.edge_ns).stdout
    names = set()
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) sluice_\w+ ", line), line
        elif line:
            assert re.match(r"sluice_[a-z0-9_]+(\{.*\})? [0-9.e+-]+$", line), line
            name = line.rpartition(" ")[0]
            assert name not in names, f"twice: {name}"
            names.add(name)
    assert len(names) > 100
    equal(sh("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8025/other",
             netns=edge.wire.edge_ns).stdout, "404", "an unknown page")
    json.loads(sh("curl", "-s", "http://127.0.0.1:8025/stats", netns=edge.wire.edge_ns).stdout)


def queue(edge):
    edge.write_config(route="behind")  # nobody listens there: mail waits
    edge.cli("reload")
    for sender in ("one", "two", "three"):
        c = Client(edge.wire)
        c.reply()
        c.command("EHLO client.example.net")
        c.command(f"MAIL FROM:<{sender}@example.net>")
        c.command("RCPT TO:<user@example.org>")
        c.command("DATA")
        assert c.command("Subject: x\r\n\r\nx\r\n.").startswith("250")
        c.close()
    equal(edge.cli("queue", "count").stdout, "3\n", "queue count")
    listing = json.loads(edge.cli("queue", "list", "--json").stdout)
    messages = listing["messages"] if isinstance(listing, dict) else listing
    equal(sorted(m["sender"] for m in messages), sorted(f"{s}@example.net" for s in ("one", "two", "three")), "senders")
    equal(edge.cli("queue", "count", "--sender", "two@example.net").stdout, "1\n", "count by sender")
    shown = edge.cli("queue", "show", messages[0]["id"]).stdout
    assert messages[0]["id"] in shown and "user@example.org" in shown, shown
    equal(edge.cli("queue", "show", "0000000000000", check=False).returncode, 1, "show of nothing")
    two = next(m["id"] for m in messages if m["sender"].startswith("two"))
    edge.cli("queue", "delete", two)
    equal(edge.queue_count(), 2, "after delete")
    edge.clear_mails()
    edge.write_config(route="mailbox")
    edge.cli("reload")
    edge.cli("queue", "flush")
    edge.wait_mails(2)
    wait_until(lambda: edge.queue_count() == 0, 10, "an empty queue")


def restart_keeps_mail(edge):
    """What waits in the queue survives an ordered stop and is delivered after the start."""
    edge.write_config(route="behind")
    edge.cli("reload")
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO client.example.net")
    c.command("MAIL FROM:<a@example.net>")
    c.command("RCPT TO:<user@example.org>")
    c.command("DATA")
    c.command("Subject: x\r\n\r\nkept\r\n.")
    equal(edge.stop(), 0, "exit status")
    edge.clear_mails()
    edge.settings["route"] = "mailbox"
    edge.start()
    edge.wait_mails(1)


def expires(edge):
    """What cannot be delivered in time is held and shown."""
    edge.stop()
    edge.settings.update(route="behind", expire="3s")
    edge.start()
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO client.example.net")
    c.command("MAIL FROM:<a@example.net>")
    c.command("RCPT TO:<user@example.org>")
    c.command("DATA")
    assert c.command("Subject: x\r\n\r\nx\r\n.").startswith("250")
    c.close()
    wait_until(lambda: "held" in edge.cli("queue", "list").stdout, 30, "held")
    equal(edge.queue_count(), 1, "still there")


def refused_starts(edge):
    """What cannot run says why in words, before anything is started or touched."""
    before = len(edge.log_events())
    again = sh(SLUICE, "run", "-c", edge.config, netns=edge.wire.edge_ns, check=False)
    equal(again.returncode, 1, "a second run on the same runtime directory")
    assert f"another sluice run (pid {edge.pid('run')})" in again.stderr, again.stderr
    bad = os.path.join(edge.home, "bad.yaml")
    with open(edge.config) as f, open(bad, "w") as g:
        g.write(f.read().replace(edge.home + "/run", edge.home + "/other").replace("memory: 256M", "memory: lots"))
    broken = sh(SLUICE, "run", "-c", bad, netns=edge.wire.edge_ns, check=False)
    equal(broken.returncode, 1, "a broken configuration")
    assert re.match(re.escape(bad) + r":\d+:\d+: ", broken.stderr), broken.stderr
    equal(broken.stdout, "", "output")
    assert not os.path.exists(os.path.join(edge.home, "other")), "the runtime directory was made all the same"
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", SLUICE]
    if sh(*nobody, "version", check=False).returncode == 0:  # else the build is out of nobody's reach
        equal(sh(*nobody, "check", "-c", edge.config).returncode, 0, "check as nobody")
        for argv in (("run", "-c", edge.config), ("status", "--runtime", edge.home + "/run")):
            done = sh(*nobody, *argv, check=False)
            equal(done.returncode, 1, f"{argv[0]} as nobody")
            assert "as root" in done.stderr, done.stderr
    equal(len(edge.log_events()), before, "lines in the running edge's log")


def reload(edge):
    """By command and by SIGHUP; what only a restart brings is named."""
    with open(edge.config) as f:
        good = f.read()

    def write(text):
        with open(edge.config, "w") as f:
            f.write(text)
    try:
        write(good.replace("memory: 256M", "memory: 300M").replace("dtap0", "other").replace("iface=v0", "iface=v9"))
        said = edge.cli("reload").stdout
        assert re.search(r"^takes effect at the next start only: .*dataplane\.memory, .*dataplane\.ports", said, re.M), said
        write(good + "nonsense: 1\n")
        before = len(edge.log_events("reload-failed"))
        os.kill(edge.pid("run"), signal.SIGHUP)
        wait_until(lambda: len(edge.log_events("reload-failed")) > before, 10, "a line about the failed reload")
        assert re.search(r"sluice\.yaml:\d+:1: ", edge.log_events("reload-failed")[-1]["error"])
        assert "the last one failed" in edge.cli("status").stdout
    finally:
        write(good)
    before = len(edge.log_events("reloaded"))
    os.kill(edge.pid("run"), signal.SIGHUP)
    wait_until(lambda: len(edge.log_events("reloaded")) > before, 10, "a line about the reload")
    assert "failed" not in edge.cli("status").stdout


def drain(edge):
    live = Client(edge.wire)
    live.reply()
    wait_until(lambda: re.search(r"^sessions +1$", edge.cli("status").stdout, re.M), 10, "one session")
    equal(edge.cli("drain", "--no-wait").stdout, "draining, 1 session left\n", "drain --no-wait")
    assert re.search(r"^intake +draining", edge.cli("status").stdout, re.M)
    edge.cli("drain", "--off")
    wait_until(edge.greets, 10, "new clients are greeted again")
    waiting = subprocess.Popen([SLUICE, "drain", "--runtime", os.path.join(edge.home, "run")], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)

    def refused():
        c = Client(edge.wire)
        try:
            c.reply()
            return False
        except AssertionError as error:
            return "Refused" in str(error)
        finally:
            c.close()
    wait_until(refused, 10, "new clients are refused")
    assert live.command("NOOP").startswith("250"), "a live session goes on"
    assert waiting.poll() is None, "drain waits for it"
    live.command("QUIT")
    live.close()
    waiting.wait(30)
    equal(waiting.returncode, 0, "drain's exit status")
    waiting.stdout.close()
    waiting.stderr.close()


def logs(edge):
    """Every line is one JSON object; a message can be followed by its id through all of them."""
    with open(edge.log_path) as f:
        for line in f:
            json.loads(line)
    accepted = edge.log_events("accepted")
    assert accepted, "no accepted line"
    for entry in accepted:
        session = [e for e in edge.log_events("session") if e["session"] == entry["session"]]
        equal(len(session), 1, f"session lines of {entry['session']}")
    delivered = {e["message"] for e in edge.log_events("delivery")}
    assert delivered & {e["message"] for e in accepted}, "no delivery line of an accepted message"


report = Report()
report.run("usage and exit status", usage)
edge = Edge(Wire("af_packet"), start=False)
report.run("check", check, edge)
edge.start()
for test in (status, metrics, refused_starts, reload, queue, restart_keeps_mail, expires, drain, logs):
    report.run(test.__name__.replace("_", " "), test, edge)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

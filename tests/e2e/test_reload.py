#!/usr/bin/python3
"""Reload: takes effect at once, drops no session, and one that fails changes nothing."""
import os
import time

from flow import Flow, judge
from lib import Client, Edge, Report, Wire, equal, wait_until


def accepts(edge, address):
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO client.example.net")
    c.command("MAIL FROM:<a@example.net>")
    reply = c.command(f"RCPT TO:<{address}>")
    c.command("QUIT")
    c.close()
    return reply


def new_recipient(edge):
    assert accepts(edge, "carol@example.org").startswith("550 5.1.1")
    edge.recipients.append("carol")
    edge.write_config()
    edge.cli("reload")
    assert accepts(edge, "carol@example.org").startswith("250")


def live_session(edge):
    """A session opened before the reload goes on after it, by the new tables."""
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO client.example.net")
    c.command("MAIL FROM:<a@example.net>")
    edge.recipients.append("dora")
    edge.write_config()
    edge.cli("reload")
    assert c.command("RCPT TO:<dora@example.org>").startswith("250")
    assert c.command("DATA").startswith("354")
    assert c.command("Subject: x\r\n\r\nacross a reload\r\n.").startswith("250 2.0.0")
    c.close()


def relay_by_reload(edge):
    """D9: permission comes and goes without a restart."""
    assert accepts(edge, "x@far.example").startswith("550 5.7.1")
    edge.write_config(server="relay: {default: deny, rules: [{match: 10.25.0.1, action: allow}]}")
    edge.cli("reload")
    assert accepts(edge, "x@far.example").startswith("250")
    edge.write_config(server="relay: {default: deny}")
    edge.cli("reload")
    assert accepts(edge, "x@far.example").startswith("550 5.7.1")


def domain_types(edge):
    """D6: authoritative, internal relay with a rest, external relay, refuse; sub-domains by choice."""
    with open(os.path.join(edge.home, "partner.txt"), "w") as f:
        f.write("known\n\"two words\"@partner.example\n")
    edge.write_config(domains="""\
  - {name: partner.example, type: internal-relay, recipients: {file: partner.txt}, route: mailbox, rest: outbound}
  - {name: far.example, type: external-relay, route: outbound, subdomains: true}
  - {name: gone.example, type: refuse}""")
    edge.cli("reload")
    for address, want in (("known@partner.example", "250"), ("other@partner.example", "250"), ("x@far.example", "250"),
                          ("x@sub.far.example", "250"), ("x@sub.partner.example", "550 5.7.1"),
                          ("x@gone.example", "550 5.7.1"), ("x@elsewhere.example", "550 5.7.1")):
        reply = accepts(edge, address)
        assert reply.startswith(want), f"{address}: {reply}"
    for box in ("mailbox", "outbound"):
        edge.clear_mails(box)
    c = Client(edge.wire)
    c.reply()
    c.command("EHLO client.example.net")
    c.command("MAIL FROM:<a@example.net>")
    ours, theirs = ['"two words"@partner.example', "Known@PARTNER.example"], ["other@partner.example", "x@sub.far.example"]
    for address in ours + theirs:
        assert c.command(f"RCPT TO:<{address}>").startswith("250"), address
    c.command("DATA")
    assert c.command("Subject: x\r\n\r\nby type\r\n.").startswith("250")
    c.close()
    edge.wait_mails(2)
    edge.wait_mails(2, box="outbound")
    for box in ("mailbox", "outbound"):
        equal(len(edge.mails(box)), 2, box)
    edge.write_config(domains="")
    edge.cli("reload")


def bad_reload(edge):
    for bad, where in (("relay: {default: allow}", "open relay"), ("surprise: 1", "surprise"),
                       ("connections: {default: maybe}", "maybe")):
        edge.write_config(server=bad)
        done = edge.cli("reload", check=False)
        equal(done.returncode, 1, bad)
        assert "sluice.yaml:" in done.stderr and where in done.stderr, done.stderr
    assert accepts(edge, "user@example.org").startswith("250")
    edge.write_config(server="relay: {default: deny}")
    edge.cli("reload")


def under_load(edge):
    edge.clear_mails()
    sessions = edge.metrics()
    flow = Flow(edge, threads=8)
    wait_until(lambda: len(edge.mails()) > 20, 30, "mail flows")
    end = time.monotonic() + 8
    reloads = 0
    while time.monotonic() < end:
        edge.recipients.append(f"new{reloads}")
        edge.write_config()
        edge.cli("reload")
        reloads += 1
    account = flow.stop()
    missing, duplicates, extra = judge(edge, account)
    print(f"# {reloads} reloads, {len(account['acknowledged'])} messages")
    equal(account["refused"], {}, "refused or broken under reload")
    equal((missing, duplicates, extra), ([], {}, []), "missing, twice, extra")
    assert reloads > 3 and sessions is not None
    assert accepts(edge, f"new{reloads - 1}@example.org").startswith("250")


report = Report()
edge = Edge(Wire("af_packet"))
report.run("a new recipient", new_recipient, edge)
report.run("a live session goes on", live_session, edge)
report.run("relay permission comes and goes", relay_by_reload, edge)
report.run("domain types", domain_types, edge)
report.run("a bad reload changes nothing", bad_reload, edge)
report.run("reload under load", under_load, edge)
report.run("ordered shutdown", lambda: equal(edge.stop(), 0, "exit status"))
report.done()

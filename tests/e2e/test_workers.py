#!/usr/bin/python3
"""Two workers on one CPU: software spreading where the port has one queue, and where it has two."""
import suite
from lib import EDGE4, EDGE6, Edge, Report, Wire, equal, python_in, sh

FRAGMENTED = r"""
import json, socket
out = []
for k in range(40):
    s = socket.create_connection(("10.25.0.25", 25), 5)
    out.append(s.recv(100)[:3].decode()); s.sendall(b"QUIT\r\n"); s.recv(100); s.close()
print(json.dumps(out))
"""


def check_spread(edge, forwarded):
    """Both workers carried sessions; the forward ring was used where it must have been."""
    import json
    python_in(edge.wire.client_ns, FRAGMENTED)
    status = json.loads(edge.cli("status", "--json").stdout)
    workers = status["dataplane"]["workers"] if "workers" in status.get("dataplane", {}) else status["workers"]
    carried = [w["carried"] for w in workers]
    assert len(carried) == 2 and min(carried) > 0, f"sessions by worker: {carried}"
    n = edge.metrics()["sluice_forwarded_total"]
    assert not forwarded or n > 0, "the forward ring was not used"
    print(f"# sessions by worker {carried}, frames forwarded {n:.0f}")


report = Report()
for kind, queues in (("af_xdp", 1), ("af_packet", 2), ("tap", 1)):
    wire = Wire(kind, queues)
    cpu = "1" if suite.os.cpu_count() > 1 else "0"
    edge = Edge(wire, cores=f"{cpu}, {cpu}")
    report.run(f"{kind}: ping", suite.check_ping, wire)
    report.run(f"{kind}: ping with fragments", suite.check_big_ping, wire)
    report.run(f"{kind}: swaks", suite.check_swaks, wire, edge)
    report.run(f"{kind}: real messages over IPv4", suite.check_real_messages, wire, edge, EDGE4)
    report.run(f"{kind}: real messages over IPv6", suite.check_real_messages, wire, edge, EDGE6)
    report.run(f"{kind}: smtp-source", suite.check_smtp_source, wire, edge, 2000, 1024)
    report.run(f"{kind}: smtp-source, large", suite.check_smtp_source, wire, edge, 40, 1 << 20)
    report.run(f"{kind}: both workers carried", check_spread, edge, kind == "af_xdp")
    report.run(f"{kind}: shutdown", lambda e=edge: equal(e.stop(), 0, "exit status"))
    edge.close()
    wire.close()
report.done()

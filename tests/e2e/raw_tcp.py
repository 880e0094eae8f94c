#!/usr/bin/python3
"""raw_tcp.py - TCP made by hand, from an address that no kernel owns: segments out and in over an
AF_PACKET socket on v1.  As a program it tries each case on the edge and prints one JSON object,
{case: what was wrong, or null}.
"""
import json
import random
import select
import socket
import struct
import sys
import time

EDGE, ME, MAC = "10.25.0.25", "10.25.0.50", b"\x02\x00\x00\x00\x00\x32"
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MSS = b"\2\4\5\xb4"
TRANSACTION = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\n"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(source, target, length):
    return socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, length)


class Segment:
    def __init__(self, packet, header):
        (_, self.port, self.seq, self.ack, offset, self.flags, self.window, _, _) = struct.unpack(
            "!HHIIBBHHH", packet[:20])
        self.options, self.text = packet[20:offset >> 2], packet[offset >> 2:]
        self.sound = checksum(header[12:20] + struct.pack("!BBH", 0, 6, len(packet)) + packet) == 0


class Link:
    """Our end: answers ARP, keeps what comes for us."""

    def __init__(self, device="v1"):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((device, 0))
        # PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC
        self.socket.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex(device), 1, 0, b""))
        self.edge, self.got = None, []
        self.arp(1, b"\xff" * 6, EDGE)
        deadline = time.monotonic() + 3
        while self.edge is None and time.monotonic() < deadline:
            self.pump(0.1)

    def arp(self, operation, mac, ip):
        self.socket.send(mac + MAC + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, operation) +
                         MAC + socket.inet_aton(ME) + mac + socket.inet_aton(ip))

    def pump(self, seconds):
        while select.select([self.socket], [], [], max(0, seconds))[0]:
            frame, address = self.socket.recvfrom(65535)
            if address[2] != socket.PACKET_OUTGOING:
                self.take(frame)
            seconds = 0

    def take(self, frame):
        if frame[12:14] == b"\x08\x06":
            operation, = struct.unpack("!H", frame[20:22])
            if operation == 2 and frame[28:32] == socket.inet_aton(EDGE):
                self.edge = frame[22:28]
            if operation == 1 and frame[38:42] == socket.inet_aton(ME):
                self.arp(2, frame[22:28], socket.inet_ntoa(frame[28:32]))
        elif frame[12:14] == b"\x08\x00" and frame[30:34] == socket.inet_aton(ME) and frame[23] == 6:
            packet = frame[14:14 + struct.unpack("!H", frame[16:18])[0]]
            self.got.append(Segment(packet[(packet[0] & 15) * 4:], packet[:20]))

    def ip(self, protocol, payload):
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
        header += socket.inet_aton(ME) + socket.inet_aton(EDGE)
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        self.socket.send(self.edge + MAC + b"\x08\x00" + header + payload)

    def segment(self, port, seq, ack, flags, text=b"", options=b"", window=65535, spoil=0, urgent=0):
        packet = struct.pack("!HHIIBBHHH", port, 25, seq & 0xffffffff, ack & 0xffffffff,
                             5 + len(options) // 4 << 4, flags, window, 0, urgent) + options + text
        total = checksum(pseudo(ME, EDGE, len(packet)) + packet) ^ spoil
        self.ip(6, packet[:16] + struct.pack("!H", total) + packet[18:])

    def next(self, port, seconds):
        """The next segment for that port, or None."""
        deadline = time.monotonic() + seconds
        while True:
            for n, segment in enumerate(self.got):
                if segment.port == port:
                    return self.got.pop(n)
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.pump(min(0.05, left))

    def all(self, port, seconds=0.3):
        """All that come for that port in so many seconds."""
        time.sleep(seconds)
        self.pump(0)
        out = [s for s in self.got if s.port == port]
        self.got = [s for s in self.got if s.port != port]
        return out


class Peer:
    """One connection."""
    next_port = random.randrange(20000, 50000)

    def __init__(self, link, options=MSS, window=65535, text=b"", port=None, isn=None):
        Peer.next_port += 1
        self.link, self.port, self.window = link, port or Peer.next_port, window
        self.isn = random.getrandbits(32) if isn is None else isn
        link.segment(self.port, self.isn, 0, SYN, text, options, window)
        self.syn_ack = link.next(self.port, 2)
        assert self.syn_ack and self.syn_ack.flags == SYN | ACK, f"SYN {options!r}: no SYN-ACK"
        assert self.syn_ack.ack == self.isn + 1 & 0xffffffff, "SYN-ACK acknowledges the SYN alone"
        self.seq, self.ack = self.syn_ack.ack, self.syn_ack.seq + 1 & 0xffffffff
        self.heard = b""
        self.put(ACK)

    def put(self, flags, text=b"", at=0, ack=0, **rest):
        """A segment beside the order of things: at and ack are off what is due."""
        rest.setdefault("window", self.window)
        self.link.segment(self.port, self.seq + at, self.ack + ack if flags & ACK else 0, flags, text, **rest)

    def send(self, text, flags=PSH | ACK, **rest):
        self.put(flags, text, **rest)
        self.seq = self.seq + len(text) + (flags & FIN) & 0xffffffff

    def listen(self, seconds, until=None):
        """Takes and acknowledges what comes; the segments."""
        out, deadline = [], time.monotonic() + seconds
        while until is None or until not in self.heard:
            segment = self.link.next(self.port, deadline - time.monotonic())
            if segment is None:
                break
            assert segment.sound, "bad checksum"
            out.append(segment)
            if segment.seq == self.ack and not segment.flags & RST:
                self.heard += segment.text
                self.ack = self.ack + len(segment.text) + (segment.flags & FIN) & 0xffffffff
            if segment.text or segment.flags & FIN:
                self.put(ACK)
        return out

    def ask(self, text, until):
        """Sends and waits for a reply that holds `until`."""
        self.heard = b""
        self.send(text)
        self.listen(5, until)
        assert until in self.heard, f"{text!r}: {self.heard!r}"

    def hello(self):
        self.listen(5, b"220 ")
        self.ask(b"EHLO raw.example.net\r\n", b"250 HELP")

    def lives(self):
        self.ask(b"NOOP\r\n", b"250 2.0.0")

    def reset(self):
        self.put(RST)

    def answer(self, flags=ACK):
        """The one segment that comes now, with those flags and no news."""
        got = self.link.all(self.port, 0.15)
        assert len(got) == 1 and got[0].flags == flags, [(s.flags, s.text) for s in got]
        assert flags & RST or (got[0].seq, got[0].ack) == (self.ack, self.seq), "numbers of an ACK"

    def silence(self):
        got = self.link.all(self.port, 0.15)
        assert not got, [(s.flags, s.text) for s in got]


def options(link):
    for name in (b"", MSS, b"\2\4\0\0", b"\2\4\xff\xff", MSS + b"\3\3\x0f\1", b"\xfd\4\1\2", b"\0\2\4\5",
                 MSS + b"\x22\2\1\1", MSS + b"\4\2\x08\x0a\0\0\0\1\0\0\0\0\1\3\3\7"):
        p = Peer(link, name)
        if b"\x08\x0a" not in name:
            p.hello()
        p.reset()
    for bad in (b"\2\0\0\0", b"\2\1\0\0", b"\1\1\1\2", b"\xfd\xff\1\2"):  # an answer or none, no harm
        Peer.next_port += 1
        link.segment(Peer.next_port, 1, 0, SYN, b"", bad)
    time.sleep(0.1)
    Peer(link).reset()


def flags_of_strangers(link):
    for flags, want in ((SYN | FIN, None), (SYN | RST, None), (ACK, RST), (SYN | ACK, RST), (RST, None),
                        (RST | ACK, None)):
        Peer.next_port += 1
        link.segment(Peer.next_port, 1000, 77, flags)
        got = link.next(Peer.next_port, 0.15)
        assert (got and got.flags) == want, f"{flags}: {got and got.flags}"
        assert got is None or got.seq == 77


def handshake(link):
    p = Peer(link, text=b"EHLO early\r\n")  # text in a SYN waits until it comes again
    p.listen(5, b"220 ")
    p.hello()
    p.put(SYN, at=-(p.seq - p.isn))  # the SYN once more
    p.answer()
    p.lives()
    p.reset()
    for off in (1, -1, 1000, -1000):
        Peer.next_port += 1
        link.segment(Peer.next_port, 7, 0, SYN, b"", MSS)
        ours = link.next(Peer.next_port, 2)
        link.segment(Peer.next_port, 8, ours.seq + 1 + off, ACK)
        got = link.next(Peer.next_port, 0.2)
        assert got and got.flags == RST and got.seq == ours.seq + 1 + off & 0xffffffff, f"ACK off by {off}"
        link.segment(Peer.next_port, 8, 0, RST)


def out_of_order(link):
    p = Peer(link, MSS + b"\4\2\1\1")
    p.hello()
    p.ask(TRANSACTION, b"2.1.5")
    p.ask(b"DATA\r\n", b"354")
    mail = b"Subject: out of order\r\n\r\n" + b"".join(b"line %04d\r\n" % n for n in range(900)) + b".\r\n"
    pieces = [(n, mail[n:n + 100]) for n in range(0, len(mail), 100)]
    random.Random(1).shuffle(pieces)
    for _ in range(12):  # more holes than are kept: the rest is sent again, in other orders
        for at, text in pieces:
            p.put(PSH | ACK, text, at=at)
        pieces.reverse()
    p.seq = p.seq + len(mail) & 0xffffffff
    p.heard = b""
    p.put(ACK)
    p.listen(5, b"queued")
    assert b"250 2.0.0" in p.heard, p.heard
    p.ask(b"QUIT\r\n", b"221 ")
    p.reset()


def overlap(link):
    p = Peer(link, MSS + b"\4\2\1\1")
    p.hello()
    p.put(PSH | ACK, b"OP first\r\n", at=2)
    p.put(PSH | ACK, b"UX other\r\nNOOP\r\n", at=2)  # what is held stays
    p.heard = b""
    p.put(PSH | ACK, b"NO")
    p.seq = p.seq + 18 & 0xffffffff
    p.listen(0.5)
    assert p.heard == b"250 2.0.0 Ok\r\n" * 2, p.heard
    p.reset()


def resets(link):
    for off in (1, 1000, 65000):
        p = Peer(link)
        p.hello()
        p.put(RST, at=off)  # RFC 5961 s3.2: in the window, not exact
        p.answer()
        p.lives()
        p.reset()
    for off in (-1, -1000, 70000):
        p = Peer(link)
        p.hello()
        p.put(RST, at=off)
        p.silence()
        p.lives()
        p.reset()
        p.put(ACK)
        p.answer(RST)  # the exact one ended it


def blind(link):
    """RFC 5961 s4, s5: SYNs and acknowledgements that do not fit get an ACK, and change nothing."""
    for flags, text, at, ack in ((SYN, b"", 0, 0), (SYN, b"", -1, 0), (SYN, b"", 100, 0),
                                 (SYN, b"", 70000, 0), (ACK, b"", 0, 1), (PSH | ACK, b"QUIT\r\n", 0, 100),
                                 (PSH | ACK, b"QUIT\r\n", 0, -200000), (ACK, b"", -1, 0),
                                 (ACK, b"\n", -1, 0), (PSH | ACK, b"QUIT\r\n", 70000, 0)):
        p = Peer(link)
        p.hello()
        p.put(flags, text, at, ack)
        p.answer()
        p.lives()
        p.reset()
    p = Peer(link)
    p.hello()
    for flags, spoil in ((PSH, 0), (0, 0), (FIN, 0), (PSH | ACK, 1)):  # no ACK flag, bad checksum
        p.put(flags, b"QUIT\r\n", spoil=spoil)
        p.silence()
    p.lives()
    p.send(b"NOOP\r\n", PSH | ACK | URG, urgent=3)
    p.lives()
    p.reset()


def windows(link):
    p = Peer(link, window=0)
    got = link.all(p.port, 1.5)
    assert [s for s in got if s.text == b"2"], "a closed window is probed"
    assert all(len(s.text) < 2 for s in got), "but not overrun"
    p.window = 1
    p.heard = b""
    p.put(ACK)
    p.listen(20, b"Sluice\r\n")
    assert p.heard.startswith(b"220 ") and p.heard.endswith(b"Sluice\r\n"), p.heard
    p.window = 65535
    p.ask(b"EHLO raw.example.net\r\n", b"250 HELP")
    p.send(b"HELP\r\n" * 20, window=3000)
    p.put(ACK, window=0)  # taken back
    link.all(p.port, 0.5)
    p.heard = b""
    p.put(ACK)
    p.listen(2)
    assert p.heard.count(b"214 ") == 20, p.heard
    p.lives()
    p.reset()


def endings(link):
    p = Peer(link)  # half closed while replies are owed
    p.hello()
    p.heard = b""
    p.send(TRANSACTION + b"BDAT 24 LAST\r\nSubject: half closed\r\n\r\n", PSH | ACK | FIN)
    got = p.listen(2)
    assert b"queued" in p.heard and got[-1].flags & FIN, p.heard
    p = Peer(link)  # both at once
    p.hello()
    p.send(b"QUIT\r\n")
    ours = link.next(p.port, 2)
    assert ours.flags & FIN and ours.text.startswith(b"221 ")
    p.send(b"", FIN | ACK)
    p.ack = p.ack + len(ours.text) + 1 & 0xffffffff
    link.all(p.port, 0.05)
    p.put(ACK)
    link.all(p.port, 0.3)
    p.put(FIN | ACK, at=-1)  # TIME-WAIT answers for it
    p.answer()
    p.put(RST)  # RFC 1337
    p.put(FIN | ACK, at=-1)
    p.answer()
    p.put(SYN, at=-1000)
    p.answer()
    again = Peer(link, port=p.port, isn=p.seq + 1000 & 0xffffffff)  # RFC 6191
    again.hello()
    again.reset()
    p = Peer(link)  # a FIN ahead of its text
    p.hello()
    p.put(FIN | ACK, at=6)
    p.answer()
    p.heard = b""
    p.send(b"NOOP\r\n")
    p.seq += 1
    assert p.listen(0.5)[-1].flags & FIN and p.heard == b"250 2.0.0 Ok\r\n", p.heard


def icmp(link):
    p = Peer(link)
    p.hello()
    p.send(b"HELP\r\n" * 20)
    first = link.all(p.port, 0.1)[0]
    for kind, code, rest in ((3, 0, 0), (3, 1, 0), (3, 2, 0), (3, 3, 0), (3, 4, 68), (3, 4, 0), (4, 0, 0),
                             (5, 1, 0x0a190001), (11, 0, 0), (12, 0, 0)):
        for seq in (first.seq, first.seq - 100000 & 0xffffffff):
            inner = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + socket.inet_aton(EDGE)
            inner += socket.inet_aton(ME) + struct.pack("!HHI", 25, p.port, seq)
            body = struct.pack("!BBHI", kind, code, 0, rest) + inner
            link.ip(1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])
    p.heard = b""
    p.listen(2)
    assert p.heard.count(b"214 ") == 20, p.heard
    p.reset()


def garbage(link):
    dice = random.Random(5)
    for _ in range(30):
        p = Peer(link, MSS + b"\4\2\1\1")
        p.hello()
        for _ in range(40):
            flags = dice.getrandbits(8) & ~(RST | ACK) | (ACK if dice.random() < 0.3 else 0)
            p.put(flags, dice.randbytes(dice.choice([0, 1, 5, 1400])), at=dice.randrange(1 << 16, 1 << 32),
                  ack=dice.choice([0, 1, dice.getrandbits(32)]), options=dice.randbytes(12),
                  window=dice.getrandbits(16))
        link.all(p.port, 0.02)
        p.reset()


CASES = (options, flags_of_strangers, handshake, out_of_order, overlap, resets, blind, windows, endings, icmp,
         garbage)


def main():
    link, verdicts = Link(), {}
    for case in CASES:
        if len(sys.argv) > 1 and case.__name__ not in sys.argv[1:]:
            continue
        try:
            case(link)
            verdicts[case.__name__] = None
        except Exception as error:  # noqa: BLE001 - every failure of a case is its verdict
            verdicts[case.__name__] = f"{type(error).__name__} {error} (line {error.__traceback__.tb_next.tb_lineno})"
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main()

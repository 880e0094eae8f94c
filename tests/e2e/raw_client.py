#!/usr/bin/python3
"""raw_client.py - HOST PORT SOURCE: a TCP client driven by JSON lines on standard input."""
import json
import socket
import struct
import sys
import time


def receive(sock, seconds, enough):
    data = b""
    deadline = time.monotonic() + seconds
    while not enough(data):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock.settimeout(left)
        try:
            piece = sock.recv(65536)
        except (socket.timeout, ConnectionError):
            break
        if not piece:
            break
        data += piece
    return data


def whole_reply(data):
    lines = data.split(b"\r\n")
    return len(lines) > 1 and len(lines[-2]) >= 3 and lines[-2][3:4] in (b" ", b"") and lines[-1] == b""


def ended(sock, seconds):
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
        return "fin"
    except socket.timeout:
        return "open"
    except ConnectionError:
        return "reset"


def act(sock, what):
    if "send" in what:
        sock.settimeout(30)
        sock.sendall(what["send"].encode("latin-1"))
    elif "recv" in what:
        until = what["until"].encode("latin-1") if what["until"] else None
        return receive(sock, what["recv"], lambda d: until is not None and until in d)
    elif "reply" in what:
        return receive(sock, what["reply"], whole_reply)
    elif "closed" in what:
        return ended(sock, what["closed"]).encode()
    elif "shutdown" in what:
        sock.shutdown(socket.SHUT_WR)
    elif "reset" in what:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    return b""


def main():
    host, port, source = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sock = None
    for line in sys.stdin:
        try:
            if sock is None:
                sock = socket.create_connection((host, port), 10, (source, 0) if source != "-" else None)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answer = {"data": act(sock, json.loads(line)).decode("latin-1")}
        except OSError as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()

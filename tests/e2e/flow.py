"""flow.py - mail that flows while a test breaks something, and the account of it afterwards.

A child process in the client namespace sends numbered messages without end on a few sessions,
starting again whenever one breaks, and writes down which number got 250 (and how often it was
tried).  Judgement: every number with 250 is in the mailbox; a number without one may be there.
"""
import atexit
import json
import os
import signal
import subprocess
import sys
import time

from lib import EDGE4, spawn, stored_body

SENDER = r"""
import json, signal, smtplib, sys, threading
host, out, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *a: stop.set())
lock = threading.Lock()
acknowledged, tried, refused = [], [0], {}

def note(error):
    with lock:
        refused[error] = refused.get(error, 0) + 1

def run(k):
    client, n = None, k
    while not stop.is_set():
        try:
            if client is None:
                client = smtplib.SMTP(host, 25, local_hostname="flow.example.net", timeout=30)
            body = f"Subject: flow {n}\r\n\r\nnumber {n} " + "x" * (n % 3000) + "\r\n"
            with lock:
                tried[0] += 1
            code = 0
            client.sendmail("flow@example.net", ["user@example.org"], body)
            with lock:
                acknowledged.append(n)
            n += threads
        except smtplib.SMTPResponseException as error:
            note(f"{error.smtp_code} {error.smtp_error!r}"[:60]); n += threads; client = None; stop.wait(0.05)
        except (OSError, smtplib.SMTPException) as error:
            note(type(error).__name__); n += threads; client = None; stop.wait(0.05)

workers = [threading.Thread(target=run, args=(k,)) for k in range(threads)]
[w.start() for w in workers]
print("started", flush=True)
while not stop.is_set():
    stop.wait(0.1)
[w.join() for w in workers]
json.dump({"acknowledged": sorted(acknowledged), "tried": tried[0], "refused": refused}, open(out, "w"))
"""


class Flow:
    def __init__(self, edge, threads=4, host=EDGE4):
        self.edge = edge
        self.out = os.path.join(edge.home, "flow.json")
        self.process = spawn(sys.executable, "-c", SENDER, host, self.out, str(threads),
                             netns=edge.wire.client_ns, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        atexit.register(self.process.kill)

    def stop(self):
        """The account: acknowledged numbers, tries, refusals by text."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.process.stdout.close()
        with open(self.out) as f:
            return json.load(f)


def numbers(paths):
    """How often each number lies in the mailbox."""
    out = {}
    for path in paths:
        text = stored_body(path)
        n = int(text.split(b"number ", 1)[1].split(b" ", 1)[0])
        assert text.rstrip(b"\n").endswith(b"number %d " % n + b"x" * (n % 3000)), f"{path} is not whole"
        out[n] = out.get(n, 0) + 1
    return out


def judge(edge, account, seconds=60):
    """Waits until all that was acknowledged has come; (missing, duplicates, extra)."""
    want = set(account["acknowledged"])
    deadline = time.monotonic() + seconds
    while True:
        got = numbers(edge.mails())
        missing = want - set(got)
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    duplicates = {n: c for n, c in got.items() if c > 1}
    return sorted(missing), duplicates, sorted(set(got) - want)

#!/usr/bin/python3
"""tally.py - adds up what check.sh's steps left behind and judges skips.

    tally.py RESULTS SKIPS

RESULTS is a folder of *.tap (TAP lines; the file's name is the suite's) and *.json (a meson
testlog.json, whose tests print TAP or only exit).  *.tap with a line `exit: N` (the program's
status) fails if N is not 0 though no line said `not ok`.  SKIPS lists the skips that are in order, one
a line: `SUITE/NAME: reason`, with * and ? as in file names; any other skip is a failure.
Prints every failure and skip, then `N passed, N failed, N skipped`; exit status 1 if any failed.
"""
import fnmatch
import glob
import json
import os
import re
import sys

LINE = re.compile(r"^(not ok|ok)\b(?:\s+\d+)?(?:\s+-)?\s*(.*?)(?:\s+#\s*(SKIP)\b\s*(.*))?\s*$",
                  re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?", re.IGNORECASE)


class Tally:
    def __init__(self, allowed):
        self.allowed = allowed
        self.passed = self.failed = self.skipped = 0

    def ok(self):
        self.passed += 1

    def fail(self, name, why=""):
        self.failed += 1
        print(f"FAILED {name}{': ' + why if why else ''}")

    def skip(self, name, why):
        for pattern, reason in self.allowed:
            if fnmatch.fnmatchcase(name, pattern):
                self.skipped += 1
                print(f"skipped {name}: {reason}")
                return
        self.fail(name, f"skipped ({why or 'no reason given'}), and tests/skips.txt does not list it")

    def tap(self, suite, lines, status):
        """One program's output."""
        seen = failed = 0
        planned = None
        for line in lines:
            plan = PLAN.match(line)
            if plan:
                planned = int(plan[1])
                if plan[2] is not None and planned == 0:
                    self.skip(suite, plan[2])
                    seen += 1
                continue
            if line.startswith("Bail out!"):
                self.fail(suite, line.strip())
                failed += 1
                continue
            test = LINE.match(line)
            if not test:
                continue
            seen += 1
            name = f"{suite}/{test[2]}"
            if (test[3] or "").upper() == "SKIP":
                self.skip(name, test[4])
            elif test[1].lower() == "ok":
                self.ok()
            else:
                failed += 1
                self.fail(name)
        if status == 77 and not failed and not seen:
            self.skip(suite, "exit status 77")
        elif status != 0 and not failed:
            self.fail(suite, f"exit status {status}, though no test said so")
        elif planned and seen < planned and not failed:
            self.fail(suite, f"{planned} tests were planned and {seen} ran")
        elif not seen and status == 0 and not failed:
            self.fail(suite, "it printed no TAP line")


def read_allowed(path):
    allowed = []
    with open(path) as f:
        for n, line in enumerate(f, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            pattern, colon, reason = line.partition(": ")
            if not colon or not reason.strip():
                sys.exit(f"{path}:{n}: a skip needs a reason: SUITE/NAME: reason")
            allowed.append((pattern, reason.strip()))
    return allowed


def main():
    results, skips = sys.argv[1:3]
    tally = Tally(read_allowed(skips))
    for path in sorted(glob.glob(os.path.join(results, "*"))):
        suite, kind = os.path.splitext(os.path.basename(path))
        with open(path, errors="replace") as f:
            lines = f.read().splitlines()
        if kind == ".tap":
            status = [int(line[6:]) for line in lines if re.match(r"^exit: -?\d+$", line)]
            tally.tap(suite, lines, status[-1] if status else 0)
        elif kind == ".json":
            for line in lines:
                test = json.loads(line)
                name = test["name"].split(" / ")[-1]
                status = test.get("returncode", 0)
                if test.get("result") == "TIMEOUT":
                    status = 124
                tally.tap(f"{suite}/{name}", test.get("stdout", "").splitlines(), status)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    sys.exit(1 if tally.failed or not tally.passed else 0)


main()

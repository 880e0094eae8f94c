#!/usr/bin/python3
"""headers.py - every header of a floor compiles alone, with no more than its floor may see.

Floors and what they rest on are read from the root meson.build, so there is one list.  Prints
TAP, one line a floor.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def floors():
    with open(os.path.join(TOP, "meson.build")) as f:
        text = f.read()
    block = re.search(r"^floors = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1]
    out = {}
    for name, folder, needs, libraries in re.findall(
            r"\['(\w+)', '([\w/]+)',\s*\[([^\]]*)\],\s*\[([^\]]*)\]\]", block):
        out[name] = (folder, re.findall(r"'(\w+)'", needs), re.findall(r"\w+", libraries))
    modules = dict(re.findall(r"^(\w+) = dependency\('([^']+)'", text, re.MULTILINE))
    return out, modules


def visible(all_floors, name):
    """The floor and all below it."""
    seen = [name]
    for floor in seen:
        seen += [n for n in all_floors[floor][1] if n not in seen]
    return seen


def flags_of(modules, libraries):
    names = [modules[m] for m in libraries if m in modules]
    if not names:
        return []
    done = subprocess.run(["pkg-config", "--cflags"] + names, capture_output=True, text=True, check=True)
    return [re.sub(r"^-I", "-isystem", flag) for flag in done.stdout.split()]


def check(all_floors, modules, name):
    below = visible(all_floors, name)
    libraries = {m for floor in below for m in all_floors[floor][2]}
    argv = ["gcc", "-fsyntax-only", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
            "-Wno-missing-field-initializers", "-Wno-unused-function"]
    argv += [f"-I{os.path.join(TOP, all_floors[floor][0])}" for floor in below]
    argv += flags_of(modules, sorted(libraries))
    folder = os.path.join(TOP, all_floors[name][0])
    for header in sorted(n for n in os.listdir(folder) if n.endswith(".h")):
        # Twice: its guard holds.
        source = f'#include "{header}"\n#include "{header}"\nint one_declaration;\n'
        done = subprocess.run(argv + ["-x", "c", "-"], input=source, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            yield f"{header}: " + done.stderr.strip().replace("\n", "\n# ")


def main():
    all_floors, modules = floors()
    failed = 0
    print(f"1..{len(all_floors)}")
    for n, name in enumerate(all_floors, 1):
        complaints = list(check(all_floors, modules, name))
        failed += bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} {n} - headers of {all_floors[name][0]} stand alone")
        for complaint in complaints:
            print(f"# {complaint}")
    sys.exit(1 if failed else 0)


main()

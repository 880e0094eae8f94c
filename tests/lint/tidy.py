#!/usr/bin/python3
"""tidy.py - the house style, as far as a program can hold it.  Prints TAP; no arguments.

Each check is a function that yields complaints ("file:line: what"); the names of the checks
say what is held.  Comments and string literals are blanked before code is searched.
"""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOTS = ["common", "dataplane", "control", "queue", "tls", "bench", "tests", "tools", ".ci"]
FILE_LINES, HEADER_LINES, FUNCTION_LINES = 600, 400, 80
# 100 columns are the aim, and what clang-format keeps; these are where it stops.  Tables (.def,
# lines that are rows) and tests may be wider, where a row a line reads better.
COLUMNS, TABLE_COLUMNS = 120, 170

# Floors that know no heap, clock, I/O or stdio; base_must.c alone prints, once, before it aborts.
PURE = ["common/base", "common/policy", "common/smtp", "dataplane/wire", "dataplane/net",
        "dataplane/tcp"]
PURE_EXCEPT = {"common/base/base_must.c"}
PURE_CALLS = (r"malloc|calloc|realloc|free|strdup|strndup|asprintf|mmap|munmap|printf|fprintf|snprintf|"
              r"vsnprintf|puts|fputs|fopen|fread|fwrite|open|openat|read|write|close|socket|send|recv|"
              r"sendmsg|recvmsg|ioctl|poll|epoll_wait|time|clock|clock_gettime|gettimeofday|nanosleep|"
              r"usleep|sleep|getenv|syslog|rand|srand|random|getrandom|pthread_\w+|fork|exec\w*")
PURE_HEADERS = r"stdio|stdlib|time|unistd|fcntl|signal|pthread|syslog|poll|netdb|sys/\w+|arpa/\w+|netinet/\w+"
# Nobody's: unbounded, not reentrant, or blind to errors.
BANNED_CALLS = (r"gets|strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|alloca|atoi|atol|atoll|atof|"
                r"system|popen|tmpnam|tempnam|mktemp|gmtime|localtime|ctime|asctime|strerror_r|rand|"
                r"srand|setjmp|longjmp|gethostbyname|inet_ntoa|inet_addr|inet_aton|assert")
RTE_ONLY = ("dataplane/core/", "bench/bench_port.")  # the load generator is no part of the edge
WORDS = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK|place" r"holder|STU" r"B)\b")


def files(*suffixes, roots=None):
    out = []
    for root in roots or ROOTS:
        for folder, folders, names in os.walk(os.path.join(TOP, root)):
            folders[:] = sorted(f for f in folders if f != "__pycache__")
            out += [os.path.relpath(os.path.join(folder, n), TOP) for n in sorted(names)
                    if n.endswith(suffixes)]
    return out


_texts = {}


def text(path):
    if path not in _texts:
        with open(os.path.join(TOP, path), encoding="utf-8", errors="surrogateescape", newline="") as f:
            _texts[path] = f.read()
    return _texts[path]


_BLANK = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code(path):
    """The text with comments and literals blanked, lines kept.  #include "x" keeps its name."""
    def blank(match):
        got = match[0]
        if got[0] in "\"'":
            return got[0] + got[0]
        return re.sub(r"[^\n]", " ", got)
    return _BLANK.sub(blank, text(path))


def numbered(lines):
    return enumerate(lines.split("\n"), 1)


def own_c(path):
    return not path.startswith("tests/")


def whole_lines():
    for path in files(".c", ".h", ".py", ".sh", ".build", ".def", ".txt"):
        if "/corpus/" in path:
            continue
        body = text(path)
        if body and not body.endswith("\n"):
            yield f"{path}: no newline at the end"
        for n, line in numbered(body):
            if "\t" in line:
                yield f"{path}:{n}: a tab"
            if line != line.rstrip():
                yield f"{path}:{n}: blanks at the end of the line"


def columns():
    for path in files(".c", ".h", ".def"):
        wide = path.endswith(".def") or path.startswith("tests/")
        for n, line in numbered(text(path)):
            limit = TABLE_COLUMNS if wide or line.lstrip().startswith("{") else COLUMNS
            if len(line) > limit:
                yield f"{path}:{n}: {len(line)} columns, more than {limit}"


def file_lengths():
    for path in files(".c", ".h", ".py", ".sh"):
        limit = HEADER_LINES if path.endswith(".h") else FILE_LINES
        lines = text(path).count("\n")
        if lines > limit:
            yield f"{path}: {lines} lines, more than {limit}: find the second noun"


def function_lengths():
    """Rows of a table within a function do not count."""
    for path in files(".c", ".h"):
        began, count = None, 0
        for n, line in numbered(code(path)):
            if line == "{":
                began, count = n, 0
            elif line.startswith("}") and began:
                if count > FUNCTION_LINES:
                    yield f"{path}:{began}: a function of {count} lines, more than {FUNCTION_LINES}"
                began = None
            elif not line.lstrip().startswith(("{", '""')):
                count += 1


def calls(path, pattern):
    """Where a function of that name is called (not declared as a field or method)."""
    for n, line in numbered(code(path)):
        for match in re.finditer(rf"(?<![\w.>])({pattern})\s*\(", line):
            yield n, match[1]


def pure_floors():
    for path in files(".c", ".h", roots=PURE):
        if path in PURE_EXCEPT:
            continue
        for n, name in calls(path, PURE_CALLS):
            yield f"{path}:{n}: {name}() on a floor that has no heap, clock or I/O"
        for n, line in numbered(text(path)):
            match = re.match(rf"\s*#\s*include\s*<({PURE_HEADERS})\.h>", line)
            if match:
                yield f"{path}:{n}: <{match[1]}.h> on a floor that has no heap, clock or I/O"


def banned_calls():
    for path in files(".c", ".h"):
        if not own_c(path):
            continue
        for n, name in calls(path, BANNED_CALLS):
            yield f"{path}:{n}: {name}() is used nowhere"


def dpdk_in_core_only():
    for path in files(".c", ".h"):
        if path.startswith(RTE_ONLY) or not own_c(path):
            continue
        for n, line in numbered(code(path)):
            if re.search(r"\brte_\w+|<rte_", line):
                yield f"{path}:{n}: DPDK outside {RTE_ONLY[0]}"


def no_loose_ends():
    for path in files(".c", ".h", ".py", ".sh", ".build", ".def"):
        if "/corpus/" in path or path == "tests/lint/tidy.py":
            continue
        for n, line in numbered(text(path)):
            match = WORDS.search(line)
            if match:
                yield f"{path}:{n}: {match[1]}: finish it or leave it out"


def rfc_citations():
    """RFC 5321 s4.5.2: one spelling, so that grep finds all."""
    bad = re.compile(r"RFC[-_]?\d|RFC \d+,? *(?:section|sect?\.|chapter|§|S\d)")
    for path in files(".c", ".h", ".def"):
        for n, line in numbered(text(path)):
            match = bad.search(line)
            if match:
                yield f"{path}:{n}: '{match[0]}': write RFC 5321 s4.5.2"


def headers():
    for path in files(".h"):
        name = os.path.basename(path)
        guard = re.sub(r"\W", "_", name).upper()
        lines = text(path).split("\n")
        if not lines[0].startswith(f"/* {name} - "):
            yield f"{path}:1: begin with /* {name} - what it is"
        if f"#ifndef {guard}" not in lines or f"#define {guard}" not in lines:
            yield f"{path}: its guard is {guard}"


def unique_names():
    seen = {}
    for path in files(".c", ".h", ".def"):
        name = os.path.basename(path)
        if name in seen:
            yield f"{path}: {seen[name]} has that name too"
        seen[name] = path


def def_rows_are_used():
    sources = "\n".join(code(p) for p in files(".c", ".h"))
    words = set(re.findall(r"\w+", sources))
    for path in files(".def"):
        for n, line in numbered(text(path)):
            match = re.match(r"\s*[A-Z_]+\((\w+),", line)
            if not match or match[1] in words:
                continue
            # A list may put something before its names (X(name) makes enum PREFIX_NAME), and names
            # that count up are reached from the first of them.
            name = match[1]
            stem = re.sub(r"\d+$", "", name)
            if not any(w.endswith("_" + name) or (stem != name and re.fullmatch(rf"\w*{stem}\d+", w))
                       for w in words):
                yield f"{path}:{n}: {match[1]} is used nowhere"


def every_source_has_a_test():
    """test_<file>.c, a test that includes its header, or a line of tests/lint/tested.txt:
    `PATTERN: TEST...`, for what is tested through another file's header or end to end."""
    import fnmatch
    tests = {os.path.splitext(os.path.basename(p))[0] for p in files(".c", ".py", roots=["tests"])}
    table = []
    for n, line in numbered(text("tests/lint/tested.txt")):
        if not line or line.startswith("#"):
            continue
        if not line.strip():
            continue
        pattern, _, by = line.partition(":")
        table.append((pattern, by.split()))
        for test in by.split():
            if test not in tests:
                yield f"tests/lint/tested.txt:{n}: there is no test {test}"
        if not glob.glob(os.path.join(TOP, pattern)):
            yield f"tests/lint/tested.txt:{n}: there is no file {pattern}"
    included = set()
    for path in files(".c", ".h", roots=["tests"]):
        included |= set(re.findall(r'^\s*#\s*include\s*"(\w+)\.h"', text(path), re.MULTILINE))
    for path in files(".c", roots=["common", "dataplane", "control", "queue", "tls"]):
        noun = os.path.splitext(os.path.basename(path))[0]
        if "test_" + noun in tests or noun in included:
            continue
        if not any(fnmatch.fnmatchcase(path, pattern) for pattern, _ in table):
            yield f"{path}: neither test_{noun}.c nor a line in tests/lint/tested.txt"


def fuzz_targets_have_seeds():
    for path in files(".c", roots=["tests/fuzz"]):
        target = os.path.basename(path)[5:-2]
        if target == "replay":
            continue
        seeds = glob.glob(os.path.join(TOP, "tests/fuzz/corpus", target, "*"))
        if len(seeds) < 3:
            yield f"{path}: {len(seeds)} seeds in tests/fuzz/corpus/{target}, fewer than 3"


def scripts_are_sound():
    for path in files(".py"):
        try:
            compile(text(path), path, "exec")
        except SyntaxError as error:
            yield f"{path}:{error.lineno}: {error.msg}"
    shell = [p for p in files("", roots=["tools", ".ci"]) if re.match(r"#!.*\b(ba)?sh\b", text(p))]
    try:
        done = subprocess.run(["shellcheck", "-f", "gcc"] + shell, cwd=TOP, capture_output=True, text=True,
                              check=False)
    except FileNotFoundError:
        yield "shellcheck is missing: tools/deps.sh test"
        return
    yield from done.stdout.splitlines()


CHECKS = [whole_lines, columns, file_lengths, function_lengths, pure_floors, banned_calls,
          dpdk_in_core_only, no_loose_ends, rfc_citations, headers, unique_names, def_rows_are_used,
          every_source_has_a_test, fuzz_targets_have_seeds, scripts_are_sound]


def main():
    failed = 0
    print(f"1..{len(CHECKS)}")
    for n, check in enumerate(CHECKS, 1):
        complaints = list(check())
        failed += bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} {n} - {check.__name__.replace('_', ' ')}")
        for complaint in complaints:
            print(f"# {complaint}")
    sys.exit(1 if failed else 0)


main()

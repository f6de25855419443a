#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the house rules against the code: one test per rule, findings as file:line.

    tools/tidy.py [RULE...]

The table of floors below is the one of ARCHITECTURE.md as data. A rule that is in the way is
changed here and there, with its reason, rather than worked around. Ends with `N passed, N failed`.
"""

import ast
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800

# Floor: what it may include besides its own files. "x/" is a whole floor, "x/y.h" one header;
# "-x/y.h" takes a header of an allowed floor away again.
EMBEDDED = [f"engine/embedded/{part}" for part in ("", "journal/", "index/")]
ENGINES = [*EMBEDDED, "engine/postgres/", "engine/shards/"]
EVERYTHING = ["base/", "ledger/", "vault/", "engine/", *ENGINES, "wire/", "queue/", "events/",
              "watch/", "move/", "access/", "http/", "api/"]
PROGRAMS = ["client", "import", "demo", "config", "serve"]
FLOORS = {
    "base/": [],
    "ledger/": ["base/", "-base/disk.h", "-base/clock.h", "-base/log.h", "-base/memory.h",
                "-base/inbox.h", "-base/signal_gate.h"],
    "engine/": ["ledger/", "base/"],
    "vault/": ["base/"],
    "engine/embedded/journal/": ["ledger/record.h", "base/"],
    "engine/embedded/index/": ["base/"],
    "engine/embedded/": [*EMBEDDED, "engine/engine.h", "engine/audit_page.h", "vault/", "ledger/",
                         "base/"],
    "engine/postgres/": ["engine/engine.h", "engine/audit_page.h", "vault/", "ledger/", "base/"],
    "engine/shards/": ["engine/engine.h", "engine/wait.h", "engine/audit_page.h",
                       "engine/postgres/postgres.h", "engine/postgres/shard/shard.h",
                       "engine/postgres/crossing/crossing.h",
                       "engine/postgres/crossing/transit.h", "ledger/", "base/"],
    "wire/": ["ledger/", "base/"],
    "queue/": ["engine/engine.h", "engine/wait.h", "wire/", "ledger/", "base/"],
    "events/": ["engine/engine.h", "engine/wait.h", "queue/kafka.h", "queue/topics.h",
                "wire/", "ledger/", "base/"],
    "watch/": ["engine/engine.h", "engine/wait.h", "ledger/", "-ledger/decide.h",
               "-ledger/decide_facts.h", "base/"],
    "move/": [*ENGINES, "engine/engine.h", "watch/", "ledger/", "base/"],
    "access/": ["base/"],
    "http/": ["base/"],
    "api/": [floor for floor in EVERYTHING if floor not in [*ENGINES, "move/"]],
    "programs/client/": ["ledger/money.h", "base/"],
    "programs/import/": ["programs/client/", "wire/", "base/"],
    "programs/demo/": ["programs/client/", "base/"],
    "programs/config/": ["access/", "events/", "http/", "queue/", "watch/", "ledger/", "base/",
                         "engine/postgres/shard/shard.h"],
    "programs/serve/": ["programs/config/", "programs/", *EVERYTHING],
    "programs/commands/": ["programs/", *(f"programs/{part}/" for part in PROGRAMS), *EVERYTHING],
    "programs/": ["programs/config/config.h"],
}

# Foreign header: the files or floors that may know the library.
LIBRARIES = {
    "simdjson.h": ["base/json_simd.cpp"],
    "xxhash.h": ["base/hash.c"],
    "immintrin.h": ["base/hash_pair.c"],
    "isa-l.h": ["base/hash.c"],
    "isa-l/": ["base/hash.c"],
    "openssl/": ["base/hash.c", "access/", "vault/xaes.c"],
    "microhttpd.h": ["http/"],
    "dlfcn.h": ["http/library.c"],
    "gnutls/": ["http/"],
    "curl/": ["programs/client/", "programs/config/", "events/", "access/"],
    "libpq-fe.h": ["engine/postgres/", "watch/rows.c"],
    "librdkafka/": ["queue/"],
    "cjose/": ["access/"],
    "hiredis/": ["access/"],
    "seccomp.h": ["programs/serve/serve_filter.c"],
}

# What the C library and the kernel offer to every floor but the ledger, which is pure.
SYSTEM_HEADERS = set("""
    assert.h ctype.h dirent.h errno.h fcntl.h getopt.h inttypes.h limits.h locale.h malloc.h
    netdb.h poll.h pthread.h pwd.h sched.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h
    stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h sysexits.h
    syslog.h termios.h time.h unistd.h wchar.h
    cstddef cstdint cstring new memory string_view
""".split())
SYSTEM_FOLDERS = ("sys/", "linux/", "netinet/", "arpa/", "net/")
PURE_FLOORS = ["ledger/"]
PURE_HEADERS = {"assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h",
                "stdint.h", "string.h"}

# Banned name: what to use instead, and the files or floors where it is at home.
BANNED_CALLS = {
    **dict.fromkeys(["strcpy", "strncpy", "strcat", "strncat", "stpcpy"],
                    ("memcpy with a size, or buffer_add", [])),
    **dict.fromkeys(["sprintf", "vsprintf"], ("snprintf, or buffer_add_format", [])),
    **dict.fromkeys(["strtok", "strtok_r"], ("a slice that is walked", [])),
    **dict.fromkeys(["atoi", "atol", "atoll", "strtol", "strtoll", "strtoul", "strtoull",
                     "strtoimax", "sscanf", "scanf", "fscanf"],
                    ("a parser that says what is wrong with the digits", [])),
    **dict.fromkeys(["atof", "strtod", "strtof", "strtold"], ("integers in the minor unit", [])),
    **dict.fromkeys(["gets"], ("fgets", [])),
    **dict.fromkeys(["alloca"], ("an arena", [])),
    **dict.fromkeys(["malloc", "calloc", "realloc", "reallocarray", "aligned_alloc",
                     "posix_memalign", "free", "strdup", "strndup", "asprintf", "vasprintf"],
                    ("base/memory.h, an arena or a buffer", ["base/memory.c"])),
    **dict.fromkeys(["time", "gettimeofday", "clock_gettime", "gmtime", "gmtime_r", "localtime",
                     "localtime_r", "strftime", "strptime", "mktime", "timegm"],
                    ("base/clock.h", ["base/clock.c"])),
    **dict.fromkeys(["rand", "srand", "random", "srandom", "drand48", "getrandom", "getentropy"],
                    ("random_fill of base/hash.h", ["base/hash.c"])),
    **dict.fromkeys(["exit", "_exit", "quick_exit", "abort"],
                    ("CHECK, or a status", ["base/check.c", "programs/serve/serve.c"])),
    **dict.fromkeys(["write", "pwrite", "pwritev", "fsync", "fdatasync", "sync_file_range",
                     "syncfs"],
                    ("base/disk.h, or eventfd_write",
                     ["base/disk_posix.c", "base/log.c"])),
    **dict.fromkeys(["assert"], ("CHECK of base/check.h", [])),
    **dict.fromkeys(["setjmp", "longjmp", "sigsetjmp", "siglongjmp"], ("statuses", [])),
    **dict.fromkeys(["sleep", "usleep", "nanosleep"],
                    ("a wait for what is to come",
                      ["programs/serve/", "programs/import/", "programs/demo/"])),
    **dict.fromkeys(["system", "popen", "fork", "vfork"], ("a thread", [])),
    **dict.fromkeys(["setlocale"], ("text that means the same everywhere", [])),
}
NO_FLOATS = ["base/", "ledger/", "engine/", *ENGINES, "wire/", "queue/", "watch/", "move/", "api/"]
# What a program keeps outside of its structs: the note of a signal handler.
GLOBALS_ALLOWED = re.compile(r"\bsig_atomic_t\b")

SKIPPED_FOLDERS = {"build", "florin-data", "__pycache__", "node_modules"}
CODE_SUFFIXES = {".c", ".h", ".cpp", ".def"}
TEXT_SUFFIXES = CODE_SUFFIXES | {".py", ".sh", ".build", ".txt", ".sql", ".story", ".md", ".yml"}
TEXT_NAMES = {"Makefile", "run", ".editorconfig", ".gitignore", "LICENSE"}


class File:
    """A text file of the tree, read once; `code` are its lines without comments and strings."""

    def __init__(self, path):
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.split("\n")
        self.is_code = path.suffix in CODE_SUFFIXES
        self.in_src = self.name.startswith("src/")
        self.place = self.name[len("src/"):] if self.in_src else None
        self.code = blank_comments(self.text).split("\n") if self.is_code else []

    @property
    def floor(self):
        return floor_of(self.place)


def blank_comments(text):
    """Puts blanks where comments and the insides of literals are; lines and columns stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)

    # A name in quotes after #include is no literal to us.
    return "\n".join(line if line.lstrip().startswith("#include") else blanked
                     for line, blanked in zip(text.split("\n"),
                                              pattern.sub(blank, text).split("\n")))


def floor_of(place):
    """The longest floor that a path below src/ lies in, or None."""
    fitting = [floor for floor in FLOORS if place.startswith(floor)]
    return max(fitting, key=len) if fitting else None


def is_at_home(place, homes):
    return any(place == home or (home.endswith("/") and floor_of(place) == home) for home in homes)


def read_tree():
    files = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS
                            and (not name.startswith(".") or name == ".ci"))
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if path.suffix in TEXT_SUFFIXES or name in TEXT_NAMES:
                files.append(File(path))
    return files


# Rules. Each takes all files and yields (file name, line, sentence).

def rule_floors(files):
    """Every #include goes to a floor that the includer may use."""
    for file in (file for file in files if file.in_src and file.is_code):
        if file.floor is None:
            yield file.name, 1, "lies on no floor of the table"
            continue
        for number, line in enumerate(file.code, 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match and not may_include(file, match.group(1)):
                yield file.name, number, f"{file.floor} may not use {match.group(1)}"


def may_include(file, header):
    floor = floor_of(header)
    if floor == file.floor:
        return True
    allowed = FLOORS[file.floor]
    return (header in allowed or floor in allowed) and "-" + header not in allowed


def rule_includes_from_src(files):
    """Includes are written from src/ and exist."""
    places = {file.place for file in files if file.in_src}
    for file in (file for file in files if file.in_src and file.is_code):
        for number, line in enumerate(file.code, 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match and match.group(1) not in places:
                yield file.name, number, f'"{match.group(1)}" is not a file below src/'


def rule_libraries(files):
    """A foreign library is known only where the table says."""
    for file in (file for file in files if file.in_src and file.is_code):
        for number, line in enumerate(file.code, 1):
            match = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if not match:
                continue
            header = match.group(1)
            is_system = header in SYSTEM_HEADERS or header.startswith(SYSTEM_FOLDERS)
            homes = next((LIBRARIES[known] for known in LIBRARIES
                          if header == known or (known.endswith("/") and header.startswith(known))),
                         None)
            if homes is None and not is_system:
                yield file.name, number, f"<{header}> belongs to no library of the table"
            elif homes is not None and not is_at_home(file.place, homes):
                yield file.name, number, f"<{header}> is known only to {', '.join(homes)}"
            elif file.floor in PURE_FLOORS and header not in PURE_HEADERS:
                yield file.name, number, f"<{header}>: {file.floor} is pure"


def rule_banned_calls(files):
    """What is banned is not called; the finding names what to use."""
    call = re.compile(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(")
    for file in (file for file in files if file.in_src and file.is_code):
        for number, line in enumerate(file.code, 1):
            if line.lstrip().startswith("#"):
                continue
            for match in call.finditer(line):
                banned = BANNED_CALLS.get(match.group(1))
                if banned and not is_at_home(file.place, banned[1]):
                    yield file.name, number, f"{match.group(1)}: use {banned[0]}"


def rule_no_floats(files):
    """No floating point near money."""
    for file in (file for file in files if file.in_src and file.is_code):
        if file.floor not in NO_FLOATS:
            continue
        for number, line in enumerate(file.code, 1):
            if re.search(r"\b(float|double)\b", line):
                yield file.name, number, "amounts are integers in the minor unit"


def rule_goto_out(files):
    """goto goes forward, to `out:` only."""
    for file in (file for file in files if file.is_code):
        for number, line in enumerate(file.code, 1):
            match = re.search(r"\bgoto\s+(\w+)", line)
            if not match:
                continue
            rest = file.code[number:]
            end = next((at for at, text in enumerate(rest) if text.startswith("}")), len(rest))
            if match.group(1) != "out" or not any(text.strip().startswith("out:")
                                                  for text in rest[:end]):
                yield file.name, number, "goes elsewhere than forward to out:"


def rule_no_globals(files):
    """State hangs off a struct that is passed, so that a process can hold two of everything."""
    variable = re.compile(r"^(?:static |extern |_Thread_local |__thread )*"
                          r"(?:struct |enum |unsigned |volatile |_Atomic )*"
                          r"\w+[\w\s*]*?\b\w+(?:\[[^\]]*\])*\s*(?:=.*|;)$")
    other = re.compile(r"^(typedef|return|using|struct \w+;|enum \w+;)")
    for file in (file for file in files if file.in_src and file.is_code):
        for number, line in enumerate(file.code, 1):
            if not variable.match(line) or other.match(line):
                continue
            if not re.search(r"\bconst\b|\bconstexpr\b", line) and not GLOBALS_ALLOWED.search(line):
                yield file.name, number, "a variable outside of every struct"


def is_program(file):
    return (file.is_code or file.path.suffix in (".py", ".sh", ".build")
            or file.path.name == "Makefile")


def rule_line_length(files):
    """Lines end within 100 columns."""
    for file in (file for file in files if is_program(file)):
        for number, line in enumerate(file.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield file.name, number, f"{len(line)} columns"


def rule_function_length(files):
    """Functions have at most 70 lines."""
    for file in files:
        if file.is_code:
            functions = functions_of_c(file)
        elif file.path.suffix == ".py":
            functions = functions_of_python(file)
        else:
            continue
        for number, size in functions:
            if size > FUNCTION_LINES_MAX:
                yield file.name, number, f"a function of {size} lines"


def functions_of_c(file):
    """First line and size of each function, up to the brace in the first column."""
    begin = None  # of what may be a function
    inside = False
    for number, line in enumerate(file.code, 1):
        text = line.rstrip()
        if inside and line.startswith("}"):
            yield begin, number - begin + 1
            begin, inside = None, False
        elif not inside and re.match(r"^[A-Za-z_].*\(", line):
            begin = number
        if not inside and begin is not None:
            inside = text.endswith("{")
            if text.endswith((";", "}")):
                begin = None  # a declaration, or all on one line


def functions_of_python(file):
    for node in ast.walk(ast.parse(file.text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def rule_file_length(files):
    """Files have at most 800 lines."""
    for file in (file for file in files if is_program(file)):
        size = len(file.lines) - 1
        if size > FILE_LINES_MAX:
            yield file.name, size, f"{size} lines"


def rule_licence_line(files):
    """Every source says its licence in its first lines."""
    for file in (file for file in files if is_program(file)):
        if not any("SPDX-License-Identifier: MIT" in line for line in file.lines[:2]):
            yield file.name, 1, "says no licence"


def rule_purpose(files):
    """Every C source says what it is for before its first code."""
    for file in (file for file in files if file.is_code):
        if len(file.lines) < 2 or not re.match(r"// \S", file.lines[1]):
            yield file.name, 2, "does not say what it is for"


def rule_no_leftovers(files):
    """Nothing is left for later on the main branch."""
    leftover = re.compile(r"\b(" + "|".join(["TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"]) + r")\b")
    for file in files:
        for number, line in enumerate(file.lines, 1):
            if leftover.search(line):
                yield file.name, number, "finish it, or file it as an issue"


def rule_blanks(files):
    """No trailing blanks, tabs only in makefiles, and a line end at the end."""
    for file in files:
        for number, line in enumerate(file.lines, 1):
            if line != line.rstrip() and file.path.suffix not in (".md", ".story"):
                yield file.name, number, "trailing blanks"
            if "\t" in line and file.path.name != "Makefile" and is_program(file):
                yield file.name, number, "a tab"
        if file.text and not file.text.endswith("\n"):
            yield file.name, len(file.lines), "no line end at the end"


def rule_headers_alone(files):
    """Every header compiles alone."""
    headers = [file for file in files if file.in_src and file.path.suffix == ".h"]

    def compile_alone(file):
        command = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
                   "-Werror", "-Wno-unused-parameter", "-Wno-unused-function",
                   "-DFLORIN_VERSION=\"0\"",
                   "-I", str(ROOT / "src"), "-x", "c", "-"]
        return file, subprocess.run(command, input=f'#include "{file.place}"\n', text=True,
                                    capture_output=True, check=False)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, done in pool.map(compile_alone, headers):
            if done.returncode != 0:
                reason = next((line for line in done.stderr.splitlines() if "error:" in line), "")
                yield file.name, 1, reason.strip() or "does not compile"


def rule_pragma_once(files):
    """Headers guard themselves with #pragma once."""
    for file in (file for file in files if file.path.suffix == ".h"):
        if "#pragma once" not in file.lines:
            yield file.name, 1, "has no #pragma once"


def rule_built(files):
    """Every source is named in the build file of its folder or of one above."""
    builds = {file.path.parent: file for file in files if file.path.name == "meson.build"}
    for file in files:
        if file.path.suffix not in (".c", ".cpp"):
            continue
        named = False
        is_test = file.path.name.startswith("test_")
        for folder in [file.path.parent, *file.path.parent.parents]:
            build = builds.get(folder)
            if build is None:
                continue
            place = re.escape(file.path.relative_to(folder).as_posix())
            stem = re.escape(re.sub(r"^test_", "", file.path.stem))
            test_is_named = is_test and re.search(f"'{stem}'", build.text)
            named = named or bool(re.search(f"'{place}'", build.text) or test_is_named)
        if file.name.startswith("tests/"):
            # What tests share is named by those that use it.
            shared = re.compile(rf"/{re.escape(file.path.name)}'")
            named = named or any(shared.search(build.text) for build in builds.values())
        if not named:
            yield file.name, 1, "is built by no meson.build"


def rule_unique_names(files):
    """A source's name is its own in the whole house."""
    known = {}
    for file in (file for file in files if file.in_src and file.is_code):
        first = known.setdefault(file.path.name, file)
        if first is not file:
            yield file.name, 1, f"another {file.path.name} is {first.name}"


def rule_tests_exist(files):
    """Every unit test belongs to a floor."""
    names = {file.name for file in files}
    for file in files:
        match = re.match(r"tests/unit/([\w/]+)/test_\w+\.c$", file.name)
        if match and not any(name.startswith(f"src/{match.group(1)}/") for name in names):
            yield file.name, 1, f"there is no floor {match.group(1)}"


def rule_named_tests_are_there(files):
    """Tests that the documents name exist, and each row of a table of tests names one."""
    tests = {name for file in files if file.name.startswith("tests/")
             for name in (file.name, file.path.name)}
    name_of_test = re.compile(r"`((?:tests/[\w./-]+/)?(?:\d\d-[\w-]+\.(?:py|story)"
                              r"|test_\w+\.c)|tests/[\w/-]+\.py)`")
    for file in (file for file in files if file.path.suffix == ".md"):
        in_table = False
        for number, line in enumerate(file.lines, 1):
            named = name_of_test.findall(line)
            for name in named:
                if name not in tests:
                    yield file.name, number, f"there is no test {name}"
            if not line.startswith("|"):
                in_table = False
            elif re.search(r"\| tests? \|$", line):
                in_table = True
            elif in_table and not line.startswith("|--") and not (
                    named or line.endswith("| the same |")):
                yield file.name, number, "names no test"


def headings(text):
    """What a link may name behind its #: the headings, as GitHub makes names of them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def rule_links_lead_somewhere(files):
    """Links of the documents lead to files and headings that are there."""
    for file in (file for file in files if file.path.suffix == ".md"):
        for number, line in enumerate(file.lines, 1):
            for link in re.findall(r"\]\(([^)\s]+)\)", line):
                place, _, heading = link.partition("#")
                target = file.path.parent / place if place else file.path
                if re.match(r"\w+:", link):
                    continue
                if not target.exists():
                    yield file.name, number, f"there is no {place}"
                elif heading and heading not in headings(target.read_text(encoding="utf-8")):
                    yield file.name, number, f"{target.name} has no heading {heading}"


def rule_scripts_run(files):
    """Scripts with a first line for the kernel can be executed."""
    for file in files:
        if file.text.startswith("#!") and not os.access(file.path, os.X_OK):
            yield file.name, 1, "is not executable"


def rule_python_is_standard(files):
    """Python uses only its standard library and the tree's own modules."""
    own = {file.path.stem for file in files if file.path.suffix == ".py"}
    for file in (file for file in files if file.path.suffix == ".py"):
        for node in ast.walk(ast.parse(file.text)):
            names = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                     else [node.module] if isinstance(node, ast.ImportFrom) and node.module else [])
            for name in names:
                first = name.split(".")[0]
                at_home = ((first, file.path.parent.name) in
                           {("kafka", "kafka"), ("schemathesis", "schemathesis")})  # see install.sh
                if first not in sys.stdlib_module_names and first not in own and not at_home:
                    yield file.name, node.lineno, f"{first} is not part of Python"


RULES = {name[len("rule_"):]: rule for name, rule in list(globals().items())
         if name.startswith("rule_")}


def main():
    chosen = sys.argv[1:] or list(RULES)
    files = read_tree()
    passed = failed = 0
    for name in chosen:
        findings = list(RULES[name](files))
        print(f"{'ok  ' if not findings else 'FAIL'} {name}", flush=True)
        for place, line, sentence in findings:
            print(f"     {place}:{line}: {sentence}")
        passed += not findings
        failed += bool(findings)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of tools/tidy.py can fail: each is shown a tree with one mistake and must name it.

A rule that never finds anything looks the same as a tidy tree, so every rule has a mistake here,
and a tree without one in which all of them are content.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HEAD = "// SPDX-License-Identifier: MIT\n// What it is for.\n"
LEFTOVER = "TO" + "DO"

CLEAN = {
    "src/base/word.h": HEAD + "#pragma once\n#include <stdint.h>\nint word_take(int64_t size);\n",
    "src/base/word.c": HEAD + '#include "base/word.h"\n\n'
                              "static const int word_table[2] = {1, 2};\n\n"
                              "// strcpy() in a comment and \"malloc(1)\" in a text are no calls.\n"
                              "int word_take(int64_t size) {\n"
                              '    const char *text = "malloc(1) // float";\n'
                              "    if (size < 0)\n        goto out;\n"
                              "    return word_table[0] + text[0];\nout:\n    return 0;\n}\n",
    "src/base/meson.build": "# SPDX-License-Identifier: MIT\nfiles('word.c')\n",
    "src/ledger/rule.c": HEAD + '#include "base/word.h"\n',
    "src/ledger/decide.h": HEAD + "#pragma once\n",
    "src/ledger/meson.build": "# SPDX-License-Identifier: MIT\nfiles('rule.c')\n",
    "src/engine/engine.h": HEAD + "#pragma once\n",
    "src/engine/embedded/journal.c": HEAD + '#include "engine/engine.h"\n',
    "src/engine/meson.build": "# SPDX-License-Identifier: MIT\nfiles('embedded/journal.c')\n",
    "tests/unit/base/test_word.c": HEAD,
    "tests/unit/base/meson.build": "# SPDX-License-Identifier: MIT\nforeach n : ['word']\n",
    "tools/help.py": "# SPDX-License-Identifier: MIT\nimport sys\nprint(sys.argv)\n",
}

# Rule, what is put into the tree, and the finding's place.
MISTAKES = [
    ("floors", {"src/base/bad.h": HEAD + '#pragma once\n#include "ledger/decide.h"\n'},
     "src/base/bad.h:4"),
    ("floors", {"src/watch/bad.c": HEAD + '#include "ledger/decide.h"\n'}, "src/watch/bad.c:3"),
    ("floors", {"src/api/bad.c": HEAD + '#include "engine/embedded/run.h"\n'}, "src/api/bad.c:3"),
    ("floors", {"src/engine/embedded/bad.c": HEAD + '#include "engine/other.h"\n'},
     "src/engine/embedded/bad.c:3"),
    ("floors", {"src/ledger/bad.c": HEAD + '#include "base/disk.h"\n'}, "src/ledger/bad.c:3"),
    ("floors", {"src/cellar/bad.c": HEAD}, "src/cellar/bad.c:1"),
    ("includes_from_src", {"src/base/bad.c": HEAD + '#include "word.h"\n'}, "src/base/bad.c:3"),
    ("libraries", {"src/api/bad.c": HEAD + "#include <microhttpd.h>\n"}, "src/api/bad.c:3"),
    ("libraries", {"src/base/bad.c": HEAD + "#include <openssl/evp.h>\n"}, "src/base/bad.c:3"),
    ("libraries", {"src/base/bad.c": HEAD + "#include <glib.h>\n"}, "src/base/bad.c:3"),
    ("libraries", {"src/ledger/bad.c": HEAD + "#include <time.h>\n"}, "src/ledger/bad.c:3"),
    ("banned_calls", {"src/base/bad.c": HEAD + "int f(void) {\n    strcpy(a, b);\n}\n"},
     "src/base/bad.c:4"),
    ("banned_calls", {"src/base/bad.c": HEAD + "int f(void) {\n    return (int)time (0);\n}\n"},
     "src/base/bad.c:4"),
    ("banned_calls", {"src/engine/bad.c": HEAD + "int f(void) {\n    x = malloc(4);\n}\n"},
     "src/engine/bad.c:4"),
    ("no_floats", {"src/ledger/bad.c": HEAD + "static const double rate = 1;\n"},
     "src/ledger/bad.c:3"),
    ("goto_out", {"src/base/bad.c": HEAD + "int f(void) {\nagain:\n    goto again;\n}\n"},
     "src/base/bad.c:5"),
    ("goto_out", {"src/base/bad.c": HEAD + "int f(void) {\nout:\n    goto out;\n}\n"},
     "src/base/bad.c:5"),
    ("no_globals", {"src/base/bad.c": HEAD + "static int counter;\n"}, "src/base/bad.c:3"),
    ("no_globals", {"src/base/bad.c": HEAD + "static struct word *words[3] = {0};\n"},
     "src/base/bad.c:3"),
    ("no_globals", {"src/base/bad.c": HEAD + "static _Thread_local int counter = 1;\n"},
     "src/base/bad.c:3"),
    ("line_length", {"src/base/bad.c": HEAD + "// " + 98 * "x" + "\n"}, "src/base/bad.c:3"),
    ("function_length", {"src/base/bad.c": HEAD + "int f(void) {\n" + 69 * "    x();\n" + "}\n"},
     "src/base/bad.c:3"),
    ("function_length", {"src/base/bad.c": HEAD + "MACRO(x)\n\nint f(int a,\n      int b) {\n"
                         + 68 * "    x();\n" + "}\n\nstatic const int t[] = {\n"
                         + 90 * "    1,\n" + "};\n"},
     "src/base/bad.c:5"),
    ("function_length", {"tools/bad.py": "def f():\n" + 70 * "    pass\n"}, "tools/bad.py:1"),
    ("file_length", {"src/base/bad.c": HEAD + 799 * "\n"}, "src/base/bad.c:801"),
    ("licence_line", {"tools/bad.sh": "#!/bin/sh\n"}, "tools/bad.sh:1"),
    ("purpose", {"src/base/bad.c": "// SPDX-License-Identifier: MIT\nint x(void);\n"},
     "src/base/bad.c:2"),
    ("no_leftovers", {"src/base/bad.c": HEAD + f"// {LEFTOVER}: later\n"}, "src/base/bad.c:3"),
    ("blanks", {"src/base/bad.c": HEAD + "int x(void); \n"}, "src/base/bad.c:3"),
    ("blanks", {"src/base/bad.c": HEAD + "\tint x(void);\n"}, "src/base/bad.c:3"),
    ("blanks", {"src/base/bad.c": HEAD + "int x(void);"}, "src/base/bad.c:3"),
    ("headers_alone", {"src/base/bad.h": HEAD + "#pragma once\nuint64_t x(void);\n"},
     "src/base/bad.h:1"),
    ("pragma_once", {"src/base/bad.h": HEAD + "int x(void);\n"}, "src/base/bad.h:1"),
    ("built", {"src/base/bad.c": HEAD}, "src/base/bad.c:1"),
    ("built", {"tests/unit/base/test_bad.c": HEAD}, "tests/unit/base/test_bad.c:1"),
    ("unique_names", {"src/ledger/word.c": HEAD}, "src/ledger/word.c:1"),
    ("tests_exist", {"tests/unit/cellar/test_bad.c": HEAD}, "tests/unit/cellar/test_bad.c:1"),
    ("links_lead_somewhere", {"docs/bad.md": "All is [there](gone.md).\n"}, "docs/bad.md:1"),
    ("links_lead_somewhere", {"docs/bad.md": "# Up, down\n\n[a](#up-down) [b](#left)\n"},
     "docs/bad.md:3"),
    ("links_lead_somewhere", {"docs/bad.md": "\n![a](b.png) [c](https://a.b/c.md#d)\n"},
     "docs/bad.md:2"),
    ("named_tests_are_there", {"docs/bad.md": "Shown by `tests/suites/99-gone.py`.\n"},
     "docs/bad.md:1"),
    ("named_tests_are_there", {"docs/bad.md": "See `test_gone.c`.\n"}, "docs/bad.md:1"),
    ("named_tests_are_there", {"docs/bad.md": "| risk | test |\n|---|---|\n| all | ours |\n"},
     "docs/bad.md:3"),
    ("scripts_run", {"tools/bad.sh": "#!/bin/sh\n# SPDX-License-Identifier: MIT\n"},
     "tools/bad.sh:1"),
    ("python_is_standard", {"tools/bad.py": "import requests\n"}, "tools/bad.py:1"),
]


def tidy(tree, *rules):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in tree.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        tools = pathlib.Path(folder, "tools")
        tools.mkdir(exist_ok=True)
        shutil.copy(ROOT / "tools/tidy.py", tools / "tidy.py")
        return subprocess.run([sys.executable, str(tools / "tidy.py"), *rules], text=True,
                              capture_output=True, check=False)


def rules_of_tidy():
    done = tidy(CLEAN)
    return done, {line.split()[1] for line in done.stdout.splitlines()[:-1]
                  if line.startswith(("ok", "FAIL"))}


def main():
    results = []
    clean, rules = rules_of_tidy()
    results.append(("a clean tree passes", clean.returncode == 0 and " 0 failed" in clean.stdout,
                    clean.stdout + clean.stderr))
    shown = {rule for rule, _, _ in MISTAKES}
    results.append(("every rule is shown a mistake", rules == shown, str(rules ^ shown)))
    for rule, files, place in MISTAKES:
        done = tidy({**CLEAN, **files}, rule)
        found = done.returncode == 1 and f"     {place}: " in done.stdout
        results.append((f"{rule} finds {place}", found, done.stdout + done.stderr))
    for name, passed, output in results:
        if not passed:
            print(f"FAIL {name}\n{output}")
    failed = sum(not passed for _, passed, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

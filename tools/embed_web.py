#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the operator's page as C, so that it travels inside the program.

    embed_web.py OUTPUT WEB_FOLDER LIBRARIES_FOLDER FILE...

FILEs lie below WEB_FOLDER; index.html answers "/", every other one "/web/" and its name. The
libraries come from npm: their bare imports are made relative, since the page's policy allows no
inline import map, and uPlot's small build becomes a module by one line behind it.
"""

import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Name in the page: where it lies in the libraries' folder, what goes behind it.
LIBRARIES = {
    "lib/preact.js": ("preact/dist/preact.mjs", ""),
    "lib/hooks.js": ("preact/hooks/dist/hooks.mjs", ""),
    "lib/htm.js": ("htm/dist/htm.mjs", ""),
    "lib/uplot.js": ("uplot/dist/uPlot.iife.min.js", "\nexport default uPlot;\n"),
    "lib/uplot.css": ("uplot/dist/uPlot.min.css", ""),
}


def read_library(folder, place, tail):
    with open(os.path.join(folder, place), encoding="utf-8") as file:
        text = file.read()
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL=")]
    return ("\n".join(lines).replace('from"preact"', 'from"./preact.js"') + tail).encode()


def literal(content):
    # Twenty bytes a line: compilers take long lines badly.
    rows = (content[at:at + 20] for at in range(0, len(content), 20))
    return "\n".join("    " + "".join(f"{byte}," for byte in row) for row in rows)


def main():
    output, web, libraries, *files = sys.argv[1:]
    pages = []
    for path in sorted(files):
        with open(path, "rb") as file:
            pages.append((os.path.relpath(path, web).replace(os.sep, "/"), file.read()))
    for name, (place, tail) in sorted(LIBRARIES.items()):
        pages.append((name, read_library(libraries, place, tail)))
    parts = ['#include "api/pages.h"\n']
    rows = []
    for index, (name, content) in enumerate(pages):
        kind = TYPES[os.path.splitext(name)[1]]
        path = "/" if name == "index.html" else "/web/" + name
        tag = hashlib.sha256(content).hexdigest()[:16]
        parts.append(f"static const unsigned char page_{index}[] = {{\n{literal(content)}\n}};")
        rows.append(f'    {{"{path}", "{kind}", "\\"{tag}\\"", page_{index}, {len(content)}}},')
    parts += ["static const struct web_file pages[] = {", *rows, "};\n",
              "const struct web_file *web_files_all(uint32_t *ret_count) {",
              f"    *ret_count = {len(rows)};", "    return pages;", "}\n"]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the numbered migrations of sql/ as C: `embed_sql.py OUTPUT FILE...`."""

import os
import sys


def literal(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'    "{line}\\n"' for line in escaped.splitlines())


def main():
    output, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
    parts = ['#include "engine/postgres/migrations.h"\n',
             "static const struct migration migrations[] = {"]
    for path in files:
        name = os.path.basename(path).removesuffix(".sql")
        with open(path, encoding="utf-8") as file:
            parts.append(f'    {{{int(name[:4])}, "{name}",\n{literal(file.read())}}},')
    parts += ["};\n", "const struct migration *migrations_all(uint32_t *ret_count) {",
              f"    *ret_count = {len(files)};", "    return migrations;", "}\n"]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))


main()

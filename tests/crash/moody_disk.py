# SPDX-License-Identifier: MIT
"""Compiles disk_shim.c and starts servers on a disk that hangs or is full while a test says so."""

import os
import shutil
import subprocess

import florin

HERE = os.path.dirname(os.path.abspath(__file__))


class MoodyDisk:
    def __init__(self):
        self.folder = florin.folder()
        self.library = os.path.join(self.folder, "disk_shim.so")
        subprocess.run([
            "cc", "-std=gnu17", "-O1", "-shared", "-fPIC", "-o", self.library,
            os.path.join(HERE, "disk_shim.c"), "-ldl"
        ], check=True, timeout=60)

    def server(self, binary, config=None):
        return florin.Server(florin=binary, config=config,
                             environment={"LD_PRELOAD": self.library, "FLORIN_SHIM": self.folder})

    def set(self, mood):
        """"hang", "full" or "taken" (full, and nobody has noticed yet); None is a good disk."""
        for name in ("hang", "full", "taken"):
            path = os.path.join(self.folder, name)
            if name == mood:
                with open(path, "w", encoding="utf-8"):
                    pass
            elif os.path.exists(path):
                os.remove(path)


def can_compile():
    return shutil.which("cc") is not None

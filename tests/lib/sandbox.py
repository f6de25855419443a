# SPDX-License-Identifier: MIT
"""What systemd would take from a service before it starts, as far as it can be taken without
systemd: as `sandbox.py UNIT USER COMMAND...` this, started by root, takes all privileges and the
unit's system calls, address families and executable memory from itself and becomes the command."""

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EQUAL, MASKED_EQUAL = 4, 7
PROT_WRITE, PROT_EXEC = 2, 4
PR_CAPBSET_DROP, CAPABILITIES = 24, 64  # more than there are


class Condition(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("first", ctypes.c_uint64),
                ("second", ctypes.c_uint64)]


def settings(unit, name):
    """All values of a setting, in their order."""
    with open(unit, encoding="utf-8") as file:
        return re.findall(rf"^{name}=(.*)$", file.read(), re.MULTILINE)


def group(name):
    """The calls of one of systemd's groups, groups in it included."""
    said = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True,
                          text=True, timeout=60, check=True).stdout
    found = set()
    for word in (line.strip() for line in said.splitlines()[1:]):
        if word.startswith("@"):
            found |= group(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def calls_of(unit):
    """What the unit lets its service call."""
    found = group("@default")
    for value in settings(unit, "SystemCallFilter"):
        names = set().union(*(group(word) if word.startswith("@") else {word}
                              for word in value.removeprefix("~").split()))
        found = found - names if value.startswith("~") else found | names
    return found


def become(user):
    """Somebody else without any privilege, now or later."""
    for capability in range(CAPABILITIES):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def enter(unit, user):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                               ctypes.c_uint, ctypes.c_void_p]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    calls = calls_of(unit)
    become(user)
    filters = library.seccomp_init(ERRNO | errno.EPERM)

    def allow(call, *condition):
        number = library.seccomp_syscall_resolve_name(call.encode())
        array = (Condition * 1)(Condition(*condition)) if condition else None
        if number >= 0 and library.seccomp_rule_add_array(
                filters, ALLOW, number, 1 if condition else 0, array) != 0:
            raise OSError(f"no rule for {call}")

    for call in sorted(calls - {"mmap", "mprotect", "pkey_mprotect", "socket"}):
        allow(call)
    both = PROT_WRITE | PROT_EXEC  # MemoryDenyWriteExecute
    for protection in (0, PROT_WRITE, PROT_EXEC):
        allow("mmap", 2, MASKED_EQUAL, both, protection)
    allow("mprotect", 2, MASKED_EQUAL, PROT_EXEC, 0)
    for name in settings(unit, "RestrictAddressFamilies")[0].split():
        allow("socket", 0, EQUAL, getattr(socket, name), 0)
    if library.seccomp_load(filters) != 0:
        raise OSError("the filter was not taken")


if __name__ == "__main__":
    enter(sys.argv[1], int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])

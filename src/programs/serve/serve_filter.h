// SPDX-License-Identifier: MIT
// What the process may ask of the kernel from now on: a seccomp filter with the calls that serving
// needs. Whoever makes the server run code of his finds no program to start, no process to look
// into and no memory that is both written and run.
#pragma once
#include <stdbool.h>

// For this thread and all that it starts, and for good. Calls for which serving has no use at all
// (execve, ptrace, mount, ...) end the process at once, like a power cut that the journal is made
// for; all others that are not in the list answer ENOSYS, so libraries take the older way that
// they have for old kernels. False: the kernel has no filters; `florin WORD: ...` was said on
// stderr. Thread: the first, while it is alone.
bool serve_filter_calls(const char *word);

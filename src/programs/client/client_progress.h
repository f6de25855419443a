// SPDX-License-Identifier: MIT
// How far a long job has come: a bar that redraws itself on a terminal, a line now and then
// elsewhere (a log file wants lines that stay). Written to stderr, so that stdout belongs to the
// result.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct client_progress {
    const char *what; // "hashing", "importing"
    uint64_t total;   // of whatever is counted; 0: not known
    uint64_t begun_ns;
    uint64_t shown_ns; // when it was last shown
    bool is_terminal;
    bool is_drawn; // a bar stands on the terminal's last line
};

// Thread: one at a time.
void client_progress_begin(struct client_progress *progress, const char *what, uint64_t total);
// Shows `done` of `total`, with a few words behind it, at most some times a second.
void client_progress_show(struct client_progress *progress, uint64_t done, const char *words);
// Shows the last state and leaves the line. Also before anything else is written to the terminal.
void client_progress_end(struct client_progress *progress);

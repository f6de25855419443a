// SPDX-License-Identifier: MIT
// Brings the rules of a file into force: at the start, on SIGHUP and when the file changes. What is
// in force stands in the books, so the change is a recorded command of the system.
#pragma once
#include <stdbool.h>
#include <sys/stat.h>

#include "engine/wait.h"
#include "programs/config_rules.h"

struct serve_rules {
    const struct config_rules *config; // borrowed
    struct engine *engine;
    struct engine_wait wait;
    struct stat seen; // of the file when it was last read
    bool is_open, pending; // the books did not take them yet
};

// Thread: one, all of them; they may wait for the books.
void serve_rules_open(struct serve_rules *rules, const struct config_rules *config,
                      struct engine *engine);
void serve_rules_close(struct serve_rules *rules); // before the engine; accepts a zeroed one
void serve_rules_reload(struct serve_rules *rules);
// Once a second: reads the file again when it has changed.
void serve_rules_look(struct serve_rules *rules);

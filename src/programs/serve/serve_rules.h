// SPDX-License-Identifier: MIT
// Brings the rules of a file into force: at the start, on SIGHUP and when the file changes. What is
// in force stands in the books, so the change is a recorded command of the system. What the file
// says about patterns goes to the watch beside the server.
#pragma once
#include <stdbool.h>
#include <sys/stat.h>

#include "engine/wait.h"
#include "programs/config/config.h"
#include "watch/pattern_watch.h"
#include "watch/rule_file.h"

struct serve_rules {
    const struct config_rules *config; // borrowed
    struct engine *engine;
    struct engine_wait wait;
    const struct config *house; // borrowed: what is said about patterns outside the file
    struct rule_file_patterns patterns; // as they are now
    struct pattern_watch *watch;        // borrowed; NULL: nobody looks
    struct stat seen; // of the file when it was last read
    bool is_open, pending; // the books did not take them yet
};

// Thread: one, all of them; they may wait for the books.
void serve_rules_open(struct serve_rules *rules, const struct config *config,
                      struct engine *engine);
void serve_rules_close(struct serve_rules *rules); // before the engine; accepts a zeroed one
void serve_rules_reload(struct serve_rules *rules);
// Who hears what the file says about patterns, now and later; NULL: nobody.
void serve_rules_tell(struct serve_rules *rules, struct pattern_watch *watch);
// Once a second: reads the file again when it has changed.
void serve_rules_look(struct serve_rules *rules);

// SPDX-License-Identifier: MIT
// Patterns over several wallets, watched beside the server when the configuration has `patterns`,
// or the file of rules does: each finding is written as a recorded command of the system, so it
// stands among the anomalies, in the audit and in the events.
#pragma once
#include "programs/config/config.h"
#include "watch/pattern_watch.h"

// NULL: the configuration wants none, and there is no file that could. `alone`: no other node
// serves these books. Thread: the one that starts and stops the server.
struct pattern_watch *serve_patterns_open(const struct config *config, struct engine *engine,
                                          bool alone);
// Adds lines to /metrics; `watch` may be NULL. Thread: any.
void serve_patterns_metrics(struct pattern_watch *watch, struct buffer *buffer);

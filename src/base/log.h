// SPDX-License-Identifier: MIT
// Lines for people who watch a server: time, level, component, sentence. Only api, events and
// programs log, and engines when they start, stop or fail; a client's mistake is never an error
// line. Control characters in values are escaped, so a client cannot forge a line. With
// FLORIN_LOG=json in the environment lines are JSON objects.
#pragma once
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

// Thread: any; a line is written with one write to stderr. `component` is a short word such as
// "journal".
void log_line(enum log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Likewise, about one request: its id stands behind the sentence, as a member of its own in JSON.
void log_request(enum log_level level, const char *component, struct slice request_id,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

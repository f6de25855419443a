// SPDX-License-Identifier: MIT
// Recounts the books all the time, at a pace of its own: each recount reads every record from the
// first, adds it up with the arithmetic of watch/ and compares the result with what the engine
// believes. Whoever finds a difference, a recount, /check-integrity, the proof of a wallet or the
// running totals, raises the alarm here. What the last recount found is kept.
#pragma once
#include <stdint.h>

#include "base/buffer.h"
#include "engine/engine.h"
#include "watch/chain.h"
#include "watch/integrity.h"

struct recount;

// Proves the chain of all that is published, with code that the engine does not share. STATUS_ok:
// `walk` says what it found. Thread: any.
struct chain_prover {
    void *context;
    enum status (*prove)(void *context, struct chain_walk *walk); // NULL: there is none
};

struct recount_options {
    struct engine *engine;
    uint32_t mib_per_s; // 0: no recounts, only the alarm
    uint32_t pause_s;   // before the first and between two
    bool stops_payments; // an alarm stops them until somebody decides
    struct chain_prover chain;
};

// What the books and the world are to be told: of the first examination that finds a difference,
// of each that finds another one, and of what ends that.
struct recount_news {
    uint8_t status; // enum alarm_status
    bool stops;      // payments, unless this difference is decided when it is written
    bool stops_here; // until it is written: the books do not know this difference yet
    char message[INTEGRITY_MESSAGE_BYTES];
};

struct recount_state {
    uint64_t finished_ms;   // of the last recount; 0: none yet
    uint64_t took_ms;       // with its pauses
    uint64_t runs;          // finished
    uint32_t progress;      // of the present one, in thousandths
    uint64_t alarms;        // examinations that found a difference
    uint64_t examined_ms;   // the last examination, a recount or one that was asked for; 0: none
    bool consistent;        // what it found; true before the first
    bool stopped;           // payments are stopped
};

// Thread: the one that starts and stops the server.
struct recount *recount_open(const struct recount_options *options);
void recount_close(struct recount *recount); // cuts the present recount short; accepts NULL
// An examination of all books has ended. Thread: any.
void recount_take(struct recount *recount, const struct integrity_report *report);
// Somebody found a difference elsewhere; `why` is a sentence. Thread: any.
void recount_alarm(struct recount *recount, const char *why);
// The oldest news that nobody has written yet; it stays until it is said to be written. False:
// there are none. Thread: any, but one at a time.
bool recount_news(struct recount *recount, struct recount_news *ret_news);
void recount_news_written(struct recount *recount);
// What the last examination of all books found: its checks, sentence and time, without its
// currencies. False: there was none yet. Thread: any; waits for nothing.
bool recount_last(struct recount *recount, struct integrity_report *ret_report);
// A complete recount as fast as it can, for somebody who waits for it (`asker`, who may ask how far
// it is): the chain, then every record. Statuses and report are those of auditor_check. One at a
// time. Thread: any but the engine's; as long as the books are large.
MUST_CHECK enum status recount_full(struct recount *recount, const void *asker,
                                    struct integrity_report *ret_report);
// How far that is, in thousandths; 0 while it has not begun. Thread: any; waits for nothing.
uint32_t recount_full_progress(struct recount *recount, const void *asker);
// The full recount soon ends with STATUS_busy, and so does every later one.
void recount_cancel(struct recount *recount);
// Thread: any; waits for nothing.
void recount_state_of(const struct recount *recount, struct recount_state *ret_state);
// Waits until all news are in the books, so that a decision comes behind them. False: they are not
// yet. Thread: any that may wait.
bool recount_wait_written(struct recount *recount, uint64_t timeout_ns);
// Adds lines to /metrics.
void recount_metrics(const struct recount *recount, struct buffer *buffer);

// SPDX-License-Identifier: MIT
// The live wallets are copied one by one while payments go on, so together they are of no single
// moment. The tally is: it stands at a position E of the feed. A wallet that is as old as in the
// tally must be equal to it; one that is newer is noted, and the feed is read on until the tally
// has brought that wallet to the same version, where both must meet. So every live wallet is
// compared with what the record adds up to, and the sums are those of E.
#include "watch/auditor.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "watch/opening.h"

#define FEED_BYTES (UINT64_C(4) << 20) // read at a time
// With a pace: some hundred microseconds of work, then the pause for them. Larger pieces were what
// payments on the same core waited for.
#define FEED_BYTES_PACED (UINT64_C(256) << 10)

// A live thing that is ahead of the tally, and where the two must meet.
struct ahead {
    struct id id;
    uint64_t version;      // of a wallet
    int64_t balance, held; // of a wallet; `balance` is what was captured of a hold
    uint8_t status;
    uint8_t reserved[7];
};

struct auditor {
    struct engine *engine; // not owned
    pthread_mutex_t turn;  // one examination at a time
    atomic_bool cancelled;
    struct signal_gate stop; // 1: cancelled
    struct tally_source source;
    struct engine_slots slots; // of a shard, as they were when it began
    struct tally tally;
    uint64_t position;  // where the feed goes on
    uint64_t began;     // where it went on at the beginning of this examination
    uint64_t first;     // where it was after the first piece: positions need not begin near 0
    uint64_t bytes_per_s; // 0: as fast as it can
    uint64_t bytes_read;
    atomic_uint progress; // in thousandths
    struct slice found;   // by record_at, where:
    uint64_t found_at;
    // During an examination:
    struct integrity_report *report;
    struct id differing;     // the wallet that the report's sentence is about; zero: it is not
    uint64_t differing_last; // position of its last transaction; 0: it has none
    struct tally_map ahead_wallets, ahead_holds, ahead_withdrawals;
    uint64_t live_wallets, live_open_holds, live_pending;    // that the tally knows too
    uint64_t tally_wallets, tally_open_holds, tally_pending; // at E
};

// ---- telling ------------------------------------------------------------------------------------

static void audit_differs(struct auditor *auditor, enum id_type type, struct id id,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

static void audit_differs(struct auditor *auditor, enum id_type type, struct id id,
                          const char *format, ...) {
    struct integrity_report *report = auditor->report;
    report->checks[INTEGRITY_WALLETS].differences++;
    if (!report->consistent)
        return;
    report->consistent = false;
    size_t used = id_format(type, id, report->message);
    report->message[used++] = ' ';
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(report->message + used, sizeof(report->message) - used, format, arguments);
    va_end(arguments);
}

// Who is concerned by a record. Wallets are no words of their own here: what differs is the record,
// and alarm.h takes one that differs by the wallets that it names.
static size_t tell_ids(enum id_type type, struct id id, struct id wallet, struct id other,
                       char *room) {
    size_t used = id_is_zero(id) ? 0 : id_format(type, id, room);
    room[used++] = '(';
    used += id_is_zero(wallet) ? 0 : id_format(ID_WALLET, wallet, room + used);
    if (!id_is_zero(wallet) && !id_is_zero(other))
        room[used++] = '/';
    used += id_is_zero(other) ? 0 : id_format(ID_WALLET, other, room + used);
    room[used++] = ')';
    return used;
}

// Of a record whose checksum does not agree: what it was of, as far as it can still be read.
static void tell_what_is_left(struct slice bytes, char ret_about[INTEGRITY_ABOUT_BYTES]) {
    static const struct id none;
    struct record record;
    const char *broken;
    char ids[3 * ID_TEXT_BYTES_MAX + 3], time[CLOCK_TEXT_BYTES];
    size_t size = 0;
    if (record_decode(bytes, &record, &broken) == STATUS_ok || !record_guess(bytes, &record))
        return; // what does not fit is named, or nothing is left
    const struct transaction_facts *moved = &record.transaction;
    switch (record.kind) {
    case RECORD_TRANSACTION:
        size = tell_ids(ID_TRANSACTION, moved->id, moved->debit.wallet, moved->credit.wallet, ids);
        break;
    case RECORD_WALLET: size = tell_ids(ID_WALLET, none, record.wallet.id, none, ids); break;
    case RECORD_HOLD:
        size = tell_ids(ID_HOLD, record.hold.id, record.hold.wallet, record.hold.merchant, ids);
        break;
    case RECORD_WITHDRAWAL:
        size = tell_ids(ID_WITHDRAWAL, record.withdrawal.id, record.withdrawal.wallet, none, ids);
        break;
    default: break; // keys, rules and the like: its time must do
    }
    clock_format(record.time_ms, time);
    (void)snprintf(ret_about, INTEGRITY_ABOUT_BYTES,
                   "; what is left of it says %.*s%s%.*s", CLOCK_TEXT_BYTES, time,
                   size == 0 ? "" : ", ", (int)size, ids);
}

// ---- following the feed -------------------------------------------------------------------------

static bool keep_found(void *context, const struct feed_record *record) {
    struct auditor *auditor = context;
    auditor->found = record->bytes;
    auditor->found_at = record->position;
    return false;
}

static struct slice record_at(void *context, uint64_t position) {
    struct auditor *auditor = context;
    uint64_t next;
    auditor->found = slice_of(NULL, 0);
    auditor->found_at = 0;
    if (auditor->engine->port->feed(auditor->engine, position, 1, keep_found, auditor, &next) !=
            STATUS_ok ||
        auditor->found_at != position)
        return slice_of(NULL, 0);
    return auditor->found;
}

static uint64_t find_position(void *context, struct id transaction) {
    struct engine *engine = ((struct auditor *)context)->engine;
    return engine->port->position_of(engine, transaction);
}

static void compare_wallet(struct auditor *auditor, const struct tally_wallet *wallet,
                           const struct ahead *live) {
    if (live->balance == wallet->balance && live->held == wallet->held &&
        live->status == wallet->status)
        return;
    if (auditor->report->consistent) {
        auditor->differing = wallet->id;
        auditor->differing_last = wallet->last;
    }
    audit_differs(auditor, ID_WALLET, wallet->id,
                  "is believed to have balance %lld and %lld held at version %llu, but its records "
                  "add up to %lld and %lld",
                  (long long)live->balance, (long long)live->held,
                  (unsigned long long)wallet->version, (long long)wallet->balance,
                  (long long)wallet->held);
}

static void wallet_changed(void *context, const struct tally_wallet *wallet) {
    struct auditor *auditor = context;
    uint32_t index =
        auditor->ahead_wallets.count == 0 ? 0 : tally_map_find(&auditor->ahead_wallets, wallet->id);
    if (index == 0)
        return;
    const struct ahead *live = tally_map_at(&auditor->ahead_wallets, index);
    if (live->version != wallet->version)
        return;
    compare_wallet(auditor, wallet, live);
    tally_map_remove(&auditor->ahead_wallets, index);
}

static void hold_changed(void *context, struct id hold, uint8_t status, int64_t captured) {
    struct auditor *auditor = context;
    uint32_t index =
        auditor->ahead_holds.count == 0 ? 0 : tally_map_find(&auditor->ahead_holds, hold);
    if (index == 0)
        return;
    const struct ahead *live = tally_map_at(&auditor->ahead_holds, index);
    if (live->status == status && live->balance == captured)
        tally_map_remove(&auditor->ahead_holds, index);
}

static void withdrawal_changed(void *context, struct id withdrawal, uint8_t status) {
    struct auditor *auditor = context;
    uint32_t index = auditor->ahead_withdrawals.count == 0
                         ? 0
                         : tally_map_find(&auditor->ahead_withdrawals, withdrawal);
    if (index == 0)
        return;
    const struct ahead *live = tally_map_at(&auditor->ahead_withdrawals, index);
    if (live->status == status)
        tally_map_remove(&auditor->ahead_withdrawals, index);
}

struct following {
    struct auditor *auditor;
    uint64_t end;
};

static bool take_next(void *context, const struct feed_record *record) {
    struct following *following = context;
    struct auditor *auditor = following->auditor;
    if (record->position >= following->end)
        return false;
    auditor->position = record->next;
    auditor->bytes_read += record->bytes.size;
    bool fits = record->came ? tally_take_came(&auditor->tally, record->position, record->bytes)
                             : tally_take(&auditor->tally, record->position, record->bytes, 0);
    if (!fits)
        tell_what_is_left(record->bytes, auditor->report->about);
    return fits;
}

// Waits as long as the pace asks for what was read, or until it is cancelled.
static void keep_pace(struct auditor *auditor) {
    uint64_t bytes = auditor->bytes_read;
    auditor->bytes_read = 0;
    if (auditor->bytes_per_s == 0)
        return;
    uint64_t ns = bytes * 1000 / (auditor->bytes_per_s / 1000000 + 1); // a little too fast
    (void)signal_gate_wait(&auditor->stop, 1, ns);
}

static void tell_progress(struct auditor *auditor, uint64_t end) {
    uint64_t first = auditor->first, done = auditor->position - first;
    uint64_t all = end > first ? end - first : 1;
    unsigned thousandths = done >= all ? 1000 : (unsigned)(done / (all / 1000 + 1));
    atomic_store(&auditor->progress, thousandths);
}

// Takes everything in front of `end`, unless the tally breaks.
static enum status follow(struct auditor *auditor, uint64_t end) {
    struct following following = {.auditor = auditor, .end = end};
    while (!auditor->tally.is_broken) {
        uint64_t before = auditor->position, next;
        if (atomic_load(&auditor->cancelled))
            return STATUS_busy;
        uint64_t bytes = auditor->bytes_per_s == 0 ? FEED_BYTES : FEED_BYTES_PACED;
        enum status status = auditor->engine->port->feed(auditor->engine, auditor->position, bytes,
                                                         take_next, &following, &next);
        if (status != STATUS_ok || auditor->position == before)
            return status;
        if (before == 0)
            auditor->first = next < end ? next : 0;
        tell_progress(auditor, end);
        keep_pace(auditor);
    }
    return STATUS_ok;
}

// ---- comparing with what is live ----------------------------------------------------------------

static void note_ahead(struct tally_map *map, const struct ahead *live) {
    struct ahead *noted = tally_map_at(map, tally_map_add(map, live->id));
    *noted = *live;
}

static void meet_wallet(void *context, const struct wallet *wallet) {
    struct auditor *auditor = context;
    struct ahead live = {.id = wallet->id,
                         .version = wallet->version,
                         .balance = wallet->balance,
                         .held = wallet->held,
                         .status = wallet->status};
    uint32_t index = tally_map_find(&auditor->tally.wallets, wallet->id);
    if (index == 0) {
        note_ahead(&auditor->ahead_wallets, &live);
        return;
    }
    const struct tally_wallet *ours = tally_wallet_at(&auditor->tally, index);
    auditor->live_wallets++;
    if (wallet->version > ours->version)
        note_ahead(&auditor->ahead_wallets, &live);
    else if (wallet->version < ours->version)
        audit_differs(auditor, ID_WALLET, wallet->id,
                      "is believed to have version %llu, but had %llu before",
                      (unsigned long long)wallet->version, (unsigned long long)ours->version);
    else
        compare_wallet(auditor, ours, &live);
}

static void meet_hold(void *context, const struct hold *hold) {
    struct auditor *auditor = context;
    struct ahead live = {.id = hold->id, .balance = hold->captured, .status = hold->status};
    uint32_t index = tally_map_find(&auditor->tally.holds, hold->id);
    if (index == 0) {
        // Ended before E, or opened after it.
        if (hold->status == HOLD_OPEN)
            note_ahead(&auditor->ahead_holds, &live);
        return;
    }
    const struct tally_hold *ours = tally_map_at(&auditor->tally.holds, index);
    auditor->live_open_holds++;
    if (hold->amount != ours->amount || hold->expires_at_ms != ours->expires_at_ms ||
        !id_equal(hold->wallet, tally_wallet_at(&auditor->tally, ours->wallet)->id) ||
        !id_equal(hold->merchant, ours->merchant))
        audit_differs(auditor, ID_HOLD, hold->id, "is believed to be another one than was opened");
    else if (hold->status != HOLD_OPEN || hold->captured != ours->captured)
        note_ahead(&auditor->ahead_holds, &live);
}

static void meet_withdrawal(void *context, const struct withdrawal *withdrawal) {
    struct auditor *auditor = context;
    struct ahead live = {.id = withdrawal->id, .status = withdrawal->status};
    uint32_t index = tally_map_find(&auditor->tally.withdrawals, withdrawal->id);
    if (index == 0) {
        if (withdrawal->status == WITHDRAWAL_PENDING)
            note_ahead(&auditor->ahead_withdrawals, &live);
        return;
    }
    const struct tally_withdrawal *ours = tally_map_at(&auditor->tally.withdrawals, index);
    auditor->live_pending++;
    if (withdrawal->amount != ours->amount ||
        !id_equal(withdrawal->wallet, tally_wallet_at(&auditor->tally, ours->wallet)->id))
        audit_differs(auditor, ID_WITHDRAWAL, withdrawal->id,
                      "is believed to be another one than was asked for");
    else if (withdrawal->status != WITHDRAWAL_PENDING)
        note_ahead(&auditor->ahead_withdrawals, &live);
}

static void tell_ahead(struct auditor *auditor, const struct tally_map *map, enum id_type type) {
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;) {
        const struct ahead *live = tally_map_at(map, index);
        audit_differs(auditor, type, live->id, "is believed to be as no record says");
    }
}

// Says no number that grows with the books: a decision about it is to hold (ledger/alarm.h).
static void tell_missing(struct auditor *auditor, const char *what, uint64_t recorded,
                         uint64_t live) {
    struct integrity_report *report = auditor->report;
    if (recorded == live)
        return;
    report->checks[INTEGRITY_WALLETS].differences++;
    if (report->consistent)
        (void)snprintf(report->message, sizeof(report->message),
                       "of the %s in the record %llu %s", what,
                       (unsigned long long)(recorded > live ? recorded - live : live - recorded),
                       recorded > live ? "are not known" : "are known twice");
    report->consistent = false;
}

// The live totals lie between those of E and those of the end, and are those of a moment between.
static enum status compare_totals(struct auditor *auditor) {
    struct integrity_report *report = auditor->report;
    struct currency_account *accounts =
        memory_take_zeroed(TALLY_CURRENCIES_MAX * sizeof(*accounts));
    uint32_t count =
        auditor->engine->port->currencies(auditor->engine, accounts, TALLY_CURRENCIES_MAX);
    uint32_t found = 0;
    for (uint32_t i = 0; i < report->currency_count && count != ENGINE_UNREAD; i++)
        for (uint32_t k = 0; k < count; k++) {
            const struct integrity_currency *ours = &report->currencies[i];
            if (!currency_equal(&accounts[k].currency, &ours->currency))
                continue;
            found++;
            if (accounts[k].deposits < ours->deposits ||
                accounts[k].withdrawals < ours->withdrawals) {
                report->checks[INTEGRITY_BALANCES].differences++;
                if (report->consistent)
                    (void)snprintf(
                        report->message, sizeof(report->message),
                        "the totals of %.12s are believed to be lower than its postings add up to",
                        ours->currency.code);
                report->consistent = false;
            }
        }
    memory_free(accounts);
    if (count == ENGINE_UNREAD)
        return STATUS_busy;
    tell_missing(auditor, "currencies", report->currency_count, found);
    return STATUS_ok;
}

// What cannot be read now is not missing.
static enum status meet_all(struct auditor *auditor) {
    struct engine *engine = auditor->engine;
    enum status status = engine->port->wallets(engine, meet_wallet, auditor);
    if (status == STATUS_ok)
        status = engine->port->holds(engine, meet_hold, auditor);
    if (status == STATUS_ok)
        status = engine->port->withdrawals(engine, meet_withdrawal, auditor);
    if (status == STATUS_ok)
        status = compare_totals(auditor);
    if (status != STATUS_ok)
        return status;
    tell_missing(auditor, "wallets", auditor->tally_wallets, auditor->live_wallets);
    tell_missing(auditor, "open holds", auditor->tally_open_holds, auditor->live_open_holds);
    tell_missing(auditor, "pending withdrawals", auditor->tally_pending, auditor->live_pending);
    // What was seen is durable by now, so the feed has it.
    return follow(auditor, engine->port->published_end(engine));
}

static enum status compare_live(struct auditor *auditor) {
    const struct tally *tally = &auditor->tally;
    auditor->tally_wallets = tally_count_here(tally, &tally->wallets);
    auditor->tally_open_holds = tally_count_here(tally, &tally->holds);
    auditor->tally_pending = tally_count_here(tally, &tally->withdrawals);
    auditor->live_wallets = auditor->live_open_holds = auditor->live_pending = 0;
    tally_map_init(&auditor->ahead_wallets, sizeof(struct ahead));
    tally_map_init(&auditor->ahead_holds, sizeof(struct ahead));
    tally_map_init(&auditor->ahead_withdrawals, sizeof(struct ahead));
    enum status status = meet_all(auditor);
    if (status == STATUS_ok && !auditor->tally.is_broken) {
        tell_ahead(auditor, &auditor->ahead_wallets, ID_WALLET);
        tell_ahead(auditor, &auditor->ahead_holds, ID_HOLD);
        tell_ahead(auditor, &auditor->ahead_withdrawals, ID_WITHDRAWAL);
    }
    tally_map_done(&auditor->ahead_wallets);
    tally_map_done(&auditor->ahead_holds);
    tally_map_done(&auditor->ahead_withdrawals);
    return status;
}

// Of a wallet that differs: what its last transaction left is right by the record, so whatever
// happened to it came later.
static void name_last_transaction(struct auditor *auditor) {
    struct integrity_report *report = auditor->report;
    struct record record;
    const char *broken;
    char id[ID_TEXT_BYTES_MAX];
    if (id_is_zero(auditor->differing) || auditor->differing_last == 0)
        return;
    struct slice bytes = record_at(auditor, auditor->differing_last);
    if (bytes.size == 0 || record_decode(bytes, &record, &broken) != STATUS_ok ||
        record.kind != RECORD_TRANSACTION)
        return;
    const struct transaction_facts *facts = &record.transaction;
    const struct posting_side *side =
        id_equal(facts->debit.wallet, auditor->differing) ? &facts->debit : &facts->credit;
    size_t used = strlen(report->message);
    (void)snprintf(report->message + used, sizeof(report->message) - used,
                   "; its last transaction, %.*s, left it %lld",
                   (int)id_format(ID_TRANSACTION, facts->id, id), id, (long long)side->balance);
}

// ---- examinations -------------------------------------------------------------------------------

#define WHY_SHOWN (INTEGRITY_MESSAGE_BYTES - INTEGRITY_ABOUT_BYTES - 64)

static void tell_broken(struct auditor *auditor) {
    struct integrity_report *report = auditor->report;
    report->consistent = false;
    (void)snprintf(report->message, sizeof(report->message),
                   "The record at position %llu is wrong: %.*s%s",
                   (unsigned long long)auditor->tally.position, WHY_SHOWN, auditor->tally.why,
                   report->about);
}

static void tell_consistency(struct integrity_report *report) {
    (void)snprintf(report->message, sizeof(report->message),
                   "The books are right: %llu transactions between %llu wallets add up.",
                   (unsigned long long)report->transaction_count,
                   (unsigned long long)report->wallet_count);
}

// ---- where history begins -----------------------------------------------------------------------

#define OPENING_TRIES 3

struct opening_reading {
    struct auditor *auditor;
    struct sha256_context *sha;
    bool fits;
};

static bool take_item(void *context, const struct opening_item *item) {
    struct opening_reading *reading = context;
    opening_hash(reading->sha, item);
    reading->fits = opening_take(&reading->auditor->tally, NULL, NULL, item);
    return reading->fits && !atomic_load(&reading->auditor->cancelled);
}

// `ret_mark`: 0 when it cannot be asked for or nothing is archived.
static void read_mark(struct auditor *auditor, struct opening_mark *ret_mark) {
    const struct engine_port *port = auditor->engine->port;
    *ret_mark = (struct opening_mark){.position = 0};
    if (port->opening != NULL &&
        port->opening(auditor->engine, NULL, NULL, ret_mark) != STATUS_ok)
        *ret_mark = (struct opening_mark){.position = 0};
}

// Begins with what was carried over. Should history be archived further meanwhile, once more.
static enum status take_opening(struct auditor *auditor) {
    struct opening_reading reading = {.auditor = auditor, .sha = sha256_open()};
    struct opening_mark mark, after;
    uint64_t halves[2];
    enum status status = STATUS_busy;
    for (int i = 0; i < OPENING_TRIES && status == STATUS_busy; i++) {
        tally_done(&auditor->tally);
        tally_init(&auditor->tally, &auditor->source);
        sha256_begin(reading.sha);
        reading.fits = true;
        if (auditor->engine->port->opening(auditor->engine, take_item, &reading, &mark) !=
            STATUS_ok)
            break;
        struct sha256 digest = sha256_end(reading.sha);
        opening_halves(&digest, halves);
        bool is_recorded = reading.fits && memcmp(halves, mark.digest, sizeof(halves)) == 0;
        read_mark(auditor, &after);
        auditor->position = mark.position;
        if (atomic_load(&auditor->cancelled))
            break;
        if (is_recorded || after.position == mark.position)
            status = STATUS_ok;
        if (!is_recorded && status == STATUS_ok) {
            auditor->tally.is_broken = true;
            auditor->tally.broken_check = INTEGRITY_BALANCES;
            (void)snprintf(auditor->tally.why, sizeof(auditor->tally.why),
                           "opening balances, or records kept from archived history, were changed");
        }
    }
    sha256_close(reading.sha);
    return status;
}

// Goes on where it stands, unless history before that has been archived.
static enum status begin_at_archive(struct auditor *auditor) {
    struct opening_mark mark;
    read_mark(auditor, &mark);
    if (mark.position <= auditor->position)
        return STATUS_ok;
    return take_opening(auditor);
}

static enum status examine(struct auditor *auditor, struct integrity_report *report) {
    struct engine *engine = auditor->engine;
    uint64_t end = engine->port->published_end(engine);
    report->as_of_ms = clock_now_ms();
    auditor->report = report;
    auditor->differing = (struct id){0};
    enum status status = begin_at_archive(auditor);
    auditor->began = auditor->position;
    if (status == STATUS_ok)
        status = follow(auditor, end);
    if (status != STATUS_ok)
        return status;
    report->position = end;
    tally_add_up(&auditor->tally, report);
    report->checks[INTEGRITY_WALLETS].sentence =
        "What the server believes now is what the record says.";
    if (!auditor->tally.is_broken)
        status = compare_live(auditor);
    if (status != STATUS_ok) {
        integrity_report_done(report);
        return status;
    }
    if (auditor->tally.is_broken)
        tell_broken(auditor); // perhaps by what came during the comparison
    else if (report->consistent)
        tell_consistency(report);
    else
        name_last_transaction(auditor);
    return STATUS_ok;
}

// ---- slots that move ----------------------------------------------------------------------------

#define MOVED_TRIES 5

// Which slots are here; when that is another answer than before, the tally begins anew.
static enum status begin_with_slots(struct auditor *auditor, bool *ret_changed) {
    struct engine *engine = auditor->engine;
    int64_t before = auditor->slots.version;
    *ret_changed = false;
    if (!engine->is_shard || engine->port->slots == NULL)
        return STATUS_ok;
    enum status status = engine->port->slots(engine, &auditor->slots);
    if (status != STATUS_ok || auditor->slots.version == before)
        return status;
    *ret_changed = true;
    tally_done(&auditor->tally);
    auditor->source.slots = &auditor->slots;
    tally_init(&auditor->tally, &auditor->source);
    auditor->position = 0;
    return STATUS_ok;
}

// What a slot that came or went meanwhile looked like is no difference: once more, then.
static enum status examine_settled(struct auditor *auditor, struct integrity_report *report) {
    bool changed;
    enum status status = begin_with_slots(auditor, &changed);
    for (int i = 0; i < MOVED_TRIES && status == STATUS_ok; i++) {
        status = examine(auditor, report);
        if (status != STATUS_ok)
            return status;
        status = begin_with_slots(auditor, &changed);
        if (status == STATUS_ok && !changed)
            return STATUS_ok;
        integrity_report_done(report);
        *report = (struct integrity_report){0};
    }
    return STATUS_busy;
}

enum status auditor_check(struct auditor *auditor, struct integrity_report *ret_report) {
    struct integrity_report report = {0};
    int failed = pthread_mutex_lock(&auditor->turn);
    CHECK(failed == 0);
    uint64_t started_ns = clock_monotonic_ns();
    struct opening_mark mark;
    enum status status = examine_settled(auditor, &report);
    // Records that were archived while it read look as if they were missing.
    read_mark(auditor, &mark);
    if (status == STATUS_ok && !report.consistent && mark.position > auditor->began) {
        integrity_report_done(&report);
        report = (struct integrity_report){0};
        auditor->position = 0;
        status = examine_settled(auditor, &report);
    }
    report.took_us = (clock_monotonic_ns() - started_ns) / 1000;
    report.slots_version = auditor->slots.version;
    failed = pthread_mutex_unlock(&auditor->turn);
    CHECK(failed == 0);
    if (status == STATUS_ok)
        *ret_report = report;
    return status;
}

struct auditor *auditor_open(struct engine *engine) {
    return auditor_open_wide(engine, 0);
}

struct auditor *auditor_open_wide(struct engine *engine, uint64_t record_count_max) {
    struct auditor *auditor = memory_take_zeroed(sizeof(*auditor));
    auditor->engine = engine;
    signal_gate_init(&auditor->stop, 0, 0);
    int failed = pthread_mutex_init(&auditor->turn, NULL);
    CHECK(failed == 0);
    struct tally_source source = {
        .seal = &engine->seal,
        .locator_time_shift = engine->locator_time_shift,
        .moved_ms = engine->moved_ms,
        .is_shard = engine->is_shard,
        .find_position = find_position,
        .record_at = record_at,
        .wallet_changed = wallet_changed,
        .hold_changed = hold_changed,
        .withdrawal_changed = withdrawal_changed,
        .context = auditor,
        .record_count_max = record_count_max,
    };
    auditor->source = source;
    auditor->slots.version = -1;
    tally_init(&auditor->tally, &source);
    return auditor;
}

void auditor_pace(struct auditor *auditor, uint64_t bytes_per_s) {
    auditor->bytes_per_s = bytes_per_s;
}

void auditor_pairs_until(struct auditor *auditor, uint64_t time_ms) {
    auditor->source.pairs_until_ms = time_ms;
}

uint32_t auditor_progress(struct auditor *auditor) {
    return atomic_load(&auditor->progress);
}

void auditor_cancel(struct auditor *auditor) {
    atomic_store(&auditor->cancelled, true);
    signal_gate_publish(&auditor->stop, 1);
}

void auditor_close(struct auditor *auditor) {
    if (auditor == NULL)
        return;
    tally_done(&auditor->tally);
    (void)pthread_mutex_destroy(&auditor->turn); // nobody holds it
    memory_free(auditor);
}

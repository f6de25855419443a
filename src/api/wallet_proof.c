// SPDX-License-Identifier: MIT
// GET /v1/wallets/{id}/integrity: one wallet proved alone, in memory that does not grow with its
// life. Its postings are walked from the newest to its opening, page by page; each must leave what
// the one before it left plus its own amount, the first must begin at nothing, and the newest must
// have left what the wallet has now. Between two postings whose versions are not neighbours, and
// above and below all of them, the records that made the other versions are looked for in the time
// between: each version from 1 on must have exactly one. What is held must be what open holds,
// pending withdrawals and payments that wait for review have left. Payments go on meanwhile: the
// wallet is as it was at one version, and postings that came after it are passed over.
#include "api/requests.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/answers.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/recount.h"
#include "base/clock.h"
#include "engine/wait.h"

#define BEYOND UINT64_MAX
#define PROOF_TRIES 20 // to see a busy wallet's holds between two of its changes

struct proof {
    struct api *api;
    struct engine_wait *wait;
    struct wire_proof shown;
    char message[INTEGRITY_MESSAGE_BYTES];
    bool broken;
    uint64_t review_count;   // payments that wait for review
    uint64_t versions_below; // the next older posting's version is less
    // Versions that no posting of the present page made: between these two, and likely others in
    // between that postings made. gap_above 0: there are none.
    uint64_t gap_above, gap_below;
    uint64_t gap_from_ms, gap_to_ms; // when whatever is there was made
    uint64_t above_ms;               // when the record was that made versions_below
    struct page changes;             // memory of its own
    uint32_t number;         // of the posting that was looked at last; 0: none yet
    int64_t balance;         // that the next older posting must have left
    uint64_t oldest_ms;      // when the posting was that was looked at last
};

static void differs(struct proof *proof, enum id_type type, struct id id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void differs(struct proof *proof, enum id_type type, struct id id, const char *format, ...) {
    if (proof->broken)
        return;
    proof->broken = true;
    size_t used = 0;
    if (type != ID_WALLET) { // whatever it is about, the wallet is named first
        used = id_format(ID_WALLET, proof->shown.wallet, proof->message);
        proof->message[used++] = ':';
        proof->message[used++] = ' ';
    }
    used += id_format(type, id, proof->message + used);
    proof->message[used++] = ' ';
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(proof->message + used, sizeof(proof->message) - used, format, arguments);
    va_end(arguments);
}

static enum status read_wallet(struct proof *proof, struct id id, struct wallet *ret_wallet,
                               struct currency *ret_currency) {
    struct command command = {.type = COMMAND_READ_WALLET,
                              .subject = id,
                              .slot = (uint16_t)id_slot(id),
                              .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    engine_wait_submit(proof->wait, &submission);
    enum status status = (enum status)outcome.status;
    if (status == STATUS_ok) {
        struct record record;
        const char *broken;
        *ret_wallet = outcome.wallet;
        if (record_decode(outcome.record, &record, &broken) != STATUS_ok ||
            record.kind != RECORD_WALLET || !id_equal(record.wallet.id, id))
            differs(proof, ID_WALLET, id, "has no readable record of what it is");
        else
            *ret_currency = record.wallet.currency;
    }
    engine_wait_release(proof->wait);
    return status;
}

// No posting made the versions between this one and the one above.
static void meet_gap(struct proof *proof, uint64_t below, uint64_t from_ms) {
    CHECK(below < proof->versions_below);
    if (proof->gap_above == 0) {
        proof->gap_above = proof->versions_below;
        proof->gap_to_ms = proof->above_ms;
    }
    proof->gap_below = below;
    proof->gap_from_ms = from_ms;
}

// Looks for the records of the gap, newest first. `is_whole`: all of them must be there; else only
// those behind archived history.
static enum status prove_gap(struct proof *proof, bool is_whole) {
    struct engine *engine = proof->api->engine;
    struct id wallet = proof->shown.wallet;
    struct list_query query = {.kind = LIST_AUDIT,
                               .wallet_kind = -1,
                               .type = -1,
                               .status = -1,
                               .outcome = -1,
                               .versions_of = wallet,
                               .from_ms = proof->gap_from_ms,
                               .to_ms = proof->gap_to_ms == BEYOND ? BEYOND : proof->gap_to_ms + 1,
                               .limit = LIMIT_PAGE_MAX};
    uint64_t wanted = proof->gap_above - 1;
    if (proof->gap_above == 0 || proof->broken)
        return STATUS_ok;
    do {
        arena_reset(&proof->changes.arena);
        enum status status = engine->port->list(engine, &query, &proof->changes);
        if (status != STATUS_ok)
            return status;
        for (uint32_t i = 0; i < proof->changes.item_count && !proof->broken; i++) {
            uint64_t version = proof->changes.items[i].outcome.version;
            if (version >= proof->gap_above || version <= proof->gap_below)
                continue; // of the same milliseconds
            if (version > wanted)
                differs(proof, ID_WALLET, wallet, "has two records that made its version %llu",
                        (unsigned long long)version);
            else if (version < wanted)
                differs(proof, ID_WALLET, wallet,
                        "has no record that made its version %llu, and one that made version %llu",
                        (unsigned long long)wanted, (unsigned long long)version);
            wanted = version - 1;
        }
        query.cursor = proof->changes.next_cursor;
    } while (query.cursor != 0 && !proof->broken &&
             !atomic_load_explicit(&proof->api->stopping, memory_order_relaxed));
    if (query.cursor != 0 && !proof->broken)
        return STATUS_busy;
    if (is_whole && wanted != proof->gap_below)
        differs(proof, ID_WALLET, wallet, "has no record that made its version %llu",
                (unsigned long long)wanted);
    proof->gap_above = 0;
    return STATUS_ok;
}

// Calls `take` for all items of a list, newest first. The page's memory is used again.
static enum status walk(struct proof *proof, struct job *job, struct list_query *query,
                        void (*take)(struct proof *proof, const struct outcome *item)) {
    struct engine *engine = proof->api->engine;
    query->limit = LIMIT_PAGE_MAX;
    query->cursor = 0;
    query->wallet_kind = query->type = -1;
    query->outcome = -1;
    query->to_ms = UINT64_MAX;
    do {
        arena_reset(&job->page.arena);
        enum status status = engine->port->list(engine, query, &job->page);
        if (status != STATUS_ok)
            return status;
        for (uint32_t i = 0; i < job->page.item_count; i++)
            take(proof, &job->page.items[i].outcome);
        query->cursor = job->page.next_cursor;
        status = prove_gap(proof, true);
        if (status != STATUS_ok)
            return status;
    } while (query->cursor != 0 && !proof->broken &&
             !atomic_load_explicit(&proof->api->stopping, memory_order_relaxed));
    return query->cursor != 0 && !proof->broken ? STATUS_busy : STATUS_ok;
}

static void take_hold(struct proof *proof, const struct outcome *item) {
    if (item->hold.status != HOLD_OPEN)
        return;
    proof->shown.hold_count++;
    proof->shown.held += item->hold.amount - item->hold.captured;
}

static void take_withdrawal(struct proof *proof, const struct outcome *item) {
    if (item->withdrawal.status != WITHDRAWAL_PENDING)
        return;
    proof->shown.withdrawal_count++;
    proof->shown.held += item->withdrawal.amount;
}

// Its end frees the money, not its time.
static void take_review(struct proof *proof, const struct outcome *item) {
    struct record record;
    const char *broken;
    if (item->parked.status != PARKED_PENDING || item->parked.cause != PARKED_FOR_REVIEW)
        return;
    if (record_decode(item->record, &record, &broken) != STATUS_ok ||
        record.kind != RECORD_PARKED) {
        differs(proof, ID_ANOMALY, item->parked.id, "has a record that cannot be read");
        return;
    }
    proof->review_count++;
    proof->shown.held += record.parked.held;
}

static void take_posting(struct proof *proof, const struct outcome *item) {
    struct record record;
    const char *broken;
    struct id wallet = proof->shown.wallet;
    if (proof->broken)
        return;
    if (record_decode(item->record, &record, &broken) != STATUS_ok ||
        record.kind != RECORD_TRANSACTION) {
        differs(proof, ID_WALLET, wallet, "has a posting whose record cannot be read");
        return;
    }
    const struct transaction_facts *facts = &record.transaction;
    bool pays = id_equal(facts->debit.wallet, wallet);
    const struct posting_side *side = pays ? &facts->debit : &facts->credit;
    if (!pays && !id_equal(facts->credit.wallet, wallet)) {
        differs(proof, ID_TRANSACTION, facts->id, "stands among the wallet's postings, but is not "
                                                  "of this wallet");
        return;
    }
    if (side->version > proof->shown.version)
        return; // it came after the wallet was read
    bool follows = proof->number == 0 || side->number + 1 == proof->number;
    if (!follows || side->version >= proof->versions_below)
        differs(proof, ID_TRANSACTION, facts->id,
                "is number %u of the wallet at version %llu, and a posting behind it is number %u",
                side->number, (unsigned long long)side->version, proof->number);
    else if (side->balance != proof->balance && proof->number == 0)
        differs(proof, ID_TRANSACTION, facts->id,
                "is its last and left it %lld, but it is believed to have %lld",
                (long long)side->balance, (long long)proof->balance);
    else if (side->balance != proof->balance)
        differs(proof, ID_TRANSACTION, facts->id,
                "left the wallet %lld, but %lld is what came after it began with",
                (long long)side->balance, (long long)proof->balance);
    if (side->version + 1 < proof->versions_below)
        meet_gap(proof, side->version, record.time_ms);
    proof->above_ms = record.time_ms;
    proof->number = side->number;
    proof->oldest_ms = record.time_ms;
    proof->versions_below = side->version;
    proof->balance = side->balance + (pays ? facts->amount : -facts->amount);
    proof->shown.posting_count++;
}

// The wallet, and what its holds and withdrawals have left at the same version.
static enum status prove_held(struct proof *proof, struct job *job, struct wallet *ret_wallet) {
    struct wallet after = {0};
    struct id id = proof->shown.wallet;
    for (int i = 0; i < PROOF_TRIES && !proof->broken; i++) {
        enum status status = read_wallet(proof, id, ret_wallet, &proof->shown.currency);
        struct list_query holds = {.kind = LIST_HOLDS, .wallet = id, .status = HOLD_OPEN};
        struct list_query withdrawals = {
            .kind = LIST_WITHDRAWALS, .wallet = id, .status = WITHDRAWAL_PENDING};
        struct list_query reviews = {.kind = LIST_ANOMALIES, .wallet = id, .status = -1};
        proof->shown.held = 0;
        proof->shown.hold_count = proof->shown.withdrawal_count = proof->review_count = 0;
        if (status == STATUS_ok)
            status = walk(proof, job, &holds, take_hold);
        if (status == STATUS_ok)
            status = walk(proof, job, &withdrawals, take_withdrawal);
        if (status == STATUS_ok)
            status = walk(proof, job, &reviews, take_review);
        if (status == STATUS_ok)
            status = read_wallet(proof, id, &after, &proof->shown.currency);
        if (status != STATUS_ok)
            return status;
        // Of a wallet that is always busy it is enough that they agree; to say that they differ it
        // must have stood still.
        if (proof->shown.held == ret_wallet->held)
            return STATUS_ok;
        if (after.version != ret_wallet->version)
            continue;
        differs(proof, ID_WALLET, id,
                "has %lld in open holds, pending withdrawals and payments that wait for review, "
                "but its held money is %lld",
                (long long)proof->shown.held, (long long)ret_wallet->held);
        return STATUS_ok;
    }
    return STATUS_busy; // it changes all the time
}

// Older postings are archived: those that are left must begin with the opening balance.
static enum status prove_opening(struct proof *proof, struct job *job) {
    struct engine *engine = proof->api->engine;
    uint64_t line_ms = job->page.archived_before_ms;
    struct freshness now = {.age_ms_max = 0};
    struct balance_at opening;
    if (proof->number != 0 && proof->oldest_ms <= line_ms)
        return STATUS_ok; // in that very millisecond
    enum status status =
        engine->port->balance_at(engine, proof->shown.wallet, line_ms, &now, &opening);
    if (status == STATUS_ok && opening.balance != proof->balance)
        differs(proof, ID_WALLET, proof->shown.wallet,
                "begins with an opening balance of %lld, but %lld is what its first posting behind "
                "archived history began with",
                (long long)opening.balance, (long long)proof->balance);
    return status;
}

static enum status prove_postings(struct proof *proof, struct job *job) {
    struct list_query postings = {
        .kind = LIST_TRANSACTIONS, .wallet = proof->shown.wallet, .status = -1,
        .as_stored = true};
    enum status status = walk(proof, job, &postings, take_posting);
    if (status != STATUS_ok || proof->broken)
        return status;
    uint64_t line_ms = job->page.archived_before_ms, opened_ms = id_time_ms(proof->shown.wallet);
    if (proof->versions_below > 1) { // what came before its first posting
        meet_gap(proof, 0, line_ms > opened_ms ? line_ms : opened_ms);
        status = prove_gap(proof, line_ms <= opened_ms);
    }
    if (status != STATUS_ok || proof->broken)
        return status;
    if (line_ms != 0)
        return prove_opening(proof, job);
    if (proof->number > 1)
        differs(proof, ID_WALLET, proof->shown.wallet, "has lost its first %u postings",
                proof->number - 1);
    else if (proof->balance != 0)
        differs(proof, ID_WALLET, proof->shown.wallet,
                "had %lld before its first posting, where it must have had nothing",
                (long long)proof->balance);
    return STATUS_ok;
}

static enum status prove(struct proof *proof, struct job *job) {
    struct wallet wallet = {0};
    uint64_t started_ns = clock_monotonic_ns();
    proof->shown.wallet = job->wallet;
    enum status status = prove_held(proof, job, &wallet);
    if (status != STATUS_ok)
        return status;
    proof->shown.as_of_ms = clock_now_ms();
    proof->shown.balance = wallet.balance;
    proof->shown.version = wallet.version;
    proof->balance = wallet.balance;
    proof->versions_below = wallet.version + 1;
    proof->above_ms = BEYOND;
    if (!proof->broken)
        status = prove_postings(proof, job);
    proof->shown.took_us = (clock_monotonic_ns() - started_ns) / 1000;
    return status;
}

static void render(struct job *job, struct proof *proof) {
    proof->shown.consistent = !proof->broken;
    if (proof->broken)
        recount_alarm(job->api->recount, proof->message);
    else
        (void)snprintf(proof->message, sizeof(proof->message),
                       "The wallet is right: %llu postings since its opening add up to its "
                       "balance, each version up to %llu has its record, and what is held is in "
                       "%llu holds, %llu withdrawals and %llu payments that wait for review.",
                       (unsigned long long)proof->shown.posting_count,
                       (unsigned long long)proof->shown.version,
                       (unsigned long long)proof->shown.hold_count,
                       (unsigned long long)proof->shown.withdrawal_count,
                       (unsigned long long)proof->review_count);
    proof->shown.message = slice_of_text(proof->message);
    wire_render_proof(&job->body, &proof->shown);
    job->http = 200;
    job->content_type = "application/json";
}

void proof_run(struct job *job) {
    struct engine *engine = job->api->engine;
    struct engine_wait wait;
    struct proof proof = {.api = job->api, .wait = &wait};
    arena_init(&proof.changes.arena, 16 * 1024);
    enum status status = STATUS_ok;
    engine_wait_init(&wait, engine);
    if (job->bound_to.size != 0)
        status = engine->port->owns(engine, job->wallet, job->bound_to);
    if (status == STATUS_ok)
        status = prove(&proof, job);
    if (status == STATUS_ok)
        render(job, &proof);
    else
        jobs_refuse(job, status, ID_WALLET, job->wallet);
    arena_done(&proof.changes.arena);
    engine_wait_done(&wait);
}

void proof_request(struct asking *asking) {
    struct job *job = jobs_take(asking, JOB_PROOF);
    if (jobs_push(&asking->loop->api->lists, job))
        return;
    answers_refuse(asking, STATUS_busy, NULL);
    job->request = NULL;
    jobs_release(asking->loop, job);
}

// SPDX-License-Identifier: MIT
// Records go out in flights of some thousands, with what repeats them: postings, keys, bank ids,
// rounds. What stands now comes last, out of the model that was kept beside.
#include "move/target_postgres.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/postgres.h"
#include "move/nodes.h"
#include "move/rows_out.h"

#define WAIT_NS        UINT64_C(3600000000000) // of one flight; building indexes may take long
#define FLIGHT_BYTES   ((size_t)4 << 20)
#define KEYS_IN_FLIGHT 5000

struct head { // of a slot's chain
    struct sha256 chain;
    uint64_t last_record, added;
};

struct target_postgres {
    const char *url;
    struct link link;
    struct rows_out out;
    struct target_plan plan;
    struct move_birth birth;
    struct id_seal seal;
    struct id books;
    struct model model;
    struct sha256 round_chain;
    struct head heads[LIMIT_SLOTS];
    struct sha256_context *records_sha, *round_sha; // owned
    uint64_t round_count, round_first, round_records, round_time_ms;
    uint64_t last_record;
    char why[MOVE_WHY_BYTES];
};

const char *target_postgres_why(const struct target_postgres *target) {
    return target->why;
}

struct id target_postgres_books(const struct target_postgres *target) {
    return target->books;
}

static enum status fail(struct target_postgres *target, enum status status, const char *why) {
    (void)snprintf(target->why, sizeof(target->why), "%s", why);
    return status;
}

// ---- opening ----------------------------------------------------------------------------------

// Empty, or half filled by an earlier move of the same books.
static enum status check_empty(struct link *link, const struct move_birth *birth, bool again,
                               char *ret_why) {
    uint64_t others, ours;
    char text[LINK_WHY_BYTES], mine[MOVE_HEX_BYTES], query[512];
    move_hex(birth->books, mine);
    enum status status = nodes_refuse(link, ret_why);
    if (status != STATUS_ok)
        return status;
    (void)snprintf(query, sizeof(query),
                   "SELECT count(*) FROM florin.books WHERE filling LIKE '%%%s%%'", mine);
    status = plain_number(link, query, ret_why, &ours);
    if (status == STATUS_ok)
        status = plain_number(link,
                            "SELECT count(*) FROM florin.books WHERE filling IS NOT NULL OR "
                            "moved_to IS NOT NULL OR record_count <> 0",
                            ret_why, &others);
    if (status == STATUS_ok && again && ours == 0) {
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "the books have moved already, and not to there");
        return STATUS_invalid_request;
    }
    if (status != STATUS_ok || ours != 0 || others == 0)
        return status;
    if (link_ask(link,
                 "SELECT CASE WHEN filling IS NOT NULL THEN 'half of other books (' || filling || "
                 "')' ELSE 'books with ' || record_count || ' records' END FROM florin.books",
                 text, sizeof(text)) != LINK_OK)
        text[0] = '\0';
    (void)snprintf(ret_why, MOVE_WHY_BYTES,
                   "the database holds %s: books move into an empty one only; make a new one "
                   "(createdb), or drop the schema florin if nobody needs it",
                   text);
    return STATUS_invalid_request;
}

static enum status note_filling(struct link *link, const struct move_birth *birth,
                                char *ret_why) {
    char query[256], mine[MOVE_HEX_BYTES];
    move_hex(birth->books, mine);
    (void)snprintf(query, sizeof(query), "UPDATE florin.books SET filling = 'books %s'", mine);
    if (link_run(link, query) == LINK_OK)
        return STATUS_ok;
    (void)snprintf(ret_why, MOVE_WHY_BYTES, "%s", link->why);
    return STATUS_invalid_request;
}

static enum status read_books_id(struct link *link, char *ret_why, struct id *ret_id) {
    char text[LINK_WHY_BYTES] = "";
    if (link_ask(link, "SELECT encode(id, 'hex') FROM florin.books", text, sizeof(text)) !=
            LINK_OK ||
        strlen(text) != 2 * sizeof(ret_id->bytes)) {
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "the books have no id");
        return STATUS_busy;
    }
    for (size_t i = 0; i < sizeof(ret_id->bytes); i++) {
        unsigned value = 0;
        for (size_t j = 0; j < 2; j++) {
            char digit = text[2 * i + j];
            value = value * 16 + (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
        }
        ret_id->bytes[i] = (uint8_t)value;
    }
    return STATUS_ok;
}

static enum status prepare(struct target_postgres *target, const struct move_birth *birth,
                           bool again, char *ret_why) {
    struct link plain;
    uint32_t applied;
    enum status status = postgres_migrate(target->url, ret_why, MOVE_WHY_BYTES, &applied);
    if (status == STATUS_ok)
        status = plain_open(target->url, ret_why, &plain);
    if (status != STATUS_ok)
        return status;
    status = check_empty(&plain, birth, again, ret_why);
    if (status == STATUS_ok)
        status = read_books_id(&plain, ret_why, &target->books);
    if (status == STATUS_ok)
        status = note_filling(&plain, birth, ret_why);
    link_done(&plain);
    if (status != STATUS_ok)
        return status;
    if (link_open(&target->link, target->url, plain_settings, SQL_TURN, SQL_MOVE_LAST, WAIT_NS) ==
        LINK_OK)
        return STATUS_ok;
    (void)snprintf(ret_why, MOVE_WHY_BYTES, "No connection: %s", target->link.why);
    return STATUS_busy;
}

enum status target_postgres_open(const char *url, const struct move_birth *birth, bool again,
                                 char *ret_why, struct target_postgres **ret_target) {
    struct target_postgres *target = memory_take_zeroed(sizeof(*target));
    target->url = url;
    target->birth = *birth;
    target->seal = id_seal_make(birth->seal_key);
    model_init(&target->model, birth->hash_seed);
    rows_out_init(&target->out, &target->link, &target->seal);
    target->records_sha = sha256_open();
    target->round_sha = sha256_open();
    enum status status = prepare(target, birth, again, ret_why);
    if (status != STATUS_ok) {
        target_postgres_close(target);
        return status;
    }
    *ret_target = target;
    return STATUS_ok;
}

void target_postgres_close(struct target_postgres *target) {
    if (target == NULL)
        return;
    link_done(&target->link);
    rows_out_done(&target->out);
    model_done(&target->model);
    sha256_close(target->records_sha);
    sha256_close(target->round_sha);
    memory_free(target);
}

// ---- writing ----------------------------------------------------------------------------------

// Sends what has gathered and waits for it.
static enum status flush(struct target_postgres *target) {
    struct link *link = &target->link;
    link->deadline_ns = clock_monotonic_ns() + WAIT_NS;
    link_sync(link);
    if (link_collect(link, NULL, NULL) != LINK_OK || rows_out_copy(&target->out) != LINK_OK)
        return fail(target, STATUS_busy, link->why);
    link_forget(link);
    return STATUS_ok;
}

enum status target_postgres_begin(struct target_postgres *target, const struct target_plan *plan) {
    struct parameters partitions = {0}, slots = {0};
    target->plan = *plan;
    target->plan.birth = &target->birth;
    link_send(&target->link, SQL_BEGIN_LOOKING, NULL);
    parameter_number(&partitions, (int64_t)plan->first_ms);
    parameter_number(&partitions, (int64_t)((plan->last_number >> NUMBER_TIME_SHIFT) + 1));
    link_send(&target->link, SQL_MOVE_BEGIN, &partitions);
    parameter_bytes(&slots, slice_of(&plan->chain, sizeof(plan->chain)));
    link_send(&target->link, SQL_MOVE_SLOTS, &slots);
    target->round_chain = plan->chain;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        target->heads[slot].chain = plan->chain;
    return flush(target);
}

static void end_round(struct target_postgres *target) {
    if (target->round_records == 0)
        return;
    target->round_chain = sha256_end(target->round_sha);
    rows_out_round(&target->out, &(struct round_row){.number = ++target->round_count,
                                                     .time_ms = target->round_time_ms,
                                                     .first_record = target->round_first,
                                                     .record_count = target->round_records,
                                                     .chain = target->round_chain});
    target->round_records = 0;
}

static void begin_round(struct target_postgres *target, const struct move_record *record) {
    end_round(target);
    target->round_first = record->number;
    target->round_time_ms = record->round_time_ms;
    sha256_begin(target->round_sha);
    sha256_add(target->round_sha, slice_of(&target->round_chain, sizeof(target->round_chain)));
}

static struct sha256 chain_record(struct target_postgres *target, uint32_t slot,
                                  const struct move_record *record) {
    struct head *head = &target->heads[slot];
    sha256_begin(target->records_sha);
    sha256_add(target->records_sha, slice_of(&head->chain, sizeof(head->chain)));
    sha256_add(target->records_sha, record->bytes);
    head->chain = sha256_end(target->records_sha);
    head->last_record = record->number;
    head->added++;
    sha256_add(target->round_sha, slice_of(&head->chain, sizeof(head->chain)));
    return head->chain;
}

enum status target_postgres_take(struct target_postgres *target,
                                 const struct move_record *record) {
    if (!model_take(&target->model, record->number * 8, &record->record)) {
        (void)snprintf(target->why, sizeof(target->why), "record %" PRIu64 " cannot be: %s",
                       record->number, target->model.why);
        return STATUS_damaged;
    }
    if (record->begins_round)
        begin_round(target, record);
    uint32_t slot = rows_out_slot(&target->out, record);
    struct sha256 chain = chain_record(target, slot, record);
    rows_out_record(&target->out, record, slot, &chain);
    target->round_records++;
    target->last_record = record->number;
    return rows_out_bytes(&target->out) > FLIGHT_BYTES ? flush(target) : STATUS_ok;
}

// ---- what stands now ----------------------------------------------------------------------------

void target_postgres_use(struct target_postgres *target, const struct key_use *use) {
    uint64_t number;
    if (tally_map_find(&target->model.keys, use->key) != 0 &&
        id_open(&target->seal, use->key, &number))
        rows_out_use(&target->out, number, use->last_used_ms);
}

enum status target_postgres_keys(struct target_postgres *target,
                                 const struct data_keys_copy *keys) {
    enum status status = STATUS_ok;
    rows_out_encryption(&target->out, keys);
    for (uint32_t from = 0; status == STATUS_ok && from < keys->count; from += KEYS_IN_FLIGHT) {
        uint32_t left = keys->count - from;
        rows_out_data_keys(&target->out, keys, from,
                           from + (left < KEYS_IN_FLIGHT ? left : KEYS_IN_FLIGHT));
        status = flush(target);
    }
    return status == STATUS_ok ? flush(target) : status;
}

static enum status write_now(struct target_postgres *target) {
    const struct model *model = &target->model;
    rows_out_currencies(&target->out, model);
    enum status status = flush(target); // wallets refer to currencies
    for (int table = 0; table < ROWS_OUT_TABLES && status == STATUS_ok; table++) {
        uint32_t index = 0;
        do {
            index = rows_out_table(&target->out, model, (enum rows_out_table)table, index);
            status = flush(target);
        } while (index != 0 && status == STATUS_ok);
    }
    return status;
}

static void write_heads(struct target_postgres *target) {
    struct slice before = slice_of(&target->plan.chain, sizeof(target->plan.chain));
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct head *head = &target->heads[slot];
        if (head->added != 0)
            rows_out_head(&target->out, slot, before, &head->chain, head->last_record,
                          head->added);
    }
    rows_out_send_heads(&target->out, target->round_count);
}

static void write_books(struct target_postgres *target, const char *moved_from) {
    const struct model *model = &target->model;
    const struct move_birth *birth = &target->birth;
    struct parameters books = {0};
    parameter_bytes(&books, slice_of(birth->seal_key, sizeof(birth->seal_key)));
    parameter_number(&books, (int64_t)birth->hash_seed);
    parameter_number(&books, (int64_t)birth->created_ms);
    parameter_number(&books, (int64_t)target->round_time_ms);
    parameter_number(&books, (int64_t)target->round_count);
    parameter_number(&books, (int64_t)model->record_count);
    parameter_number(&books, (int64_t)target->last_record);
    parameter_number(&books, model->wallets.count);
    parameter_number(&books, model->holds.count);
    parameter_number(&books, (int64_t)model->hold_open_count);
    parameter_number(&books, model->withdrawals.count);
    parameter_number(&books, model->keys.count);
    parameter_number(&books, (int64_t)model->transaction_count);
    parameter_number(&books, (int64_t)model->key_record_count);
    parameter_bytes(&books, slice_of(&target->round_chain, sizeof(target->round_chain)));
    parameter_bytes(&books, slice_of(&target->plan.chain, sizeof(target->plan.chain)));
    parameter_bytes(&books, slice_of(moved_from, strlen(moved_from)));
    uint64_t slack = target->plan.slack < NUMBER_SLACK ? NUMBER_SLACK : target->plan.slack;
    parameter_number(&books, (int64_t)slack);
    parameter_bytes(&books, slice_of(&target->model.alarm, sizeof(target->model.alarm)));
    link_send(&target->link, SQL_MOVE_BOOKS, &books);
}

enum status target_postgres_end(struct target_postgres *target) {
    char moved_from[128], books[MOVE_HEX_BYTES];
    move_hex(target->birth.books, books);
    (void)snprintf(moved_from, sizeof(moved_from), "%s books %s", target->plan.engine, books);
    end_round(target);
    enum status status = flush(target);
    if (status == STATUS_ok)
        status = write_now(target);
    if (status != STATUS_ok)
        return status;
    write_heads(target);
    write_books(target, moved_from);
    link_send(&target->link, SQL_COMMIT, NULL);
    status = flush(target);
    if (status == STATUS_ok && !target->link.committed)
        return fail(target, STATUS_busy, "the database did not commit");
    return status;
}

enum status target_postgres_release(struct target_postgres *target) {
    struct link plain;
    enum status status = plain_open(target->url, target->why, &plain);
    if (status != STATUS_ok)
        return status;
    plain.deadline_ns = clock_monotonic_ns() + WAIT_NS;
    if (link_run(&plain, "ANALYZE florin.records, florin.postings, florin.rounds, "
                         "florin.idempotency, florin.wallets, florin.bank_ids") != LINK_OK ||
        link_run(&plain, "SELECT florin.tidy(floor(extract(epoch FROM clock_timestamp()) * "
                         "1000)::bigint)") != LINK_OK ||
        link_run(&plain, "UPDATE florin.books SET filling = NULL") != LINK_OK)
        status = fail(target, STATUS_busy, plain.why);
    link_done(&plain);
    return status;
}

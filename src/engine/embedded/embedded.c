// SPDX-License-Identifier: MIT
// Opens and closes the books of a folder, and hands the port to the house.
//
// A start: lock ─▶ birth ─▶ checkpoint ─▶ index ─▶ journal (replays what is behind the checkpoint)
// ─▶ currencies ─▶ threads.
#include "engine/embedded/embedded.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/embedded/books.h"
#include "engine/embedded/folder.h"

#define DAY_MS           (UINT64_C(24) * 3600 * 1000)
// Of the journal between two: a little less than a segment, so that every segment may have one.
#define CHECKPOINT_BYTES (UINT64_C(192) << 20)
#define PUBLISH_SPIN_NS  0                     // readers that settle are not in a hurry

// ---- the port ---------------------------------------------------------------------------------

static void books_submit(struct engine *engine, struct round *round) {
    struct books *books = (struct books *)engine;
    writer_measure(round); // by whoever wrote the commands: they are near him
    inbox_push(&books->inbox, &round->node);
}

static bool books_decide_now(struct engine *engine, struct round *round) {
    return writer_decide_now((struct books *)engine, round);
}

static enum status books_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                              bool (*each)(void *context, const struct feed_record *record),
                              void *context, uint64_t *ret_next) {
    struct books *books = (struct books *)engine;
    struct feed_record record = {0};
    size_t bytes = 0;
    *ret_next = position;
    while (bytes < bytes_max &&
           journal_next(books->journal, *ret_next, &record.position, &record.bytes, &record.next)) {
        *ret_next = record.next;
        bytes += record.bytes.size;
        if (!each(context, &record))
            break;
    }
    return STATUS_ok;
}

static uint64_t books_published_end(struct engine *engine) {
    return journal_published(((struct books *)engine)->journal);
}

static enum status books_wallets(struct engine *engine,
                                 void (*each)(void *context, const struct wallet *wallet),
                                 void *context) {
    struct books *books = (struct books *)engine;
    struct wallet_item item;
    for (uint32_t i = 1; i < table_count(&books->state.wallets); i++) {
        table_copy(&books->state.wallets, i, offsetof(struct wallet_item, sequence), &item);
        if (!id_is_zero(item.wallet.id))
            each(context, &item.wallet);
    }
    books_settle(books);
    return STATUS_ok;
}

static enum status books_habits(struct engine *engine,
                                void (*each)(void *context,
                                             struct id wallet, const struct habits *habits),
                                void *context) {
    struct books *books = (struct books *)engine;
    struct wallet_item item;
    struct habits_item own;
    for (uint32_t i = 1; i < table_count(&books->state.wallets); i++) {
        table_copy(&books->state.wallets, i, offsetof(struct wallet_item, sequence), &item);
        if (id_is_zero(item.wallet.id) || item.habits == 0)
            continue;
        table_copy(&books->state.habits, item.habits, offsetof(struct habits_item, sequence), &own);
        CHECK(habits_are_valid(&own.habits));
        if (own.habits.version != 0)
            each(context, item.wallet.id, &own.habits);
    }
    books_settle(books);
    return STATUS_ok;
}

static enum status books_holds(struct engine *engine,
                               void (*each)(void *context, const struct hold *hold),
                               void *context) {
    struct books *books = (struct books *)engine;
    struct hold_item item;
    for (uint32_t i = 1; i < table_count(&books->state.holds); i++) {
        table_copy(&books->state.holds, i, offsetof(struct hold_item, sequence), &item);
        if (!id_is_zero(item.hold.id))
            each(context, &item.hold);
    }
    books_settle(books);
    return STATUS_ok;
}

static enum status books_withdrawals(struct engine *engine,
                                     void (*each)(void *context,
                                                  const struct withdrawal *withdrawal),
                                     void *context) {
    struct books *books = (struct books *)engine;
    struct withdrawal_item item;
    for (uint32_t i = 1; i < table_count(&books->state.withdrawals); i++) {
        table_copy(&books->state.withdrawals, i, offsetof(struct withdrawal_item, sequence), &item);
        if (!id_is_zero(item.withdrawal.id))
            each(context, &item.withdrawal);
    }
    books_settle(books);
    return STATUS_ok;
}

static uint32_t books_currencies(struct engine *engine, struct currency_account *ret_accounts,
                                 uint32_t count_max) {
    struct books *books = (struct books *)engine;
    uint32_t count = state_currencies_copy(&books->state, ret_accounts, count_max);
    books_settle(books);
    return count;
}

static uint64_t books_position_of(struct engine *engine, struct id transaction) {
    struct record record;
    uint64_t position;
    return fetch_transaction((struct books *)engine, transaction, false, &record, &position)
               ? position
               : 0;
}

static bool books_find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                           struct key *ret_key, bool *ret_live) {
    return state_key_find(&((struct books *)engine)->state, secret_hash, now_ms, ret_key, ret_live);
}

static bool books_key_by_id(struct engine *engine, struct id id, uint64_t now_ms,
                            struct key *ret_key, bool *ret_live) {
    return state_key_by_id(&((struct books *)engine)->state, id, now_ms, ret_key, ret_live);
}

static uint64_t relaxed(const uint64_t *value) {
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void books_stats(struct engine *engine, struct engine_stats *ret_stats) {
    struct books *books = (struct books *)engine;
    struct journal_stats journal;
    struct index_stats index;
    journal_stats(books->journal, &journal);
    index_stats(books->index, &index);
    CHECK(pthread_mutex_lock(&books->keeper_lock) == 0);
    uint64_t checkpoint_ms = books->checkpoint_time_ms;
    CHECK(pthread_mutex_unlock(&books->keeper_lock) == 0);
    const struct state *state = &books->state;
    *ret_stats = (struct engine_stats){
        .rounds = relaxed(&books->stats.rounds),
        .commands = relaxed(&books->stats.commands),
        .refusals = relaxed(&books->stats.refusals),
        .replays = relaxed(&books->stats.replays),
        .records = relaxed(&books->stats.records),
        .batch_commands_last = relaxed(&books->stats.batch_commands_last),
        .sync_ns_total = journal.sync_ns_total,
        .sync_count = journal.sync_count,
        .journal_bytes = journal.bytes,
        .index_backlog_bytes = index.backlog_bytes,
        .index_run_count = index.run_count,
        .index_key_count = index.table_entries + index.run_entries,
        .wallet_count = table_count(&state->wallets) - 1,
        .hold_count = table_count(&state->holds) - 1,
        .hold_open_count = relaxed(&state->hold_open_count),
        .withdrawal_count = table_count(&state->withdrawals) - 1,
        .transaction_count = relaxed(&state->transaction_count),
        .key_count = state->key_count,
        .checkpoint_age_ms = checkpoint_ms == 0 ? 0 : clock_now_ms() - checkpoint_ms,
        .memory_state_bytes =
            (uint64_t)table_count(&state->wallets) * sizeof(struct wallet_item) +
            ended_memory_bytes(&books->ended_holds) +
            ended_memory_bytes(&books->ended_withdrawals),
        .memory_index_bytes = index.table_memory_bytes + index.run_memory_bytes,
        .storage_full = journal.storage_full,
    };
    rules_stats(books, ret_stats);
}

static void books_free(struct books *books) {
    journal_close(books->journal);
    index_close(books->index);
    data_keys_close(books->data_keys);
    ended_done(&books->ended_holds);
    ended_done(&books->ended_withdrawals);
    if (books->disk != NULL)
        books->disk->driver->done(books->disk);
    folder_unlock(books->lock_file);
    undo_done(&books->undo);
    arena_done(&books->scratch);
    buffer_done(&books->words);
    state_done(&books->state);
    (void)pthread_mutex_destroy(&books->turn); // nobody holds it
    (void)pthread_mutex_destroy(&books->keeper_lock);
    (void)pthread_cond_destroy(&books->keeper_wake);
    memory_free(books);
}

static void nobody_waits(struct round *round) {
    (void)round;
}

static void books_close(struct engine *engine) {
    struct books *books = (struct books *)engine;
    struct round last = {.published = nobody_waits};
    CHECK(pthread_mutex_lock(&books->keeper_lock) == 0);
    books->keeper_stopping = true;
    CHECK(pthread_cond_signal(&books->keeper_wake) == 0);
    CHECK(pthread_mutex_unlock(&books->keeper_lock) == 0);
    CHECK(pthread_join(books->keeper, NULL) == 0);
    __atomic_store_n(&books->stopping, true, __ATOMIC_RELEASE);
    inbox_push(&books->inbox,
               &last.node); // wakes the writer; what came before it is published first
    CHECK(pthread_join(books->writer, NULL) == 0);
    key_uses_write(books);
    books_free(books);
}

static const struct engine_port books_port = {
    .submit = books_submit,
    .decide_now = books_decide_now,
    .list = books_list,
    .balance_at = books_balance_at,
    .owns = books_owns,
    .feed = books_feed,
    .published_end = books_published_end,
    .wallets = books_wallets,
    .habits = books_habits,
    .holds = books_holds,
    .withdrawals = books_withdrawals,
    .currencies = books_currencies,
    .position_of = books_position_of,
    .find_key = books_find_key,
    .key_by_id = books_key_by_id,
    .stats = books_stats,
    .close = books_close,
};

bool embedded_is_new(struct engine *engine) {
    CHECK(engine->port == &books_port);
    return ((struct books *)engine)->state.key_count == 0;
}

// ---- opening ----------------------------------------------------------------------------------

struct replaying {
    struct books *books;
    uint64_t records;
    uint64_t lacking; // with texts whose key never was in the file of data keys
    char *why;
    size_t why_bytes;
};

static bool replay_record(void *context, uint64_t position, struct slice bytes, uint64_t time_ms) {
    struct replaying *replaying = context;
    struct record record;
    const char *why = NULL;
    if (record_decode(bytes, &record, &why) == STATUS_ok &&
        effect_replay(replaying->books, position, &record, &why)) {
        replaying->records++;
        if (record.sealed_by != 0 &&
            data_keys_lacks(replaying->books->data_keys, record.sealed_by, time_ms))
            replaying->lacking++;
        return true;
    }
    (void)snprintf(replaying->why, replaying->why_bytes,
                   "the record at position %llu cannot be replayed: %s",
                   (unsigned long long)position, why);
    return false;
}

static void replay_segment_ended(void *context, uint64_t segment, uint64_t end_position,
                                 uint64_t time_ms) {
    struct replaying *replaying = context;
    index_settle(replaying->books->index);
    index_seal(replaying->books->index, segment, end_position, time_ms);
}

static void segment_ended(void *context, uint64_t segment, uint64_t end_position,
                          uint64_t time_ms) {
    struct books *books = context;
    index_seal(books->index, segment, end_position, time_ms);
    keeper_segment_ended(books, time_ms);
}

static enum status open_index(struct books *books, const struct embedded_options *options,
                              char *ret_why, size_t why_bytes, struct index_covered *ret_covered) {
    struct index_options index_options = {
        .disk = books->disk,
        .folder = "index/",
        .now_ms = clock_now_ms(),
        .journal_end = UINT64_MAX,
    };
    uint64_t days = options->idempotency_days < 7 ? 7 : options->idempotency_days;
    index_options.retention_ms[INDEX_IDEMPOTENCY] = days * DAY_MS;
    enum status status = index_open(&index_options, ret_covered, &books->index);
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes, "the index cannot be opened (%s)", status_name(status));
    else if (ret_covered->damaged_count != 0)
        log_line(LOG_WARNING, "index",
                 "%u files did not hold, the first is %s; they are made anew from the journal",
                 ret_covered->damaged_count, ret_covered->damaged_name);
    return status;
}

// Whoever served on without its keys would make the loss final: new keys would take the places of
// those that may lie in a backup. `lacking`: records of the replay whose key was never there.
static enum status check_data_keys(struct books *books, const struct embedded_options *options,
                                   uint64_t lacking, char *ret_why, size_t why_bytes) {
    uint32_t found = data_keys_durable(books->data_keys), expected = books->data_keys_expected;
    bool is_fresh = found == 0 && expected == 1; // it never held a key
    if (lacking == 0 && (found >= expected || is_fresh))
        return STATUS_ok;
    if (options->without_texts)
        return STATUS_ok; // the checkpoint goes on telling the next start
    if (options->lost_texts_accepted && options->masters != NULL) {
        books->data_keys_expected = 0;
        data_keys_give_up(books->data_keys, clock_now_ms() + 1);
        log_line(LOG_WARNING, "vault",
                 "Texts are given up: the file data_keys is gone or older than the books.");
        return STATUS_ok;
    }
    (void)snprintf(ret_why, why_bytes,
                   "the file data_keys is gone or older than the books (%u of %u places, %llu "
                   "records lack a key): put the newest one back. To give up the texts that were "
                   "under the others, start once with a master key and FLORIN_LOST_TEXTS=accepted",
                   found, expected, (unsigned long long)lacking);
    return STATUS_damaged;
}

// From the checkpoint if there is a sound one that the index reaches to, else from the journal's
// beginning.
static enum status replay(struct books *books, const struct embedded_options *options,
                          char *ret_why, size_t why_bytes) {
    struct landmark landmark = {0};
    struct index_covered covered;
    enum status status = checkpoint_load(books, &landmark);
    if (status == STATUS_damaged)
        log_line(LOG_WARNING, "checkpoint",
                 "it does not hold; replaying the whole journal instead");
    else if (status != STATUS_ok && status != STATUS_not_found)
        return status;
    status = open_index(books, options, ret_why, why_bytes, &covered);
    if (status != STATUS_ok)
        return status;
    if (landmark.position > covered.position) {
        log_line(LOG_WARNING, "index",
                 "it does not reach the checkpoint; replaying the whole journal instead");
        books_empty(books);
        landmark = (struct landmark){0};
    }
    struct replaying replaying = {.books = books, .why = ret_why, .why_bytes = why_bytes};
    struct journal_options journal_options = {
        .segment_bytes =
            options->segment_bytes == 0 ? JOURNAL_SEGMENT_BYTES : options->segment_bytes,
        .free_bytes_min = options->free_bytes_min,
        .segment_ended = segment_ended,
        .arrived = writer_arrived,
        .context = books,
        .moved_ms = books->engine.moved_ms,
        .moved_chain = books->moved_chain,
    };
    struct journal_replay journal_replay = {
        .from = landmark.position,
        .from_chain = landmark.chain,
        .record = replay_record,
        .segment_ended = replay_segment_ended,
        .context = &replaying,
    };
    uint64_t began_ns = clock_monotonic_ns();
    status = journal_open(books->disk, &journal_options, &journal_replay, ret_why, why_bytes,
                          &books->journal);
    if (status != STATUS_ok)
        return status;
    index_settle(books->index);
    status = check_data_keys(books, options, replaying.lacking, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    books->checkpoint_position = landmark.position;
    if (replaying.records != 0)
        log_line(LOG_INFO, "journal", "replayed %llu records in %llu ms",
                 (unsigned long long)replaying.records,
                 (unsigned long long)((clock_monotonic_ns() - began_ns) / 1000000));
    return STATUS_ok;
}

// An exponent once used is part of the books: amounts would change their meaning.
static enum status check_currencies(struct books *books, const struct embedded_options *options,
                                    char *ret_why, size_t why_bytes) {
    for (uint32_t i = 0; i < options->currency_count; i++) {
        uint16_t index;
        const struct currency *wanted = &options->currencies[i];
        const struct currency_account *account =
            state_currency(&books->state, wanted, false, &index);
        if (account == NULL || account->currency.exponent == wanted->exponent)
            continue;
        (void)snprintf(ret_why, why_bytes,
                       "the configuration gives %.12s the exponent %u, but the books already use "
                       "%u; amounts would "
                       "change their meaning: set it back",
                       wanted->code, wanted->exponent, account->currency.exponent);
        return STATUS_invalid_request;
    }
    return STATUS_ok;
}

// Whose the keys are stands in their records alone.
static void keys_own(struct books *books) {
    for (uint32_t i = 0; i < books->state.key_count; i++) {
        struct record record;
        const char *why;
        struct slice bytes = journal_read(books->journal, books->state.key_items[i].opened);
        CHECK(record_decode(bytes, &record, &why) == STATUS_ok && record.kind == RECORD_KEY);
        state_key_own(&books->state, i, record.api_key.owner);
        state_key_publish(&books->state, i);
    }
}

static enum status open_folder(struct books *books, const struct embedded_options *options,
                               char *ret_why, size_t why_bytes) {
    if (options->disk != NULL) {
        books->disk = options->disk;
        return STATUS_ok;
    }
    enum status status = folder_lock(options->folder, ret_why, why_bytes, &books->lock_file);
    if (status != STATUS_ok)
        return status;
    status = disk_posix_open(options->folder, &books->disk);
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes, "the folder %s cannot be opened (%s)", options->folder,
                       status_name(status));
    return status;
}

static enum status open_books(struct books *books, const struct embedded_options *options,
                              char *ret_why, size_t why_bytes) {
    struct birth birth;
    enum status status = open_folder(books, options, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    struct origin_of_books origin;
    status = folder_birth(books->disk, clock_now_ms(), ret_why, why_bytes, &birth, &origin);
    if (status != STATUS_ok)
        return status;
    books->engine.seal = id_seal_make(birth.seal_key);
    books->engine.moved_ms = origin.moved_ms;
    books->moved_chain = origin.chain;
    books->state.seal = books->engine.seal;
    books->state.moved_ms = origin.moved_ms;
    books->hash_seed = birth.hash_seed;
    status = data_keys_open(books->disk, options->masters, options->without_texts, ret_why,
                            why_bytes, &books->data_keys);
    if (status != STATUS_ok)
        return status;
    books->engine.vault = data_keys_vault(books->data_keys);
    status = replay(books, options, ret_why, why_bytes);
    if (status == STATUS_ok)
        state_currencies_add_up(&books->state);
    if (status == STATUS_ok)
        status = data_keys_begin(books->data_keys, books->state.wallets.count > 1, clock_now_ms(),
                                 ret_why, why_bytes);
    if (status == STATUS_ok)
        keys_own(books);
    if (status == STATUS_ok)
        key_uses_load(books);
    if (status == STATUS_ok)
        status = folder_settle(books->disk);
    return status == STATUS_ok ? check_currencies(books, options, ret_why, why_bytes) : status;
}

enum status embedded_open(const struct embedded_options *options, char *ret_why, size_t why_bytes,
                          struct engine **ret_engine) {
    CHECK(options->folder != NULL || options->disk != NULL);
    CHECK(why_bytes >= 256);
    struct books *books = memory_take_zeroed(sizeof(*books));
    books->engine.port = &books_port;
    books->lock_file = -1;
    books->approvals = options->approvals;
    books->limits = options->limits;
    books->review_expires_s = options->review_expires_s;
    books->checkpoint_bytes =
        options->checkpoint_bytes == 0 ? CHECKPOINT_BYTES : options->checkpoint_bytes;
    state_init(&books->state, &books->engine.seal);
    ended_init(&books->ended_holds, &ended_kind_holds, &books->state.holds);
    ended_init(&books->ended_withdrawals, &ended_kind_withdrawals,
               &books->state.withdrawals);
    arena_init(&books->scratch, 1 << 16);
    inbox_init(&books->inbox);
    signal_gate_init(&books->published, 0, PUBLISH_SPIN_NS);
    CHECK(pthread_mutex_init(&books->turn, NULL) == 0);
    CHECK(pthread_mutex_init(&books->keeper_lock, NULL) == 0);
    CHECK(pthread_cond_init(&books->keeper_wake, NULL) == 0);
    (void)snprintf(ret_why, why_bytes, "the books cannot be opened");
    enum status status = open_books(books, options, ret_why, why_bytes);
    if (status != STATUS_ok) {
        books_free(books);
        return status;
    }
    thread_start(&books->writer, "writer", writer_run, books);
    thread_start(&books->keeper, "keeper", keeper_run, books);
    *ret_engine = &books->engine;
    return STATUS_ok;
}

// SPDX-License-Identifier: MIT
// The master key at the start, and texts for readers. Readers ask the primary for keys after they
// have their rows, each time: what is destroyed is gone for everybody with the commit. What
// destroys a key is one commit on the one shard that has it.
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/postgres_books.h"

#include <stdio.h>

#define SEALING_WAIT_NS UINT64_C(60000000000)
#define KEY_TURNS       2 // through all shards

// ---- at the start -----------------------------------------------------------------------------

struct encryption {
    bool is_there, has_tag;
    int64_t generation;
    uint64_t plain_until_ms;
    uint8_t proof[VAULT_WRAPPED_BYTES];
};

struct taking {
    struct encryption encryption;
    struct vault *vault, *old; // of an exchange
    struct column numbers, wrapped;
    int64_t last;
    uint32_t count;
    bool is_broken;
};

static void rewrap(struct taking *taking, const struct pg_result *result, int row) {
    struct slice wrapped = row_bytes(result, row, 2);
    struct vault_key key = {.number = (uint64_t)row_number(result, row, 0),
                            .owner = (uint64_t)row_number(result, row, 1)};
    taking->last = (int64_t)key.number;
    taking->is_broken |= wrapped.size != sizeof(key.wrapped);
    if (taking->is_broken)
        return;
    memcpy(key.wrapped, wrapped.bytes, wrapped.size);
    // One that came with a slot may be under the new one already.
    taking->is_broken = !vault_rewrap(taking->vault, taking->old, &key) &&
                        !vault_knows(taking->vault, &key);
    column_add(&taking->numbers, (int64_t)key.number);
    column_add_bytes(&taking->wrapped, slice_of(key.wrapped, sizeof(key.wrapped)));
    taking->count++;
}

static void take(void *context, enum sql statement, const struct pg_result *result) {
    struct taking *taking = context;
    if (statement == SQL_ENCRYPTION && row_count(result) == 1) {
        struct slice proof = row_bytes(result, 0, 2);
        CHECK(proof.size == sizeof(taking->encryption.proof));
        taking->encryption.is_there = true;
        taking->encryption.has_tag = !row_is_null(result, 0, 3);
        taking->encryption.generation = row_number(result, 0, 0);
        taking->encryption.plain_until_ms = (uint64_t)row_number(result, 0, 1);
        memcpy(taking->encryption.proof, proof.bytes, proof.size);
    }
    for (int row = 0; statement == SQL_ALL_DATA_KEYS && row < row_count(result); row++)
        rewrap(taking, result, row);
}

static enum status run(struct books *books, struct taking *taking, char *ret_why,
                       size_t why_bytes) {
    books->link.deadline_ns = clock_monotonic_ns() + SEALING_WAIT_NS;
    link_sync(&books->link);
    enum link_result result = link_collect(&books->link, take, taking);
    if (result != LINK_OK)
        (void)snprintf(ret_why, why_bytes, "the data keys cannot be read: %s", books->link.why);
    link_forget(&books->link);
    return result == LINK_OK ? STATUS_ok : STATUS_busy;
}

static enum status look(struct books *books, struct taking *taking, char *ret_why,
                        size_t why_bytes) {
    taking->encryption = (struct encryption){0};
    link_send(&books->link, SQL_ENCRYPTION, NULL);
    return run(books, taking, ret_why, why_bytes);
}

static enum status begin(struct books *books, struct taking *taking, char *ret_why,
                         size_t why_bytes) {
    uint8_t proof[VAULT_WRAPPED_BYTES], tag[VAULT_TAG_BYTES];
    struct parameters parameters = {0};
    vault_prove(taking->vault, proof);
    vault_tag(taking->vault, tag);
    parameter_bytes(&parameters, slice_of(proof, sizeof(proof)));
    parameter_bytes(&parameters, slice_of(tag, sizeof(tag)));
    link_send(&books->link, SQL_ENCRYPT, &parameters);
    enum status status = run(books, taking, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    log_line(LOG_INFO, "vault", "Texts are encrypted from now on, by nodes with the master key.");
    return look(books, taking, ret_why, why_bytes);
}

// Of books that an older Florin began to encrypt.
static enum status tag(struct books *books, struct taking *taking, char *ret_why,
                       size_t why_bytes) {
    uint8_t tag[VAULT_TAG_BYTES];
    struct parameters parameters = {0};
    if (taking->encryption.has_tag)
        return STATUS_ok;
    vault_tag(taking->vault, tag);
    parameter_bytes(&parameters, slice_of(tag, sizeof(tag)));
    link_send(&books->link, SQL_MASTER_TAG, &parameters);
    return run(books, taking, ret_why, why_bytes);
}

static void tell_exchanged(const struct books *books, uint32_t count) {
    if (books->shard != NULL) // there are others, see engine/shards
        log_line(LOG_INFO, "vault",
                 "%u data keys of the shard \"%s\" are under the new master key.", count,
                 books->shard);
    else
        log_line(LOG_INFO, "vault",
                 "%u data keys are under the new master key; the old one can be destroyed.", count);
}

// All keys in one transaction; the generation's row makes nodes wait for each other.
static enum status exchange(struct books *books, struct taking *taking,
                            const struct master_key *old_master, char *ret_why,
                            size_t why_bytes) {
    uint8_t proof[VAULT_WRAPPED_BYTES], tag[VAULT_TAG_BYTES];
    struct parameters master = {0};
    uint32_t before;
    taking->old = vault_open(old_master);
    enum status status = STATUS_ok;
    if (!vault_check(taking->old, taking->encryption.proof)) {
        vault_close(taking->old);
        return STATUS_invalid_request;
    }
    vault_prove(taking->vault, proof);
    parameter_bytes(&master, slice_of(proof, sizeof(proof)));
    parameter_number(&master, taking->encryption.generation);
    vault_tag(taking->vault, tag);
    parameter_bytes(&master, slice_of(tag, sizeof(tag)));
    // Nodes that run on wait here between two batches, and then find themselves locked out.
    link_send(&books->link, SQL_TURN, NULL);
    link_sync(&books->link);
    link_send(&books->link, SQL_BEGIN, NULL);
    link_send(&books->link, SQL_NEW_MASTER, &master);
    do {
        struct parameters from = {0}, written = {0};
        before = taking->count;
        column_begin(&taking->numbers, false);
        column_begin(&taking->wrapped, true);
        parameter_number(&from, taking->last);
        link_send(&books->link, SQL_ALL_DATA_KEYS, &from);
        status = run(books, taking, ret_why, why_bytes);
        if (status != STATUS_ok || taking->is_broken || taking->count == before)
            break;
        parameter_column(&written, &taking->numbers);
        parameter_column(&written, &taking->wrapped);
        link_send(&books->link, SQL_REWRAP, &written);
        status = run(books, taking, ret_why, why_bytes);
    } while (status == STATUS_ok);
    if (taking->is_broken) {
        (void)snprintf(ret_why, why_bytes, "a data key is under neither master key");
        status = STATUS_damaged;
    }
    link_send(&books->link, status == STATUS_ok ? SQL_COMMIT : SQL_ROLLBACK, NULL);
    link_sync(&books->link);
    link_send(&books->link, SQL_TURN_BACK, NULL);
    enum status ended = run(books, taking, ret_why, why_bytes);
    column_done(&taking->numbers);
    column_done(&taking->wrapped);
    vault_close(taking->old);
    if (status != STATUS_ok || ended != STATUS_ok)
        return status != STATUS_ok ? status : ended;
    tell_exchanged(books, taking->count);
    books->is_exchanged = true;
    return look(books, taking, ret_why, why_bytes);
}

static bool reader_unseal(struct text_vault *vault, uint64_t number, struct slice head,
                          uint8_t *place, size_t text_bytes);

enum status sealing_open(struct books *books, const struct vault_masters *masters,
                         bool without_texts, char *ret_why, size_t why_bytes) {
    struct taking taking = {0};
    enum status status = look(books, &taking, ret_why, why_bytes);
    books->desk.sealing.generation = taking.encryption.generation; // 0: plain
    if (status != STATUS_ok || without_texts || (masters == NULL && !taking.encryption.is_there))
        return status;
    if (masters == NULL) {
        (void)snprintf(ret_why, why_bytes,
                       "these books are encrypted and the master key is missing; name its file in "
                       "the configuration (encryption.master_key_file) or give FLORIN_MASTER_KEY");
        return STATUS_invalid_request;
    }
    taking.vault = books->vault = vault_open(&masters->master);
    if (!taking.encryption.is_there)
        status = begin(books, &taking, ret_why, why_bytes);
    if (status == STATUS_ok && !vault_check(books->vault, taking.encryption.proof))
        status = masters->has_old
                     ? exchange(books, &taking, &masters->old, ret_why, why_bytes)
                     : STATUS_invalid_request;
    if (status == STATUS_ok)
        status = tag(books, &taking, ret_why, why_bytes);
    if (status == STATUS_invalid_request)
        (void)snprintf(ret_why, why_bytes,
                       "the master key is not the one that these books are under; give the right "
                       "one%s",
                       masters->has_old ? ", the old master key is not it either" : "");
    if (status != STATUS_ok)
        return status;
    books->desk.sealing.vault = books->vault;
    books->desk.sealing.generation = taking.encryption.generation;
    books->desk.sealing.plain_until_ms = taking.encryption.plain_until_ms;
    books->reader_port = (struct text_vault){.unseal = reader_unseal};
    books->engine.vault = &books->reader_port;
    return STATUS_ok;
}

// ---- readers ----------------------------------------------------------------------------------

// Keys of the records at hand; those that did not come are destroyed, and so are those whose number
// is 0.
struct key_set {
    struct text_vault port; // first
    struct vault *vault;
    struct map map; // of struct vault_key
};

static bool set_unseal(struct text_vault *vault, uint64_t number, struct slice head,
                       uint8_t *place, size_t text_bytes) {
    struct key_set *set = (struct key_set *)vault;
    const struct vault_key *key = map_find(&set->map, map_number(number));
    return key != NULL && key->number != 0 &&
           vault_unseal(set->vault, key, head, place, text_bytes);
}

static void set_take(struct key_set *set, struct arena *arena, const struct pg_result *result,
                     int row) {
    uint64_t number = (uint64_t)row_number(result, row, 0);
    struct slice wrapped = row_bytes(result, row, 2);
    if (map_find(&set->map, map_number(number)) != NULL)
        return;
    struct vault_key *key = arena_take(arena, sizeof(*key));
    *key = (struct vault_key){.owner = (uint64_t)row_number(result, row, 1)};
    if (wrapped.size == sizeof(key->wrapped)) {
        key->number = number;
        memcpy(key->wrapped, wrapped.bytes, wrapped.size);
    }
    map_add(&set->map, map_number(number), key);
}

// Asks one database for those of the numbers that have not come yet. `*ret_any`: there are some.
static enum status set_ask(struct books *books, const uint64_t *numbers, uint32_t count,
                           struct arena *arena, struct key_set *set, bool *ret_any) {
    struct parameters parameters = {0};
    struct column missing = {0};
    const struct pg_result *result;
    enum link_result answer = LINK_OK;
    column_begin(&missing, false);
    for (uint32_t i = 0; i < count; i++)
        if (map_find(&set->map, map_number(numbers[i])) == NULL)
            column_add(&missing, (int64_t)numbers[i]);
    *ret_any = missing.count != 0;
    if (*ret_any) {
        struct link *link = reader_take(books);
        parameter_column(&parameters, &missing);
        answer = reader_ask(books, link, SQL_READ_DATA_KEYS, &parameters, &result);
        for (int row = 0; answer == LINK_OK && row < row_count(result); row++)
            set_take(set, arena, result, row);
        reader_give(link);
    }
    column_done(&missing);
    return answer == LINK_OK ? STATUS_ok : STATUS_busy;
}

// A key lies where its owner's slot is, so of books on several shards some may lie on another one;
// destroyed ones have a row, too. A key that moves meanwhile may be missed once.
static enum status set_read(struct books *books, const uint64_t *numbers, uint32_t count,
                            struct arena *arena, struct key_set *ret_set) {
    bool any;
    enum status status = set_ask(books, numbers, count, arena, ret_set, &any);
    for (int turn = 0; turn < KEY_TURNS && books->sibling_count != 0; turn++)
        for (uint32_t i = 0; i < books->sibling_count && any && status == STATUS_ok; i++)
            status = set_ask((struct books *)books->siblings[i], numbers, count, arena, ret_set,
                             &any);
    return status;
}

static void reveal(struct key_set *set, struct arena *arena, struct slice *bytes) {
    if (!record_is_sealed(*bytes))
        return;
    uint8_t *place = arena_take(arena, bytes->size);
    size_t size = record_reveal(*bytes, &set->port, place);
    if (size != 0)
        *bytes = slice_of(place, size);
}

static void add_number(uint64_t *numbers, uint32_t *count, struct slice bytes) {
    uint64_t number = record_sealed_by(bytes);
    if (number != 0)
        numbers[(*count)++] = number;
}

enum status sealing_reveal(struct books *books, struct arena *arena, struct entry *entries,
                           uint32_t count) {
    struct key_set set = {.port = {.unseal = set_unseal}, .vault = books->vault};
    uint32_t number_count = 0;
    enum status status = STATUS_ok;
    if (books->vault == NULL || count == 0)
        return STATUS_ok;
    uint64_t *numbers = arena_take(arena, 2 * count * sizeof(*numbers));
    for (uint32_t i = 0; i < count; i++) {
        add_number(numbers, &number_count, entries[i].outcome.record);
        add_number(numbers, &number_count, entries[i].outcome.opening);
    }
    if (number_count != 0)
        status = set_read(books, numbers, number_count, arena, &set);
    for (uint32_t i = 0; status == STATUS_ok && i < count; i++) {
        reveal(&set, arena, &entries[i].outcome.record);
        reveal(&set, arena, &entries[i].outcome.opening);
    }
    map_done(&set.map);
    return status;
}

enum status sealing_reveal_one(struct engine *engine, struct slice bytes, struct arena *arena,
                               struct slice *ret_bytes) {
    struct entry entry = {.outcome = {.record = bytes}};
    enum status status = sealing_reveal((struct books *)engine, arena, &entry, 1);
    if (status == STATUS_ok)
        *ret_bytes = entry.outcome.record;
    return status;
}

static bool reader_unseal(struct text_vault *vault, uint64_t number, struct slice head,
                          uint8_t *place, size_t text_bytes) {
    struct books *books = (struct books *)((uint8_t *)vault - offsetof(struct books, reader_port));
    struct key_set set = {.vault = books->vault};
    struct arena arena;
    arena_init(&arena, 256);
    bool is_open = set_read(books, &number, 1, &arena, &set) == STATUS_ok &&
                   set_unseal(&set.port, number, head, place, text_bytes);
    map_done(&set.map);
    arena_done(&arena);
    return is_open;
}

// ---- among shards -----------------------------------------------------------------------------

void postgres_join(struct engine *engine, struct engine *const *all, uint32_t count) {
    struct books *books = (struct books *)engine;
    CHECK(count <= SHARDS_MAX && books->sibling_count == 0);
    for (uint32_t i = 0; i < count; i++)
        if (all[i] != engine)
            books->siblings[books->sibling_count++] = all[i];
}

bool postgres_exchanged_master(struct engine *engine) {
    return ((struct books *)engine)->is_exchanged;
}

uint64_t postgres_plain_until(struct engine *engine) {
    const struct books *books = (const struct books *)engine;
    return __atomic_load_n(&books->desk.sealing.plain_until_ms, __ATOMIC_RELAXED);
}

enum status postgres_raise_plain_until(struct engine *engine, uint64_t plain_until_ms) {
    static const char settings[] =
        "SET search_path = florin, pg_catalog; SET statement_timeout = '5s'; "
        "SET lock_timeout = '2s'; SET client_min_messages = warning";
    struct books *books = (struct books *)engine;
    struct parameters parameters = {0};
    struct link link = {0};
    enum link_result result = link_open(&link, primary_url(&books->primary), settings,
                                        SQL_PLAIN_UNTIL, SQL_PLAIN_UNTIL, SEALING_WAIT_NS);
    if (result == LINK_OK) {
        parameter_number(&parameters, (int64_t)plain_until_ms);
        link.deadline_ns = clock_monotonic_ns() + SEALING_WAIT_NS;
        link_send(&link, SQL_PLAIN_UNTIL, &parameters);
        link_sync(&link);
        result = link_collect(&link, NULL, NULL);
    }
    link_done(&link);
    if (result == LINK_OK)
        __atomic_store_n(&books->desk.sealing.plain_until_ms, plain_until_ms, __ATOMIC_RELAXED);
    return result == LINK_OK ? STATUS_ok : STATUS_busy;
}

struct vault *books_vault(struct engine *engine, int64_t *ret_generation) {
    const struct books *books = (const struct books *)engine;
    *ret_generation = books->desk.sealing.generation; // as it was at the start
    return books->vault;
}

// SPDX-License-Identifier: MIT
// The master key at the start, and texts for readers. Readers ask the primary for keys after they
// have their rows, each time: what is destroyed is gone for everybody with the commit.
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/postgres_books.h"

#include <stdio.h>

#define SEALING_WAIT_NS UINT64_C(60000000000)

// ---- at the start -----------------------------------------------------------------------------

struct encryption {
    bool is_there;
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
    taking->is_broken = !vault_rewrap(taking->vault, taking->old, &key);
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
    uint8_t proof[VAULT_WRAPPED_BYTES];
    struct parameters parameters = {0};
    vault_prove(taking->vault, proof);
    parameter_bytes(&parameters, slice_of(proof, sizeof(proof)));
    link_send(&books->link, SQL_ENCRYPT, &parameters);
    enum status status = run(books, taking, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    log_line(LOG_INFO, "vault", "Texts are encrypted from now on, by nodes with the master key.");
    return look(books, taking, ret_why, why_bytes);
}

// All keys in one transaction; the generation's row makes nodes wait for each other.
static enum status exchange(struct books *books, struct taking *taking,
                            const struct master_key *old_master, char *ret_why,
                            size_t why_bytes) {
    uint8_t proof[VAULT_WRAPPED_BYTES];
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
    log_line(LOG_INFO, "vault",
             "%u data keys are under the new master key; the old one can be destroyed.",
             taking->count);
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

// Keys of the records at hand; those that did not come are destroyed.
struct key_set {
    struct text_vault port; // first
    struct vault *vault;
    struct map map; // of struct vault_key
};

static bool set_unseal(struct text_vault *vault, uint64_t number, struct slice head,
                       uint8_t *place, size_t text_bytes) {
    struct key_set *set = (struct key_set *)vault;
    const struct vault_key *key = map_find(&set->map, map_number(number));
    return key != NULL && vault_unseal(set->vault, key, head, place, text_bytes);
}

static enum status set_read(struct books *books, struct column *numbers, struct arena *arena,
                            struct key_set *ret_set) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    struct link *link = reader_take(books);
    parameter_column(&parameters, numbers);
    enum link_result answer = reader_ask(books, link, SQL_READ_DATA_KEYS, &parameters, &result);
    for (int row = 0; answer == LINK_OK && row < row_count(result); row++) {
        struct slice wrapped = row_bytes(result, row, 2);
        struct vault_key *key = arena_take(arena, sizeof(*key));
        *key = (struct vault_key){.number = (uint64_t)row_number(result, row, 0),
                                  .owner = (uint64_t)row_number(result, row, 1)};
        if (wrapped.size != sizeof(key->wrapped) ||
            map_find(&ret_set->map, map_number(key->number)) != NULL)
            continue;
        memcpy(key->wrapped, wrapped.bytes, wrapped.size);
        map_add(&ret_set->map, map_number(key->number), key);
    }
    reader_give(link);
    return answer == LINK_OK ? STATUS_ok : STATUS_busy;
}

static void reveal(struct key_set *set, struct arena *arena, struct slice *bytes) {
    if (!record_is_sealed(*bytes))
        return;
    uint8_t *place = arena_take(arena, bytes->size);
    size_t size = record_reveal(*bytes, &set->port, place);
    if (size != 0)
        *bytes = slice_of(place, size);
}

enum status sealing_reveal(struct books *books, struct arena *arena, struct entry *entries,
                           uint32_t count) {
    struct key_set set = {.port = {.unseal = set_unseal}, .vault = books->vault};
    struct column numbers = {0};
    enum status status = STATUS_ok;
    if (books->vault == NULL)
        return STATUS_ok;
    column_begin(&numbers, false);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t record = record_sealed_by(entries[i].outcome.record);
        uint64_t opening = record_sealed_by(entries[i].outcome.opening);
        if (record != 0)
            column_add(&numbers, (int64_t)record);
        if (opening != 0)
            column_add(&numbers, (int64_t)opening);
    }
    if (numbers.count != 0)
        status = set_read(books, &numbers, arena, &set);
    for (uint32_t i = 0; status == STATUS_ok && i < count; i++) {
        reveal(&set, arena, &entries[i].outcome.record);
        reveal(&set, arena, &entries[i].outcome.opening);
    }
    column_done(&numbers);
    map_done(&set.map);
    return status;
}

// One record of the feed.
static bool reader_unseal(struct text_vault *vault, uint64_t number, struct slice head,
                          uint8_t *place, size_t text_bytes) {
    struct books *books = (struct books *)((uint8_t *)vault - offsetof(struct books, reader_port));
    struct key_set set = {.vault = books->vault};
    struct column numbers = {0};
    struct arena arena;
    arena_init(&arena, 256);
    column_begin(&numbers, false);
    column_add(&numbers, (int64_t)number);
    bool is_open = set_read(books, &numbers, &arena, &set) == STATUS_ok &&
                   set_unseal(&set.port, number, head, place, text_bytes);
    column_done(&numbers);
    map_done(&set.map);
    arena_done(&arena);
    return is_open;
}

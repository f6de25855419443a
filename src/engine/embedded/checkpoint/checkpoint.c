// SPDX-License-Identifier: MIT
// A checkpoint is the state on disk, so that a start need not replay the whole journal. It is
// copied item by item while the writer goes on, so its parts are of different moments, all later
// than its landmark: replay from the landmark on puts them right, because records hold results and
// what is older than what stands changes nothing (ledger/apply.c).
//
// The file "checkpoint", little endian:
//   sections in the order of enum section, each its items as they lie in memory, without item 0;
//   of holds and withdrawals without those that lie in files of their own (ended.h), whose chunks
//   are sections instead: items of struct ended_chunk; of habits, whose words are mostly 0, as
//   checkpoint_sparse.h says, in `habits_bytes` of the footer
//   footer, the last 4096 bytes: struct footer
// It is valid if and only if
//   C1  the footer's magic, version and own CRC32C agree
//   C2  each section's item size is the one this program has, and the sections fill the file up to
//   the footer C3  each section's CRC32C agrees
//   C4  so does that of each chunk in the other files
// A checkpoint that is not valid is set aside, and the start replays from the beginning.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/embedded/books.h"
#include "engine/embedded/checkpoint/checkpoint_sparse.h"

#define CHECKPOINT_NAME     "checkpoint"
#define CHECKPOINT_NEW_NAME "checkpoint.new"
#define CHUNK_BYTES         (1u << 20)
#define FOOTER_BYTES        4096
static const char checkpoint_magic[16] = "florin chckpnt 1";

enum section {
    SECTION_ENDED_HOLDS,
    SECTION_ENDED_WITHDRAWALS,
    SECTION_WALLETS,
    SECTION_HOLDS,
    SECTION_WITHDRAWALS,
    SECTION_REFUNDS,
    SECTION_PARKED,
    SECTION_SPENDING,
    SECTION_HABITS,
    SECTION_KEYS,
    SECTION_CURRENCIES,
    SECTION_CURSORS,
    SECTION_RULES,
    SECTION_ALARM,
    SECTION_COUNT
};

struct section_entry {
    uint64_t count;
    uint32_t item_bytes;
    uint32_t crc;
};

struct footer {
    char magic[16];
    struct landmark landmark;
    struct section_entry sections[SECTION_COUNT];
    uint64_t habits_bytes;
    uint32_t data_keys; // how many slots the file of data keys has at least (data_keys.c)
    uint32_t crc;       // of all before
};
static_assert(sizeof(struct footer) <= FOOTER_BYTES, "the footer fits its block");

struct checkpoint_writer {
    struct disk_file *file;
    uint64_t offset;
    uint8_t *chunk;
};

// Copies items of the table from `begin` to `end` (exclusive).
static enum status items_write(struct checkpoint_writer *writer, const struct table *table,
                               uint32_t sequence_offset, uint32_t begin, uint32_t end,
                               uint32_t *crc) {
    uint32_t per_chunk = CHUNK_BYTES / table->item_bytes;
    for (uint32_t i = begin; i < end;) {
        uint32_t n = end - i < per_chunk ? end - i : per_chunk;
        for (uint32_t k = 0; k < n; k++)
            table_copy(table, i + k, sequence_offset,
                       writer->chunk + (size_t)k * table->item_bytes);
        struct slice bytes = slice_of(writer->chunk, (size_t)n * table->item_bytes);
        enum status status = writer->file->driver->write(writer->file, writer->offset, bytes);
        if (status != STATUS_ok)
            return status;
        *crc = crc32c_extend(*crc, bytes);
        writer->offset += bytes.size;
        i += n;
    }
    return STATUS_ok;
}

// `ended`: items that are not written here; NULL: there are none.
static enum status section_write(struct checkpoint_writer *writer, const struct table *table,
                                 uint32_t sequence_offset, const struct ended *ended,
                                 struct section_entry *ret_entry) {
    uint32_t count = table_count(table), crc = 0;
    enum status status = STATUS_ok;
    for (uint32_t i = 1; status == STATUS_ok && i < count;) {
        uint32_t end = ended == NULL ? count : ended_stretch(ended, i, count);
        if (ended == NULL || !ended_is_away(ended, i))
            status = items_write(writer, table, sequence_offset, i, end, &crc);
        i = end;
    }
    *ret_entry =
        (struct section_entry){.count = count - 1, .item_bytes = table->item_bytes, .crc = crc};
    return status;
}

static enum status array_write(struct checkpoint_writer *writer, const void *items,
                               uint32_t item_bytes, uint32_t count,
                               struct section_entry *ret_entry) {
    struct slice bytes = slice_of(items, (size_t)item_bytes * count);
    *ret_entry = (struct section_entry){
        .count = count, .item_bytes = item_bytes, .crc = count == 0 ? 0 : crc32c(bytes)};
    enum status status =
        count == 0 ? STATUS_ok : writer->file->driver->write(writer->file, writer->offset, bytes);
    writer->offset += bytes.size;
    return status;
}

static enum status keys_write(struct books *books, struct checkpoint_writer *writer,
                              struct section_entry *ret_entry) {
    struct state *state = &books->state;
    CHECK(pthread_rwlock_rdlock(&state->keys_lock) == 0);
    uint32_t count = state->key_count;
    struct key_item *copy = memory_take((count + 1) * sizeof(*copy));
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = state->key_items[i];
        copy[i].key = state->keys[i];
        copy[i].key.owner = (struct slice){0}; // a place in memory; it stands in the key's record
    }
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
    enum status status = array_write(writer, copy, sizeof(*copy), count, ret_entry);
    memory_free(copy);
    return status;
}

static enum status currencies_write(struct books *books, struct checkpoint_writer *writer,
                                    struct section_entry *ret_entry) {
    struct currency_account *copy = memory_take_zeroed(LIMIT_CURRENCIES_MAX * sizeof(*copy));
    uint32_t count = state_currencies_copy(&books->state, copy, LIMIT_CURRENCIES_MAX);
    enum status status = array_write(writer, copy, sizeof(*copy), count, ret_entry);
    memory_free(copy);
    return status;
}

static enum status cursors_write(struct books *books, struct checkpoint_writer *writer,
                                 struct section_entry *ret_entry) {
    struct state *state = &books->state;
    struct cursor *copy = memory_take(sizeof(state->cursors));
    CHECK(pthread_mutex_lock(&state->cursors_lock) == 0);
    memcpy(copy, state->cursors, sizeof(state->cursors));
    CHECK(pthread_mutex_unlock(&state->cursors_lock) == 0);
    enum status status = array_write(writer, copy, sizeof(*copy), CURSOR_COUNT, ret_entry);
    memory_free(copy);
    return status;
}

static enum status rules_write(struct books *books, struct checkpoint_writer *writer,
                               struct section_entry *ret_entry) {
    struct state *state = &books->state;
    struct rule_set *copy = memory_take(sizeof(*copy));
    CHECK(pthread_mutex_lock(&state->rules_lock) == 0);
    *copy = state->rules;
    CHECK(pthread_mutex_unlock(&state->rules_lock) == 0);
    enum status status = array_write(writer, copy, sizeof(*copy), 1, ret_entry);
    memory_free(copy);
    return status;
}

static enum status alarm_write(struct books *books, struct checkpoint_writer *writer,
                               struct section_entry *ret_entry) {
    struct state *state = &books->state;
    CHECK(pthread_mutex_lock(&state->rules_lock) == 0);
    struct alarm_state copy = state->alarm;
    CHECK(pthread_mutex_unlock(&state->rules_lock) == 0);
    return array_write(writer, &copy, sizeof(copy), 1, ret_entry);
}

static enum status ended_write(const struct ended *ended, struct checkpoint_writer *writer,
                               struct section_entry *ret_entry) {
    struct ended_chunk *chunks = memory_take((ended->away_count + 1) * sizeof(*chunks));
    uint32_t count = ended_chunks(ended, chunks);
    enum status status = array_write(writer, chunks, sizeof(*chunks), count, ret_entry);
    memory_free(chunks);
    return status;
}

static enum status habits_write(struct books *books, struct checkpoint_writer *writer,
                                struct footer *footer) {
    const struct table *table = &books->state.habits;
    struct sparse_section section;
    uint32_t count = table_count(table);
    enum status status = sparse_write(writer->file, &writer->offset, writer->chunk, CHUNK_BYTES,
                                      table, count, offsetof(struct habits_item, sequence),
                                      &section);
    footer->habits_bytes = section.bytes;
    footer->sections[SECTION_HABITS] = (struct section_entry){
        .count = count - 1, .item_bytes = table->item_bytes, .crc = section.crc};
    return status;
}

static enum status sections_write(struct books *books, struct checkpoint_writer *writer,
                                  struct footer *footer) {
    struct state *state = &books->state;
    struct section_entry *entries = footer->sections;
    const struct {
        const struct table *table;
        uint32_t sequence_offset;
        enum section section;
        const struct ended *ended;
    } tables[] = {
        {&state->wallets, offsetof(struct wallet_item, sequence), SECTION_WALLETS, NULL},
        {&state->holds, offsetof(struct hold_item, sequence), SECTION_HOLDS, &books->ended_holds},
        {&state->withdrawals, offsetof(struct withdrawal_item, sequence), SECTION_WITHDRAWALS,
         &books->ended_withdrawals},
        {&state->refunds, offsetof(struct refund_item, sequence), SECTION_REFUNDS, NULL},
        {&state->parked, offsetof(struct parked_item, sequence), SECTION_PARKED, NULL},
        {&state->spending, offsetof(struct spending_item, sequence), SECTION_SPENDING, NULL},
    };
    enum status status =
        ended_write(&books->ended_holds, writer, &entries[SECTION_ENDED_HOLDS]);
    if (status == STATUS_ok)
        status =
            ended_write(&books->ended_withdrawals, writer, &entries[SECTION_ENDED_WITHDRAWALS]);
    for (size_t i = 0; status == STATUS_ok && i < sizeof(tables) / sizeof(tables[0]); i++)
        status = section_write(writer, tables[i].table, tables[i].sequence_offset,
                               tables[i].ended, &entries[tables[i].section]);
    if (status == STATUS_ok)
        status = habits_write(books, writer, footer);
    if (status == STATUS_ok)
        status = keys_write(books, writer, &entries[SECTION_KEYS]);
    if (status == STATUS_ok)
        status = currencies_write(books, writer, &entries[SECTION_CURRENCIES]);
    if (status == STATUS_ok)
        status = cursors_write(books, writer, &entries[SECTION_CURSORS]);
    if (status == STATUS_ok)
        status = rules_write(books, writer, &entries[SECTION_RULES]);
    if (status == STATUS_ok)
        status = alarm_write(books, writer, &entries[SECTION_ALARM]);
    return status;
}

// What cannot leave stays in memory, and in the checkpoint.
static void leave(struct books *books, struct ended *ended, uint64_t landmark) {
    enum status status = ended_leave(ended, books->disk, landmark);
    if (status != STATUS_ok)
        log_line(LOG_WARNING, "checkpoint", "what has ended could not leave memory (%s, file %s)",
                 status_name(status), ended->kind->name);
    ended_look(ended);
}

enum status checkpoint_write(struct books *books, const struct landmark *landmark) {
    struct disk *disk = books->disk;
    struct checkpoint_writer writer = {0};
    struct footer footer = {.landmark = *landmark};
    memcpy(footer.magic, checkpoint_magic, sizeof(footer.magic));
    enum status status = disk->driver->remove(disk, CHECKPOINT_NEW_NAME);
    if (status == STATUS_ok)
        status = disk->driver->open(disk, CHECKPOINT_NEW_NAME, true, &writer.file);
    if (status != STATUS_ok)
        return status;
    writer.chunk = memory_take(CHUNK_BYTES > FOOTER_BYTES ? CHUNK_BYTES : FOOTER_BYTES);
    leave(books, &books->ended_holds, landmark->position);
    leave(books, &books->ended_withdrawals, landmark->position);
    status = sections_write(books, &writer, &footer);
    // What was copied may not be durable yet; a checkpoint must never know more than the journal.
    books_settle(books);
    ended_note(&books->ended_holds, journal_published(books->journal));
    ended_note(&books->ended_withdrawals, journal_published(books->journal));
    if (status == STATUS_ok) {
        uint32_t durable = data_keys_durable(books->data_keys);
        footer.data_keys =
            durable > books->data_keys_expected ? durable : books->data_keys_expected;
        footer.crc = crc32c(slice_of(&footer, offsetof(struct footer, crc)));
        memset(writer.chunk, 0, FOOTER_BYTES);
        memcpy(writer.chunk, &footer, sizeof(footer));
        status =
            disk->driver->write(writer.file, writer.offset, slice_of(writer.chunk, FOOTER_BYTES));
    }
    if (status == STATUS_ok)
        status = disk->driver->sync(writer.file);
    disk->driver->close(writer.file);
    memory_free(writer.chunk);
    return status == STATUS_ok ? disk->driver->rename(disk, CHECKPOINT_NEW_NAME, CHECKPOINT_NAME)
                               : status;
}

// ---- reading ----------------------------------------------------------------------------------

static enum status read_all(struct disk_file *file, uint64_t offset, void *bytes, size_t size) {
    size_t got = 0;
    enum status status = file->driver->read(file, offset, bytes, size, &got);
    return status == STATUS_ok && got != size ? STATUS_damaged : status;
}

// `ended`: where the items are that do not stand here; NULL: all do.
static enum status table_read(struct disk_file *file, uint64_t *offset, struct table *table,
                              const struct ended *ended, const struct section_entry *entry) {
    uint32_t crc = 0;
    enum status status = STATUS_ok;
    for (uint32_t i = 1; status == STATUS_ok && i < table->count;) {
        uint32_t end = ended == NULL ? table->count : ended_stretch(ended, i, table->count);
        if (ended == NULL || !ended_is_away(ended, i)) {
            uint8_t *bytes = table->bytes + (uint64_t)i * table->item_bytes;
            size_t size = (size_t)(end - i) * table->item_bytes;
            status = read_all(file, *offset, bytes, size);
            *offset += size;
            crc = crc32c_extend(crc, slice_of(bytes, size));
        }
        i = end;
    }
    return status == STATUS_ok && crc != entry->crc ? STATUS_damaged : status;
}

static enum status table_take(struct table *table, const struct section_entry *entry) {
    if (entry->item_bytes != table->item_bytes || entry->count + 1 >= table->count_max)
        return STATUS_damaged;
    for (uint64_t i = 0; i < entry->count; i++)
        (void)table_add(table);
    return STATUS_ok;
}

static enum status array_read(struct disk_file *file, uint64_t *offset, void *items,
                              uint32_t item_bytes, const struct section_entry *entry) {
    size_t size = (size_t)entry->count * item_bytes;
    if (entry->item_bytes != item_bytes)
        return STATUS_damaged;
    if (size == 0)
        return STATUS_ok;
    enum status status = read_all(file, *offset, items, size);
    *offset += size;
    return status == STATUS_ok && crc32c(slice_of(items, size)) != entry->crc ? STATUS_damaged
                                                                              : status;
}

static enum status ended_read(struct disk *disk, struct disk_file *file, uint64_t *offset,
                              struct ended *ended, const struct section_entry *entry) {
    uint64_t count = entry->count;
    if (count > table_count(ended->table) / ENDED_CHUNK_ITEMS)
        return STATUS_damaged;
    struct ended_chunk *chunks = memory_take((count + 1) * sizeof(*chunks));
    enum status status = array_read(file, offset, chunks, sizeof(*chunks), entry);
    if (status == STATUS_ok)
        status = ended_load(ended, disk, chunks, (uint32_t)count);
    memory_free(chunks);
    return status;
}

static enum status keys_read(struct disk_file *file, uint64_t *offset, struct state *state,
                             const struct section_entry *entry) {
    if (entry->count > UINT32_MAX / sizeof(struct key_item))
        return STATUS_damaged;
    for (uint64_t i = 0; i < entry->count; i++)
        (void)state_key_add(state);
    enum status status =
        array_read(file, offset, state->key_items, sizeof(*state->key_items), entry);
    for (uint32_t i = 0; status == STATUS_ok && i < entry->count; i++)
        state_key_publish(state, i);
    return status;
}

static enum status footer_read(struct disk_file *file, struct footer *ret_footer,
                               uint64_t *ret_end) {
    uint64_t size;
    enum status status = file->driver->size(file, &size);
    if (status == STATUS_ok && size < FOOTER_BYTES)
        status = STATUS_damaged;
    if (status != STATUS_ok)
        return status;
    *ret_end = size - FOOTER_BYTES;
    status = read_all(file, *ret_end, ret_footer, sizeof(*ret_footer));
    if (status != STATUS_ok)
        return status;
    if (memcmp(ret_footer->magic, checkpoint_magic, sizeof(checkpoint_magic)) != 0 ||
        ret_footer->crc != crc32c(slice_of(ret_footer, offsetof(struct footer, crc))))
        return STATUS_damaged;
    return STATUS_ok;
}

// An item that was counted when it was copied, but had nothing in it yet, is the work of a batch:
// its record comes with the replay, which adds the item again, or the batch was taken back, and
// then there never was one. Every item begins with its thing, every thing with its id.
static void table_trim(struct table *table) {
    struct id id;
    uint32_t count = table->count;
    for (; count > 1; count--) {
        memcpy(&id, table_at(table, count - 1), sizeof(id));
        if (!id_is_zero(id))
            break;
        memset(table_at(table, count - 1), 0, table->item_bytes);
    }
    table_cut(table, count);
}

// Likewise the currency of a wallet that never was: no other has it.
static void currencies_trim(struct state *state) {
    while (state->currency_count > 0 &&
           state->currencies[state->currency_count - 1].wallet_count == 0)
        state->currencies[--state->currency_count] = (struct currency_account){0};
}

static void holds_refresh(struct books *books) {
    struct state *state = &books->state;
    const struct ended *ended = &books->ended_holds;
    for (uint32_t i = 1; i < state->holds.count; i++) {
        struct hold_item *item = state_hold_at(state, i);
        if (ended_is_away(ended, i)) {
            i = ended_stretch(ended, i, state->holds.count) - 1;
            continue;
        }
        item->sequence = 0;
        item->listed = item->next = item->previous = 0;
    }
    for (uint32_t i = 1; i < state->holds.count; i++) {
        struct hold_item *item = state_hold_at(state, i);
        if (ended_is_away(ended, i))
            i = ended_stretch(ended, i, state->holds.count) - 1;
        // Wallets were copied earlier than holds. One whose payer is newer is listed by the replay,
        // which has the records of both.
        else if (table_has(&state->wallets, item->wallet))
            state_hold_list(state, item);
    }
}

// Lists, counts and marks of items are of moments that are gone: they are made anew.
static void state_refresh(struct books *books) {
    struct state *state = &books->state;
    table_trim(&state->wallets);
    table_trim(&state->holds);
    table_trim(&state->withdrawals);
    table_trim(&state->parked);
    for (uint32_t i = 0; i < state->currency_count; i++)
        state->currencies[i].wallet_count = 0;
    for (uint32_t i = 1; i < state->wallets.count; i++) {
        struct wallet_item *item = state_wallet_at(state, i);
        item->sequence = 0;
        item->open_holds = 0;
        if (!id_is_zero(item->wallet.id))
            state->currencies[item->wallet.currency].wallet_count++;
    }
    currencies_trim(state);
    for (uint32_t i = 1; i < state->withdrawals.count; i++)
        if (ended_is_away(&books->ended_withdrawals, i))
            i = ended_stretch(&books->ended_withdrawals, i, state->withdrawals.count) - 1;
        else
            state_withdrawal_at(state, i)->sequence = 0;
    for (uint32_t i = 1; i < state->spending.count; i++)
        state_spending_at(state, i)->sequence = 0;
    for (uint32_t i = 1; i < state->parked.count; i++) {
        struct parked_item *item = state_parked_at(state, i);
        item->sequence = item->listed = 0;
        state_parked_list(state, item);
    }
    for (uint32_t i = 1; i < state->habits.count; i++)
        state_habits_at(state, i)->sequence = 0;
    holds_refresh(books);
    state_refunds_refresh(state);
    state_moved_refresh(state);
}

static enum status habits_read(struct state *state, struct disk_file *file, uint64_t *offset,
                               uint64_t end, const struct footer *footer) {
    const struct section_entry *entry = &footer->sections[SECTION_HABITS];
    const struct sparse_section section = {.bytes = footer->habits_bytes, .crc = entry->crc};
    enum status status = section.bytes > end - *offset ? STATUS_damaged
                                                       : table_take(&state->habits, entry);
    return status == STATUS_ok ? sparse_read(file, offset, &section, &state->habits) : status;
}

static enum status tables_read(struct books *books, struct disk_file *file, uint64_t *offset,
                               const struct section_entry *entries) {
    struct state *state = &books->state;
    const struct {
        struct table *table;
        enum section section;
        struct ended *ended;
        enum section ended_section;
    } tables[] = {
        {&state->wallets, SECTION_WALLETS, NULL, 0},
        {&state->holds, SECTION_HOLDS, &books->ended_holds, SECTION_ENDED_HOLDS},
        {&state->withdrawals, SECTION_WITHDRAWALS, &books->ended_withdrawals,
         SECTION_ENDED_WITHDRAWALS},
        {&state->refunds, SECTION_REFUNDS, NULL, 0},
        {&state->parked, SECTION_PARKED, NULL, 0},
        {&state->spending, SECTION_SPENDING, NULL, 0},
    };
    size_t count = sizeof(tables) / sizeof(tables[0]);
    enum status status = STATUS_ok;
    for (size_t i = 0; status == STATUS_ok && i < count; i++)
        status = table_take(tables[i].table, &entries[tables[i].section]);
    for (size_t i = 0; status == STATUS_ok && i < count; i++)
        if (tables[i].ended != NULL)
            status = ended_read(books->disk, file, offset, tables[i].ended,
                                &entries[tables[i].ended_section]);
    for (size_t i = 0; status == STATUS_ok && i < count; i++)
        status = table_read(file, offset, tables[i].table, tables[i].ended,
                            &entries[tables[i].section]);
    return status;
}

void books_empty(struct books *books) {
    ended_forget(&books->ended_holds);
    ended_forget(&books->ended_withdrawals);
    state_empty(&books->state);
}

enum status checkpoint_load(struct books *books, struct landmark *ret_landmark) {
    struct disk *disk = books->disk;
    struct state *state = &books->state;
    struct disk_file *file = NULL;
    struct footer footer;
    uint64_t end = 0, offset = 0;
    enum status status = disk->driver->open(disk, CHECKPOINT_NAME, false, &file);
    if (status != STATUS_ok)
        return status;
    status = footer_read(file, &footer, &end);
    const struct section_entry *entries = footer.sections;
    if (status == STATUS_ok)
        status = tables_read(books, file, &offset, entries);
    if (status == STATUS_ok)
        status = habits_read(state, file, &offset, end, &footer);
    if (status == STATUS_ok)
        status = keys_read(file, &offset, state, &entries[SECTION_KEYS]);
    if (status == STATUS_ok && entries[SECTION_CURRENCIES].count > LIMIT_CURRENCIES_MAX)
        status = STATUS_damaged;
    if (status == STATUS_ok)
        status = array_read(file, &offset, state->currencies, sizeof(*state->currencies),
                            &entries[SECTION_CURRENCIES]);
    if (status == STATUS_ok && entries[SECTION_CURSORS].count != CURSOR_COUNT)
        status = STATUS_damaged;
    if (status == STATUS_ok)
        status = array_read(file, &offset, state->cursors, sizeof(*state->cursors),
                            &entries[SECTION_CURSORS]);
    if (status == STATUS_ok && entries[SECTION_RULES].count != 1)
        status = STATUS_damaged;
    if (status == STATUS_ok)
        status = array_read(file, &offset, &state->rules, sizeof(state->rules),
                            &entries[SECTION_RULES]);
    if (status == STATUS_ok && entries[SECTION_ALARM].count != 1)
        status = STATUS_damaged;
    if (status == STATUS_ok)
        status = array_read(file, &offset, &state->alarm, sizeof(state->alarm),
                            &entries[SECTION_ALARM]);
    if (status == STATUS_ok && (offset != end || state->alarm.stopped > 1))
        status = STATUS_damaged;
    disk->driver->close(file);
    if (status == STATUS_ok) {
        state->currency_count = (uint32_t)entries[SECTION_CURRENCIES].count;
        state->transaction_count = footer.landmark.transaction_count;
        books->data_keys_expected = footer.data_keys;
        state_refresh(books);
        engine_alarm_set(&books->engine, &state->alarm);
        *ret_landmark = footer.landmark;
    } else {
        books_empty(books);
    }
    return status;
}

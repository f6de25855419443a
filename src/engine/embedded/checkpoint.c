// SPDX-License-Identifier: MIT
// A checkpoint is the state on disk, so that a start need not replay the whole journal. It is
// copied item by item while the writer goes on, so its parts are of different moments, all later
// than its landmark: replay from the landmark on puts them right, because records hold results and
// what is older than what stands changes nothing (ledger/apply.c).
//
// The file "checkpoint", little endian:
//   sections in the order of enum section, each its items as they lie in memory, without item 0
//   footer, the last 4096 bytes: struct footer
// It is valid if and only if
//   C1  the footer's magic, version and own CRC32C agree
//   C2  each section's item size is the one this program has, and the sections fill the file up to
//   the footer C3  each section's CRC32C agrees
// A checkpoint that is not valid is set aside, and the start replays from the beginning.
#include "base/clock.h"
#include "base/memory.h"
#include "engine/embedded/books.h"

#define CHECKPOINT_NAME     "checkpoint"
#define CHECKPOINT_NEW_NAME "checkpoint.new"
#define CHUNK_BYTES         (1u << 20)
#define FOOTER_BYTES        4096
static const char checkpoint_magic[16] = "florin chckpnt 1";

enum section {
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
    uint32_t data_keys; // how many slots the file of data keys has at least (data_keys.c)
    uint32_t crc;       // of all before
};
static_assert(sizeof(struct footer) <= FOOTER_BYTES, "the footer fits its block");

struct checkpoint_writer {
    struct disk_file *file;
    uint64_t offset;
    uint8_t *chunk;
};

static enum status section_write(struct checkpoint_writer *writer, const struct table *table,
                                 uint32_t sequence_offset, struct section_entry *ret_entry) {
    uint32_t count = table_count(table) - 1, per_chunk = CHUNK_BYTES / table->item_bytes, crc = 0;
    for (uint32_t i = 0; i < count;) {
        uint32_t n = count - i < per_chunk ? count - i : per_chunk;
        for (uint32_t k = 0; k < n; k++)
            table_copy(table, i + k + 1, sequence_offset,
                       writer->chunk + (size_t)k * table->item_bytes);
        struct slice bytes = slice_of(writer->chunk, (size_t)n * table->item_bytes);
        enum status status = writer->file->driver->write(writer->file, writer->offset, bytes);
        if (status != STATUS_ok)
            return status;
        crc = i == 0 ? crc32c(bytes) : crc32c_extend(crc, bytes);
        writer->offset += bytes.size;
        i += n;
    }
    *ret_entry =
        (struct section_entry){.count = count, .item_bytes = table->item_bytes, .crc = crc};
    return STATUS_ok;
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

static enum status sections_write(struct books *books, struct checkpoint_writer *writer,
                                  struct footer *footer) {
    struct state *state = &books->state;
    struct section_entry *entries = footer->sections;
    enum status status = section_write(
        writer, &state->wallets, offsetof(struct wallet_item, sequence), &entries[SECTION_WALLETS]);
    if (status == STATUS_ok)
        status = section_write(writer, &state->holds, offsetof(struct hold_item, sequence),
                               &entries[SECTION_HOLDS]);
    if (status == STATUS_ok)
        status =
            section_write(writer, &state->withdrawals, offsetof(struct withdrawal_item, sequence),
                          &entries[SECTION_WITHDRAWALS]);
    if (status == STATUS_ok)
        status = section_write(writer, &state->refunds, offsetof(struct refund_item, sequence),
                               &entries[SECTION_REFUNDS]);
    if (status == STATUS_ok)
        status = section_write(writer, &state->parked, offsetof(struct parked_item, sequence),
                               &entries[SECTION_PARKED]);
    if (status == STATUS_ok)
        status = section_write(writer, &state->spending, offsetof(struct spending_item, sequence),
                               &entries[SECTION_SPENDING]);
    if (status == STATUS_ok)
        status = section_write(writer, &state->habits, offsetof(struct habits_item, sequence),
                               &entries[SECTION_HABITS]);
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
    status = sections_write(books, &writer, &footer);
    // What was copied may not be durable yet; a checkpoint must never know more than the journal.
    books_settle(books);
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

static enum status table_read(struct disk_file *file, uint64_t *offset, struct table *table,
                              const struct section_entry *entry) {
    if (entry->item_bytes != table->item_bytes || entry->count + 1 >= table->count_max)
        return STATUS_damaged;
    for (uint64_t i = 0; i < entry->count; i++)
        (void)table_add(table);
    size_t size = (size_t)entry->count * table->item_bytes;
    if (size == 0)
        return STATUS_ok;
    uint8_t *bytes = table->bytes + table->item_bytes;
    enum status status = read_all(file, *offset, bytes, size);
    *offset += size;
    if (status == STATUS_ok && crc32c(slice_of(bytes, size)) != entry->crc)
        status = STATUS_damaged;
    return status;
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

// Lists, counts and marks of items are of moments that are gone: they are made anew.
static void state_refresh(struct state *state) {
    for (uint32_t i = 0; i < state->currency_count; i++)
        state->currencies[i].wallet_count = 0;
    for (uint32_t i = 1; i < state->wallets.count; i++) {
        struct wallet_item *item = state_wallet_at(state, i);
        item->sequence = 0;
        item->open_holds = 0;
        if (!id_is_zero(item->wallet.id))
            state->currencies[item->wallet.currency].wallet_count++;
    }
    for (uint32_t i = 1; i < state->withdrawals.count; i++)
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
    for (uint32_t i = 1; i < state->holds.count; i++) {
        struct hold_item *item = state_hold_at(state, i);
        item->sequence = 0;
        item->listed = item->next = item->previous = 0;
    }
    for (uint32_t i = 1; i < state->holds.count; i++)
        state_hold_list(state, state_hold_at(state, i));
    state_refunds_refresh(state);
    state_moved_refresh(state);
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
        status = table_read(file, &offset, &state->wallets, &entries[SECTION_WALLETS]);
    if (status == STATUS_ok)
        status = table_read(file, &offset, &state->holds, &entries[SECTION_HOLDS]);
    if (status == STATUS_ok)
        status = table_read(file, &offset, &state->withdrawals, &entries[SECTION_WITHDRAWALS]);
    if (status == STATUS_ok)
        status = table_read(file, &offset, &state->refunds, &entries[SECTION_REFUNDS]);
    if (status == STATUS_ok)
        status = table_read(file, &offset, &state->parked, &entries[SECTION_PARKED]);
    if (status == STATUS_ok)
        status = table_read(file, &offset, &state->spending, &entries[SECTION_SPENDING]);
    if (status == STATUS_ok)
        status = table_read(file, &offset, &state->habits, &entries[SECTION_HABITS]);
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
        state_refresh(state);
        engine_alarm_set(&books->engine, &state->alarm);
        *ret_landmark = footer.landmark;
    } else {
        state_empty(state);
    }
    return status;
}

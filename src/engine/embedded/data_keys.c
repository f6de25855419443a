// SPDX-License-Identifier: MIT
// Data keys in memory, and the file that data_keys_file.h describes.
#include "engine/embedded/data_keys.h"
#include "engine/embedded/data_keys_file.h"

#include <pthread.h>
#include <stdio.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"

#define NEW_NAME DATA_KEYS_NAME ".new"

static_assert(VAULT_OVERHEAD == SEAL_OVERHEAD && XAES_NONCE_BYTES == SEAL_NONCE_BYTES,
              "the ledger leaves as much room as the vault needs");

struct data_keys {
    struct text_vault port; // first
    struct disk *disk;
    struct disk_file *file; // NULL: not made yet
    struct vault *vault;
    uint64_t plain_until_ms, lost_until_ms;
    bool head_changed;
    pthread_mutex_t lock; // the writer changes what follows under it, and reads without
    struct slot *slots;   // slots[0] stands for the head and is empty
    uint32_t count, capacity;
    uint32_t *table; // open addressing by owner: the newest slot in use, 0: free
    uint32_t table_size, table_used;
    uint32_t moved;        // the first slots, with numbers of other books
    uint32_t *moved_table; // open addressing by number, 0: free; NULL: none moved
    uint32_t moved_mask;
    uint32_t durable; // slots before this one are in the file
    uint32_t *destroyed; // slots that are not yet destroyed in the file
    uint32_t destroyed_count, destroyed_capacity;
};

static void lock(struct data_keys *keys) {
    CHECK(pthread_mutex_lock(&keys->lock) == 0);
}

static void unlock(struct data_keys *keys) {
    CHECK(pthread_mutex_unlock(&keys->lock) == 0);
}

// ---- finding ------------------------------------------------------------------------------------

static uint32_t *place_of(const struct data_keys *keys, uint64_t owner) {
    uint32_t mask = keys->table_size - 1;
    for (uint32_t at = (uint32_t)owner & mask;; at = (at + 1) & mask) {
        uint32_t slot = keys->table[at];
        if (slot == 0 || keys->slots[slot].key.owner == owner)
            return &keys->table[at];
    }
}

static void table_grow(struct data_keys *keys) {
    keys->table_size = keys->table_size == 0 ? 1024 : keys->table_size * 2;
    memory_free(keys->table);
    keys->table = memory_take_zeroed(keys->table_size * sizeof(*keys->table));
    keys->table_used = 0;
    for (uint32_t i = 1; i < keys->count; i++) {
        if (keys->slots[i].state == 0)
            continue;
        uint32_t *place = place_of(keys, keys->slots[i].key.owner);
        keys->table_used += *place == 0;
        *place = i; // a newer one takes an older one's place
    }
}

static struct slot *slot_add(struct data_keys *keys) {
    if (keys->count == keys->capacity) {
        keys->capacity = keys->capacity == 0 ? 256 : keys->capacity * 2;
        keys->slots = memory_resize(keys->slots, keys->capacity * sizeof(*keys->slots));
    }
    CHECK(keys->count < UINT32_MAX);
    struct slot *slot = &keys->slots[keys->count++];
    memset(slot, 0, sizeof(*slot));
    return slot;
}

static void slot_enter(struct data_keys *keys, uint32_t index) {
    if (keys->table_size < 2 * (keys->table_used + 1)) {
        table_grow(keys); // the slot too
        return;
    }
    uint32_t *place = place_of(keys, keys->slots[index].key.owner);
    keys->table_used += *place == 0;
    *place = index;
}

static uint32_t *moved_place(const struct data_keys *keys, uint64_t number) {
    uint32_t at = (uint32_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> 32) & keys->moved_mask;
    while (keys->moved_table[at] != 0 && keys->slots[keys->moved_table[at]].key.number != number)
        at = (at + 1) & keys->moved_mask;
    return &keys->moved_table[at];
}

static void moved_enter(struct data_keys *keys) {
    uint32_t size = 16;
    if (keys->moved == 0)
        return;
    while (size < 2 * (uint64_t)keys->moved)
        size *= 2;
    keys->moved_mask = size - 1;
    keys->moved_table = memory_take_zeroed(size * sizeof(*keys->moved_table));
    for (uint32_t i = 1; i <= keys->moved && i < keys->count; i++)
        if (keys->slots[i].state != 0)
            *moved_place(keys, keys->slots[i].key.number) = i;
}

// Where the slot with that number is, or would be; 0: there is none.
static uint32_t slot_index(const struct data_keys *keys, uint64_t number) {
    uint32_t moved = keys->moved_table == NULL ? 0 : *moved_place(keys, number);
    return moved != 0 ? moved : (uint32_t)number > keys->moved ? (uint32_t)number : 0;
}

// The slot with that number, in use; NULL: there is none, or it was destroyed.
static struct slot *slot_find(const struct data_keys *keys, uint64_t number) {
    uint32_t index = slot_index(keys, number);
    if (index == 0 || index >= keys->count)
        return NULL;
    struct slot *slot = &keys->slots[index];
    return slot->state == SLOT_IN_USE && slot->key.number == number ? slot : NULL;
}

uint64_t data_keys_of(const struct data_keys *keys, uint64_t owner) {
    uint32_t index = keys->table_size == 0 ? 0 : *place_of(keys, owner);
    const struct slot *slot = &keys->slots[index];
    return index != 0 && slot->state == SLOT_IN_USE ? slot->key.number : 0;
}

uint64_t data_keys_plain_until_ms(const struct data_keys *keys) {
    return keys->plain_until_ms;
}

bool data_keys_lacks(const struct data_keys *keys, uint64_t number, uint64_t time_ms) {
    if (keys == NULL)
        return true;
    uint32_t index = slot_index(keys, number);
    return (index == 0 || index >= keys->count) && time_ms >= keys->lost_until_ms;
}

void data_keys_give_up(struct data_keys *keys, uint64_t now_ms) {
    keys->lost_until_ms = now_ms;
    keys->head_changed = true;
}

uint32_t data_keys_durable(const struct data_keys *keys) {
    return keys == NULL ? 0 : __atomic_load_n(&keys->durable, __ATOMIC_ACQUIRE);
}

static void set_durable(struct data_keys *keys) {
    __atomic_store_n(&keys->durable, keys->count, __ATOMIC_RELEASE);
}

// ---- the vault's port ---------------------------------------------------------------------------

static uint64_t key_of(struct text_vault *vault, uint64_t owner) {
    struct data_keys *keys = (struct data_keys *)vault;
    uint64_t number = data_keys_of(keys, owner);
    if (number != 0 && vault_knows(keys->vault, &slot_find(keys, number)->key))
        return number;
    uint32_t random;
    random_fill(&random, sizeof(random));
    lock(keys);
    uint32_t index = keys->count;
    struct slot *slot = slot_add(keys);
    slot->state = SLOT_IN_USE;
    slot->key.number = (uint64_t)(random >> 1) << 32 | index;
    slot->key.owner = owner;
    vault_make(keys->vault, &slot->key);
    slot->crc = slot_crc(slot);
    slot_enter(keys, index);
    number = slot->key.number;
    unlock(keys);
    return number;
}

static void seal(struct text_vault *vault, uint64_t number, struct slice head, uint8_t *place,
                 size_t text_bytes) {
    struct data_keys *keys = (struct data_keys *)vault;
    const struct slot *slot = slot_find(keys, number);
    CHECK(slot != NULL);
    bool is_sealed = vault_seal(keys->vault, &slot->key, head, place, text_bytes);
    CHECK(is_sealed); // key_of has asked
}

static bool unseal(struct text_vault *vault, uint64_t number, struct slice head, uint8_t *place,
                   size_t text_bytes) {
    struct data_keys *keys = (struct data_keys *)vault;
    struct vault_key key = {0};
    lock(keys);
    const struct slot *slot = slot_find(keys, number);
    if (slot != NULL)
        key = slot->key;
    unlock(keys);
    return key.number != 0 && vault_unseal(keys->vault, &key, head, place, text_bytes);
}

struct text_vault *data_keys_vault(struct data_keys *keys) {
    return keys == NULL || keys->vault == NULL ? NULL : &keys->port;
}

void data_keys_forget(struct data_keys *keys, uint64_t number) {
    if (keys == NULL)
        return;
    lock(keys);
    struct slot *slot = slot_find(keys, number);
    if (slot != NULL) {
        if (keys->destroyed_count == keys->destroyed_capacity) {
            keys->destroyed_capacity = keys->destroyed_capacity * 2 + 16;
            keys->destroyed = memory_resize(keys->destroyed, keys->destroyed_capacity *
                                                                 sizeof(*keys->destroyed));
        }
        keys->destroyed[keys->destroyed_count++] = slot_index(keys, number);
        slot->state = SLOT_DESTROYED;
        explicit_bzero(slot->key.wrapped, sizeof(slot->key.wrapped));
        slot->crc = slot_crc(slot);
    }
    unlock(keys);
    if (keys->vault != NULL)
        vault_forget(keys->vault, number);
}

// ---- the file -----------------------------------------------------------------------------------

static enum status write_head(struct data_keys *keys, struct disk_file *file) {
    struct head_bytes head = {.version = 1,
                              .plain_until_ms = keys->plain_until_ms,
                              .lost_until_ms = keys->lost_until_ms,
                              .moved = keys->moved};
    memcpy(head.magic, data_keys_magic, sizeof(data_keys_magic));
    vault_prove(keys->vault, head.proof);
    head.crc = head_crc(&head);
    return file->driver->write(file, 0, slice_of(&head, sizeof(head)));
}

static enum status write_slots(struct data_keys *keys, struct disk_file *file, uint32_t from,
                               uint32_t to) {
    if (from == to)
        return STATUS_ok;
    return file->driver->write(file, from * sizeof(struct slot),
                               slice_of(&keys->slots[from], (to - from) * sizeof(struct slot)));
}

enum status data_keys_flush(struct data_keys *keys) {
    if (keys == NULL || keys->durable == keys->count)
        return STATUS_ok;
    CHECK(keys->file != NULL);
    enum status status = write_slots(keys, keys->file, keys->durable, keys->count);
    if (status == STATUS_ok)
        status = keys->file->driver->sync(keys->file);
    if (status == STATUS_ok)
        set_durable(keys);
    return status;
}

enum status data_keys_settle(struct data_keys *keys) {
    if (keys == NULL || keys->destroyed_count == 0)
        return STATUS_ok;
    CHECK(keys->file != NULL);
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < keys->destroyed_count && status == STATUS_ok; i++)
        status = write_slots(keys, keys->file, keys->destroyed[i], keys->destroyed[i] + 1);
    if (status == STATUS_ok)
        status = keys->file->driver->sync(keys->file);
    if (status == STATUS_ok)
        keys->destroyed_count = 0;
    return status;
}

// The whole file anew under its master, in place of what is there.
static enum status write_all(struct data_keys *keys) {
    const struct disk_driver *driver = keys->disk->driver;
    struct disk_file *file = NULL;
    enum status status = driver->remove(keys->disk, NEW_NAME);
    if (status == STATUS_ok)
        status = driver->open(keys->disk, NEW_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    status = write_head(keys, file);
    if (status == STATUS_ok)
        status = write_slots(keys, file, 1, keys->count);
    if (status == STATUS_ok)
        status = driver->sync(file);
    driver->close(file);
    if (status == STATUS_ok)
        status = driver->rename(keys->disk, NEW_NAME, DATA_KEYS_NAME);
    if (status != STATUS_ok)
        return status;
    driver->close(keys->file);
    keys->file = NULL;
    set_durable(keys);
    return driver->open(keys->disk, DATA_KEYS_NAME, false, &keys->file);
}

enum status data_keys_begin(struct data_keys *keys, bool have_past, uint64_t now_ms, char *ret_why,
                            size_t why_bytes) {
    if (keys == NULL)
        return STATUS_ok;
    enum status status = STATUS_ok;
    bool is_new = keys->file == NULL;
    if (is_new)
        keys->plain_until_ms = have_past ? now_ms : 0;
    if (is_new || keys->head_changed) {
        status = write_all(keys);
        if (status == STATUS_ok && is_new)
            log_line(LOG_INFO, "vault", "Texts are encrypted from now on%s.",
                     have_past ? "; those written before stay plain" : "");
    }
    if (status == STATUS_ok)
        status = data_keys_settle(keys); // what the replay found destroyed
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes, "the file \"" DATA_KEYS_NAME "\" cannot be written (%s)",
                       status_name(status));
    return status;
}

// ---- opening ------------------------------------------------------------------------------------

static enum status read_head(struct data_keys *keys, struct head_bytes *ret_head) {
    size_t size = 0;
    const struct disk_driver *driver = keys->file->driver;
    enum status status = driver->read(keys->file, 0, ret_head, sizeof(*ret_head), &size);
    if (status != STATUS_ok)
        return status;
    if (size != sizeof(*ret_head) || !head_holds(ret_head))
        return STATUS_damaged;
    keys->moved = ret_head->moved;
    keys->plain_until_ms = ret_head->plain_until_ms;
    keys->lost_until_ms = ret_head->lost_until_ms;
    return STATUS_ok;
}

static enum status read_slots(struct data_keys *keys) {
    uint64_t bytes;
    const struct disk_driver *driver = keys->file->driver;
    enum status status = driver->size(keys->file, &bytes);
    uint64_t count = bytes / sizeof(struct slot);
    for (uint64_t i = 1; status == STATUS_ok && i < count; i++) {
        size_t size = 0;
        struct slot *slot = slot_add(keys);
        status = driver->read(keys->file, i * sizeof(*slot), slot, sizeof(*slot), &size);
        if (status == STATUS_ok &&
            (size != sizeof(*slot) || !slot_holds(slot, i, keys->moved)))
            memset(slot, 0, sizeof(*slot));
        if (slot->state != 0)
            slot_enter(keys, (uint32_t)i);
    }
    set_durable(keys);
    if (status == STATUS_ok)
        moved_enter(keys);
    return status;
}

// The file is under the old master: every key is taken over.
static enum status exchange(struct data_keys *keys, const struct master_key *old_master,
                            const struct head_bytes *head) {
    struct vault *old = vault_open(old_master);
    enum status status = vault_check(old, head->proof) ? STATUS_ok : STATUS_invalid_request;
    uint32_t done = 0;
    for (uint32_t i = 1; status == STATUS_ok && i < keys->count; i++) {
        struct slot *slot = &keys->slots[i];
        if (slot->state != SLOT_IN_USE)
            continue;
        if (!vault_rewrap(keys->vault, old, &slot->key))
            status = STATUS_damaged;
        slot->crc = slot_crc(slot);
        done++;
    }
    vault_close(old);
    if (status == STATUS_ok)
        status = write_all(keys);
    if (status == STATUS_ok)
        log_line(LOG_INFO, "vault",
                 "%u data keys are under the new master key; the old one can be destroyed.", done);
    return status;
}

static enum status load(struct data_keys *keys, const struct vault_masters *masters, char *ret_why,
                        size_t why_bytes) {
    struct head_bytes head;
    enum status status = read_head(keys, &head);
    if (status == STATUS_ok)
        status = read_slots(keys);
    if (status == STATUS_ok && masters != NULL && !vault_check(keys->vault, head.proof))
        status = masters->has_old ? exchange(keys, &masters->old, &head) : STATUS_invalid_request;
    if (status == STATUS_invalid_request)
        (void)snprintf(ret_why, why_bytes,
                       "the master key is not the one that the file \"" DATA_KEYS_NAME
                       "\" is under; give the right one%s",
                       masters->has_old ? ", the old master key is not it either" : "");
    else if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes,
                       "the file \"" DATA_KEYS_NAME
                       "\" does not hold or cannot be read (%s); without it encrypted texts are "
                       "lost: restore it from a backup",
                       status_name(status));
    return status;
}

enum status data_keys_open(struct disk *disk, const struct vault_masters *masters,
                           bool without_texts, char *ret_why, size_t why_bytes,
                           struct data_keys **ret_keys) {
    struct disk_file *file = NULL;
    *ret_keys = NULL;
    enum status status = disk->driver->open(disk, DATA_KEYS_NAME, false, &file);
    if (status != STATUS_ok && status != STATUS_not_found) {
        (void)snprintf(ret_why, why_bytes, "the file \"" DATA_KEYS_NAME "\" cannot be opened (%s)",
                       status_name(status));
        return status;
    }
    if (masters == NULL && status == STATUS_not_found)
        return STATUS_ok;
    if (masters == NULL && !without_texts) {
        disk->driver->close(file);
        (void)snprintf(ret_why, why_bytes,
                       "these books are encrypted and the master key is missing; name its file in "
                       "the configuration (encryption.master_key_file) or give FLORIN_MASTER_KEY");
        return STATUS_invalid_request;
    }
    struct data_keys *keys = memory_take_zeroed(sizeof(*keys));
    *keys = (struct data_keys){.port = {.key_of = key_of, .seal = seal, .unseal = unseal},
                               .disk = disk,
                               .file = file,
                               .vault = masters == NULL ? NULL : vault_open(&masters->master)};
    CHECK(pthread_mutex_init(&keys->lock, NULL) == 0);
    (void)slot_add(keys); // the head's
    keys->durable = 1;
    status = file == NULL ? STATUS_ok : load(keys, masters, ret_why, why_bytes);
    if (status != STATUS_ok) {
        data_keys_close(keys);
        return status;
    }
    *ret_keys = keys;
    return STATUS_ok;
}

void data_keys_close(struct data_keys *keys) {
    if (keys == NULL)
        return;
    keys->disk->driver->close(keys->file);
    vault_close(keys->vault);
    (void)pthread_mutex_destroy(&keys->lock); // nobody holds it
    memory_free(keys->slots);
    memory_free(keys->table);
    memory_free(keys->moved_table);
    memory_free(keys->destroyed);
    memory_free(keys);
}

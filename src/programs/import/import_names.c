// SPDX-License-Identifier: MIT
// Entries lie one after another and never move relative to each other, so a name's number stays; a
// table of numbers at most half full finds them by hash.
#include "programs/import/import_names.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"

#define NAMES_ID_BYTES_MAX 38 // the longest id of Florin has 34
#define NAMES_SLOTS_MIN 1024

struct entry {
    struct digest128 hash;
    uint64_t line;
    uint8_t state; // enum import_name_state
    uint8_t id_size;
    char id[NAMES_ID_BYTES_MAX];
};
_Static_assert(sizeof(struct entry) == 64, "an entry is one cache line");

struct import_names {
    struct entry *entries; // owned
    uint32_t *slots;       // owned; number of an entry plus one, or zero
    uint32_t entry_count;
    uint32_t entry_capacity;
    uint32_t slot_count; // a power of two, at least twice entry_count
};

struct import_names *import_names_open(void) {
    struct import_names *names = memory_take_zeroed(sizeof(*names));
    names->slot_count = NAMES_SLOTS_MIN;
    names->slots = memory_take_zeroed(NAMES_SLOTS_MIN * sizeof(names->slots[0]));
    return names;
}

void import_names_close(struct import_names *names) {
    if (names == NULL)
        return;
    memory_free(names->entries);
    memory_free(names->slots);
    memory_free(names);
}

// The slot where a name stands, or the free one where it would.
static uint32_t *names_slot(const struct import_names *names, struct digest128 hash) {
    uint32_t mask = names->slot_count - 1;
    for (uint32_t at = (uint32_t)hash.low & mask;; at = (at + 1) & mask) {
        uint32_t number = names->slots[at];
        if (number == 0 || digest128_equal(names->entries[number - 1].hash, hash))
            return &names->slots[at];
    }
}

static void names_grow(struct import_names *names) {
    if (names->entry_count == names->entry_capacity) {
        CHECK(names->entry_capacity < UINT32_MAX / 4);
        names->entry_capacity =
            names->entry_capacity == 0 ? NAMES_SLOTS_MIN / 2 : names->entry_capacity * 2;
        names->entries =
            memory_resize(names->entries, names->entry_capacity * sizeof(names->entries[0]));
    }
    if (names->entry_count < names->slot_count / 2)
        return;
    memory_free(names->slots);
    names->slot_count *= 2;
    names->slots = memory_take_zeroed(names->slot_count * sizeof(names->slots[0]));
    for (uint32_t number = 1; number <= names->entry_count; number++)
        *names_slot(names, names->entries[number - 1].hash) = number;
}

uint32_t import_names_find(const struct import_names *names, struct slice name) {
    uint32_t number = *names_slot(names, hash128(name, 0));
    return number == 0 ? IMPORT_NO_NAME : number - 1;
}

uint32_t import_names_add(struct import_names *names, struct slice name, uint64_t line,
                          bool is_wallet) {
    names_grow(names);
    struct digest128 hash = hash128(name, 0);
    uint32_t *slot = names_slot(names, hash);
    CHECK(*slot == 0);
    names->entries[names->entry_count] = (struct entry){
        .hash = hash,
        .line = line,
        .state = is_wallet ? IMPORT_NAME_OPENING : IMPORT_NAME_WAITING,
    };
    *slot = ++names->entry_count;
    return names->entry_count - 1;
}

bool import_names_set_made(struct import_names *names, uint32_t name, struct slice id) {
    CHECK(name < names->entry_count);
    if (id.size == 0 || id.size > NAMES_ID_BYTES_MAX)
        return false;
    struct entry *entry = &names->entries[name];
    memcpy(entry->id, id.bytes, id.size);
    entry->id_size = (uint8_t)id.size;
    entry->state = IMPORT_NAME_MADE;
    return true;
}

void import_names_set_refused(struct import_names *names, uint32_t name) {
    CHECK(name < names->entry_count);
    names->entries[name].state = IMPORT_NAME_REFUSED;
}

enum import_name_state import_names_state(const struct import_names *names, uint32_t name) {
    CHECK(name < names->entry_count);
    return names->entries[name].state;
}

struct slice import_names_id(const struct import_names *names, uint32_t name) {
    CHECK(name < names->entry_count);
    CHECK(names->entries[name].state == IMPORT_NAME_MADE);
    return slice_of(names->entries[name].id, names->entries[name].id_size);
}

uint64_t import_names_line(const struct import_names *names, uint32_t name) {
    CHECK(name < names->entry_count);
    return names->entries[name].line;
}

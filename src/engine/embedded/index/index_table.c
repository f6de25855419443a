// SPDX-License-Identifier: MIT
// The order of stores is what makes readers safe without a lock: a slot's value is stored last
// (release) and loaded first (acquire), so whoever sees a value sees its fingerprint and the nodes
// it leads to. A put that is taken back was never below a reader's bound, so a reader may see it or
// not. But the node of such a put is used again, maybe under another fingerprint, while a reader is
// on its way through it; therefore taking back counts up, and a reader that sees the count changed
// after it has read a node starts again from the slot.
#include "engine/embedded/index/index_table.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/embedded/index/index_pages.h"

#define INDEX_NODE_FLAG (UINT64_C(1) << 63)

_Static_assert(sizeof(struct index_slot) == 16, "four slots fill a cache line");
_Static_assert(sizeof(struct index_node) == 24, "a node has no padding");

static size_t index_table_slot_bytes(const struct index_table *table) {
    return (table->slot_count + INDEX_TABLE_PROBES_MAX + 1) * sizeof(struct index_slot);
}

// Counters have one writer; plain steps are enough, and nobody else's sums are torn.
static void index_table_count(_Atomic uint64_t *counter, int64_t change) {
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + (uint64_t)change, memory_order_relaxed);
}

static uint64_t index_table_nodes(const struct index_table *table) {
    return atomic_load_explicit(&table->node_count, memory_order_relaxed);
}

// Half of the entries a table can take may come under fingerprints that it has already; each first
// one needs two nodes.
static size_t index_table_node_capacity(const struct index_table *table) {
    return table->slot_count;
}

static size_t index_table_node_bytes(const struct index_table *table) {
    return index_table_node_capacity(table) * sizeof(struct index_node);
}

struct index_table *index_table_open(uint64_t slot_count) {
    CHECK(slot_count >= INDEX_TABLE_SLOTS_MIN && slot_count <= INDEX_TABLE_SLOTS_MAX);
    CHECK((slot_count & (slot_count - 1)) == 0);
    struct index_table *table = memory_take_zeroed(sizeof(*table));
    table->slot_count = slot_count;
    table->shift = (uint32_t)__builtin_clzll(slot_count) + 1;
    table->slots = index_pages_take(index_table_slot_bytes(table));
    table->nodes = index_pages_reserve(index_table_node_bytes(table));
    table->node_count = 1;
    return table;
}

void index_table_touch(struct index_table *table) {
    index_pages_touch(table->slots, index_table_slot_bytes(table));
}

void index_table_clear(struct index_table *table) {
    CHECK(table->references == 0);
    memset(table->slots, 0, index_table_slot_bytes(table));
    table->node_count = 1;
    table->slot_used = 0;
    table->entry_count = 0;
    table->next = NULL;
}

void index_table_close(struct index_table *table) {
    if (table == NULL)
        return;
    CHECK(table->references == 0);
    index_pages_give(table->slots, index_table_slot_bytes(table));
    index_pages_give(table->nodes, index_table_node_bytes(table));
    memory_free(table);
}

size_t index_table_bytes(const struct index_table *table) {
    return index_table_slot_bytes(table) + index_table_nodes(table) * sizeof(struct index_node);
}

uint64_t index_table_entries(const struct index_table *table) {
    return atomic_load_explicit(&table->entry_count, memory_order_relaxed);
}

// The number of a new node in front of `next` (0: none). Jumps follow the skew-binary scheme (Myers
// 1983): wherever one stands, some number of jumps and steps logarithmic in the length leads to any
// older node.
static uint32_t index_table_add_node(struct index_table *table, uint64_t position, uint32_t next) {
    uint32_t number = (uint32_t)index_table_nodes(table);
    index_table_count(&table->node_count, 1);
    struct index_node *node = &table->nodes[number];
    uint32_t jump = 0;
    node->depth = 1;
    if (next != 0) {
        uint32_t middle =
            (uint32_t)table->nodes[next].links; // 0 leads to number 0, which has no links
        uint32_t far = (uint32_t)table->nodes[middle].links;
        uint32_t near_length = table->nodes[next].depth - table->nodes[middle].depth;
        uint32_t far_length = table->nodes[middle].depth - table->nodes[far].depth;
        jump = near_length == far_length ? far : next;
        node->depth = table->nodes[next].depth + 1;
    }
    atomic_store_explicit(&node->position, position, memory_order_release);
    atomic_store_explicit(&node->links, (uint64_t)next << 32 | jump, memory_order_release);
    return number;
}

// Puts another position under a fingerprint that has a slot.
static bool index_table_put_again(struct index_table *table, struct index_slot *slot,
                                  uint64_t value, uint64_t position) {
    if (index_table_nodes(table) + 2 > index_table_node_capacity(table))
        return false;
    uint32_t next = (uint32_t)value;
    if ((value & INDEX_NODE_FLAG) == 0) {
        CHECK(value <= position);
        next = index_table_add_node(table, value, 0);
    } else {
        CHECK(table->nodes[next].position <= position);
    }
    uint32_t number = index_table_add_node(table, position, next);
    atomic_store_explicit(&slot->value, INDEX_NODE_FLAG | number, memory_order_release);
    return true;
}

bool index_table_put(struct index_table *table, uint64_t fingerprint, uint64_t position,
                     struct index_table_undo *ret_undo) {
    CHECK(position != 0 && position <= INDEX_POSITION_MAX);
    uint64_t home = fingerprint >> table->shift;
    for (uint64_t i = home; i < home + INDEX_TABLE_PROBES_MAX; i++) {
        struct index_slot *slot = &table->slots[i];
        uint64_t value = atomic_load_explicit(&slot->value, memory_order_relaxed);
        if (value == 0) {
            if (table->slot_used >= table->slot_count / 2)
                return false;
            atomic_store_explicit(&slot->fingerprint, fingerprint, memory_order_relaxed);
            atomic_store_explicit(&slot->value, position, memory_order_release);
            table->slot_used++;
        } else if (atomic_load_explicit(&slot->fingerprint, memory_order_relaxed) != fingerprint) {
            continue;
        } else if (!index_table_put_again(table, slot, value, position)) {
            return false;
        }
        index_table_count(&table->entry_count, 1);
        *ret_undo = (struct index_table_undo){.table = table, .slot = i, .value = value};
        return true;
    }
    return false; // too crowded here
}

void index_table_take_back(const struct index_table_undo *undo) {
    struct index_table *table = undo->table;
    struct index_slot *slot = &table->slots[undo->slot];
    uint64_t now = atomic_load_explicit(&slot->value, memory_order_relaxed);
    CHECK(index_table_entries(table) > 0);
    CHECK(now != undo->value);
    if (undo->value == 0) {
        CHECK((now & INDEX_NODE_FLAG) == 0);
        table->slot_used--;
    } else {
        CHECK((now & INDEX_NODE_FLAG) != 0);
        CHECK((uint32_t)now == index_table_nodes(table) - 1); // the last put
        index_table_count(&table->node_count, (undo->value & INDEX_NODE_FLAG) != 0 ? -1 : -2);
    }
    atomic_store_explicit(&slot->value, undo->value, memory_order_release);
    // Between the slot, which no longer leads to the node, and the node's next use: a reader that
    // came by the old way counts from before, one that counts from now on cannot come that way.
    uint64_t undo_count = atomic_load_explicit(&table->undo_count, memory_order_relaxed);
    atomic_store_explicit(&table->undo_count, undo_count + 1, memory_order_release);
    index_table_count(&table->entry_count, -1);
}

// The newest position below `below` in the chain from node `number` on, or 0. False when nodes on
// the way may have been used again since `undo_count` was read.
static bool index_table_walk(const struct index_table *table, uint32_t number, uint64_t below,
                             uint64_t undo_count, uint64_t *ret_position) {
    uint64_t position = 0;
    while (number != 0) {
        const struct index_node *node = &table->nodes[number];
        position = atomic_load_explicit(&node->position, memory_order_acquire);
        uint64_t links = atomic_load_explicit(&node->links, memory_order_acquire);
        uint32_t next = (uint32_t)(links >> 32);
        uint32_t jump = (uint32_t)links;
        if (position >= below && jump != 0 && jump != next &&
            atomic_load_explicit(&table->nodes[jump].position, memory_order_acquire) >= below)
            next = jump;
        if (atomic_load_explicit(&table->undo_count, memory_order_relaxed) != undo_count)
            return false;
        if (position < below)
            break;
        position = 0;
        number = next;
    }
    *ret_position = position;
    return true;
}

uint64_t index_table_find(const struct index_table *table, uint64_t fingerprint, uint64_t below) {
    const struct index_slot *slot = &table->slots[fingerprint >> table->shift];
    for (;;) {
        uint64_t undo_count = atomic_load_explicit(&table->undo_count, memory_order_acquire);
        uint64_t value = atomic_load_explicit(&slot->value, memory_order_acquire);
        if (value == 0)
            return 0;
        if (atomic_load_explicit(&slot->fingerprint, memory_order_relaxed) != fingerprint) {
            slot++;
            continue;
        }
        if ((value & INDEX_NODE_FLAG) == 0)
            return value < below ? value : 0;
        uint64_t position;
        if (index_table_walk(table, (uint32_t)value, below, undo_count, &position))
            return position;
    }
}

void index_table_reader_init(struct index_table_reader *reader, const struct index_table *table) {
    *reader = (struct index_table_reader){.table = table};
}

void index_table_reader_done(struct index_table_reader *reader) {
    memory_free(reader->cluster);
    reader->cluster = NULL;
}

// Takes the next run of used slots and sorts it. All fingerprints at home in it lie in it, so
// clusters in order of their slots are in order of their fingerprints.
static bool index_table_read_cluster(struct index_table_reader *reader) {
    const struct index_table *table = reader->table;
    uint64_t slot = reader->slot;
    uint64_t end = table->slot_count + INDEX_TABLE_PROBES_MAX + 1;
    while (slot < end && atomic_load_explicit(&table->slots[slot].value, memory_order_relaxed) == 0)
        slot++;
    reader->cluster_count = 0;
    reader->cluster_next = 0;
    for (; slot < end; slot++) {
        uint64_t value = atomic_load_explicit(&table->slots[slot].value, memory_order_relaxed);
        uint64_t fingerprint =
            atomic_load_explicit(&table->slots[slot].fingerprint, memory_order_relaxed);
        if (value == 0)
            break;
        if (reader->cluster_count == reader->cluster_capacity) {
            reader->cluster_capacity =
                reader->cluster_capacity == 0 ? 256 : reader->cluster_capacity * 2;
            reader->cluster = memory_resize(reader->cluster,
                                            reader->cluster_capacity * sizeof(reader->cluster[0]));
        }
        uint32_t place = reader->cluster_count++;
        for (; place > 0 && reader->cluster[place - 1].fingerprint > fingerprint; place--)
            reader->cluster[place] = reader->cluster[place - 1];
        reader->cluster[place] =
            (struct index_entry){.fingerprint = fingerprint, .position = value};
    }
    reader->slot = slot;
    return reader->cluster_count > 0;
}

size_t index_table_read(struct index_table_reader *reader, struct index_entry *ret_entries,
                        size_t capacity) {
    size_t count = 0;
    while (count < capacity) {
        if (reader->value == 0) {
            if (reader->cluster_next == reader->cluster_count && !index_table_read_cluster(reader))
                break;
            const struct index_entry *entry = &reader->cluster[reader->cluster_next++];
            reader->fingerprint = entry->fingerprint;
            reader->value = entry->position;
        }
        uint64_t position = reader->value;
        reader->value = 0;
        if ((position & INDEX_NODE_FLAG) != 0) {
            const struct index_node *node = &reader->table->nodes[(uint32_t)position];
            uint32_t next =
                (uint32_t)(atomic_load_explicit(&node->links, memory_order_relaxed) >> 32);
            position = atomic_load_explicit(&node->position, memory_order_relaxed);
            reader->value = next == 0 ? 0 : INDEX_NODE_FLAG | next;
        }
        ret_entries[count++] =
            (struct index_entry){.fingerprint = reader->fingerprint, .position = position};
    }
    return count;
}

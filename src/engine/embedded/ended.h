// SPDX-License-Identifier: MIT
// What has ended leaves memory. A hold or withdrawal that is over never changes again and is seldom
// read, so some time after its end its bytes lie in a file beside the checkpoint, and the same
// addresses are read from there: nobody who looks for it sees a difference, and the kernel keeps of
// it what is asked for.
//
// It goes by chunks of neighbours: those of a table's items that all have ended. A chunk is seen to
// be over when one checkpoint is made, and leaves with a later one whose landmark lies behind that
// moment; so no replay ever has to change it.
//
// The file, e.g. "ended.holds", little endian: chunk n at offset n * ENDED_CHUNK_ITEMS * item size,
// its items as they lie in memory, item 0 of the table zero. Chunks that have not left are holes or
// what an earlier life of the books has left. Which of them count, and the CRC32C of each, stands
// in the checkpoint, which is only written when they are durable (checkpoint.c, C4).
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"
#include "engine/embedded/state/table.h"

#define ENDED_CHUNK_ITEMS 256
// Stretches of memory that lie in the file: a process may have 65,530 of both kinds.
#define ENDED_STRETCHES_MAX 8192

struct ended_kind {
    const char *name; // of the file
    uint32_t sequence_offset;
    bool (*is_over)(const void *item);
    void (*calm)(void *item); // clears what only counts while it is alive: sequence, list
};

// A chunk that has left, as a checkpoint has it.
struct ended_chunk {
    uint32_t number;
    uint32_t crc; // CRC32C of its bytes in the file
};

enum ended_place { ENDED_IN_MEMORY, ENDED_SEEN, ENDED_WRITTEN, ENDED_AWAY };

// One of a table's; the keeper's, once the books are open.
struct ended {
    const struct ended_kind *kind;
    const struct table *table;
    struct disk_file *file; // owned; NULL: not opened yet
    uint32_t capacity;      // chunks that the arrays have room for
    uint8_t *places;        // owned: enum ended_place of each chunk
    uint32_t *crcs;         // owned
    uint64_t *seen;         // owned: the journal's end when it was over; 0: that is not known yet
    uint32_t away_count;    // atomic: others want to know
    uint32_t stretch_count;
};

extern const struct ended_kind ended_kind_holds, ended_kind_withdrawals;

// The item's size times ENDED_CHUNK_ITEMS is a multiple of a page. Thread: one, at the start.
void ended_init(struct ended *ended, const struct ended_kind *kind, const struct table *table);
void ended_done(struct ended *ended);
void ended_forget(struct ended *ended); // the table is empty again: nothing has left it

static inline bool ended_is_away(const struct ended *ended, uint32_t index) {
    uint32_t chunk = index / ENDED_CHUNK_ITEMS;
    return chunk < ended->capacity && ended->places[chunk] == ENDED_AWAY;
}
// The end (exclusive) of the items from `index` on that are away like it, or like it in memory.
uint32_t ended_stretch(const struct ended *ended, uint32_t index, uint32_t end);

// Bytes that the table's items have in memory. Thread: any.
uint64_t ended_memory_bytes(const struct ended *ended);

// The steps of a checkpoint. Thread: the keeper.
// Chunks that were seen before `landmark` leave. Those that cannot stay; why is returned.
MUST_CHECK enum status ended_leave(struct ended *ended, struct disk *disk, uint64_t landmark);
// Looks which chunks are over by now...
void ended_look(struct ended *ended);
// ...and learns, once everything that it saw is durable, where the journal ends.
void ended_note(struct ended *ended, uint64_t end);
// Those that are away, in order; room for away_count.
uint32_t ended_chunks(const struct ended *ended, struct ended_chunk *ret_chunks);

// At the start, when the table has its items, all of them zero: lays the file's chunks in their
// places. STATUS_damaged: they are not what the checkpoint says.
MUST_CHECK enum status ended_load(struct ended *ended, struct disk *disk,
                                  const struct ended_chunk *chunks, uint32_t count);

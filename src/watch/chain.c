// SPDX-License-Identifier: MIT
// What is published never changes, so a reader of cold files may read it under a live server, as
// long as it does not look behind the end that it was given.
#include "watch/chain.h"

#include <stdio.h>

#include "watch/journal_reader.h"

static enum status walk_rounds(struct journal_reader *reader, uint64_t end, struct chain_walk *walk,
                               char *ret_why) {
    struct journal_reader_stand stand;
    struct journal_reader_round round;
    enum status status = STATUS_ok;
    journal_reader_limit(reader, end);
    for (journal_reader_stand(reader, &stand); status == STATUS_ok && stand.bytes_done < end;
         journal_reader_stand(reader, &stand)) {
        if (atomic_load_explicit(&walk->cancelled, memory_order_relaxed))
            return STATUS_busy;
        status = journal_reader_next(reader, ret_why, &round);
        walk->round_count = stand.round_count;
        atomic_store_explicit(&walk->thousandths,
                              (unsigned)(stand.bytes_done / (end / 1000 + 1)),
                              memory_order_relaxed);
    }
    walk->round_count = stand.round_count;
    return status == STATUS_end && stand.bytes_done >= end ? STATUS_ok : status;
}

enum status chain_walk_journal(struct disk *disk, uint64_t end, struct chain_walk *walk) {
    char why[JOURNAL_READER_WHY_BYTES] = "";
    struct journal_reader *reader = NULL;
    walk->holds = true;
    walk->round_count = 0;
    enum status status = journal_reader_open(disk, why, &reader);
    if (status == STATUS_ok)
        status = walk_rounds(reader, end, walk, why);
    if (status == STATUS_end) { // less is there than was published
        status = STATUS_damaged;
        (void)snprintf(why, sizeof(why), "the journal ends before position %llu",
                       (unsigned long long)end);
    }
    if (status == STATUS_damaged) {
        walk->holds = false;
        (void)snprintf(walk->message, sizeof(walk->message), "The chain is broken: %s", why);
    }
    journal_reader_close(reader);
    return status == STATUS_damaged ? STATUS_ok : status;
}

// SPDX-License-Identifier: MIT
// Open addressing over entries of 45 bits of place and 19 bits of tag. The home slot comes from the
// hash's upper bits and the tag from its lower ones, so about one in half a million probes asks for
// a record in vain.
#include "watch/tally_seen.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define TAG_BITS 19
#define TAG_MASK ((UINT64_C(1) << TAG_BITS) - 1)

void tally_seen_init(struct tally_seen *seen, uint64_t count_max) {
    *seen = (struct tally_seen){.slot_count = count_max + count_max / 3 + 16};
    seen->slots = memory_take_zeroed(seen->slot_count * sizeof(*seen->slots));
}

void tally_seen_done(struct tally_seen *seen) {
    memory_free(seen->slots);
    *seen = (struct tally_seen){0};
}

bool tally_seen_is_full(const struct tally_seen *seen) {
    return seen->count + 1 >= seen->slot_count;
}

bool tally_seen_add(struct tally_seen *seen, uint64_t hash, uint64_t position,
                    bool (*same)(void *context, uint64_t position), void *context) {
    uint64_t slot = (uint64_t)((unsigned __int128)hash * seen->slot_count >> 64);
    CHECK(position % 8 == 0 && position >> 48 == 0);
    CHECK(position != 0 && seen->count < seen->slot_count - 1);
    for (; seen->slots[slot] != 0; slot = slot + 1 == seen->slot_count ? 0 : slot + 1) {
        uint64_t entry = seen->slots[slot];
        if ((entry & TAG_MASK) == (hash & TAG_MASK) && same(context, entry >> TAG_BITS << 3))
            return true;
    }
    seen->slots[slot] = position >> 3 << TAG_BITS | (hash & TAG_MASK);
    seen->count++;
    return false;
}

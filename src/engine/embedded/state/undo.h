// SPDX-License-Identifier: MIT
// What an atomic batch has changed, so that it can be taken back as if it had never been. Items
// stay marked as changing (odd sequence) until the batch ends, so no reader and no checkpoint sees
// them in between.
#pragma once
#include "engine/embedded/state/state.h"

enum undo_kind {
    UNDO_WALLET,
    UNDO_HOLD,
    UNDO_WITHDRAWAL,
    UNDO_REFUND,
    UNDO_CURRENCY,
    UNDO_SPENDING,
    UNDO_HABITS,
    UNDO_PARKED // only ever added: a finding about one of the batch's payments
};

struct undo_entry {
    uint8_t kind;
    bool added; // it did not exist before
    uint32_t index;
    union {
        struct wallet_item wallet;
        struct hold_item hold;
        struct withdrawal_item withdrawal;
        struct refund_item refund;
        struct spending_item spending;
        uint32_t habits; // its place among the copies: they are larger than all others
        struct currency_account currency;
    };
};

struct undo {
    bool active;
    uint64_t transaction_count;
    uint32_t currency_count;
    struct undo_entry *entries; // owned; kept for the next batch
    uint32_t count, capacity;
    struct habits *habits; // owned, likewise
    uint32_t habits_count, habits_capacity;
};

// Thread: the writer, all of them.
void undo_begin(struct undo *undo, struct state *state);
// The same as undo_touch and undo_touched where the item is at hand: most payments change two
// wallets and nobody's batch. True: it is to be saved.
static inline bool undo_begins(const struct undo *undo, uint32_t *sequence) {
    if (*sequence % 2 != 0)
        return false; // saved already by this batch, or freshly added
    table_change_begin(sequence);
    return undo->active;
}
static inline void undo_ends(const struct undo *undo, uint32_t *sequence) {
    if (!undo->active && *sequence % 2 != 0)
        table_change_end(sequence);
}
void undo_save(struct undo *undo, const struct state *state, enum undo_kind kind, uint32_t index);
// Before an item is changed: within a batch it is saved (once), outside only marked as changing.
void undo_touch(struct undo *undo, struct state *state, enum undo_kind kind, uint32_t index);
// After an item was added, before it is filled.
void undo_added(struct undo *undo, struct state *state, enum undo_kind kind, uint32_t index);
// After an item was changed: outside a batch the mark goes; within, it stays until the batch ends.
void undo_touched(struct undo *undo, struct state *state, enum undo_kind kind, uint32_t index);
void undo_keep(struct undo *undo, struct state *state);      // the batch stands
void undo_roll_back(struct undo *undo, struct state *state); // the batch never was
void undo_done(struct undo *undo);

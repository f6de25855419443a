// SPDX-License-Identifier: MIT
// What a command needs of other shards its own finds out, and turns it away with what it lacks; but
// not all of it at once. An operation of an atomic batch whose key was used needs both sides of
// what was done then, and that is looked at when nothing lacks that any of them is to change. So
// what it has been turned away with adds up: with the last of it alone it would come for ever, each
// time without what it brought the time before.
#include "base/check.h"
#include "engine/shards/shards_books.h"

// What came along already it does not lack again; so there is room, but for what nobody needs.
static void add_wallet(struct lacks *lacks, struct id wallet) {
    int place = 0;
    while (place < LACKS_WALLETS && !id_is_zero(lacks->wallets[place]) &&
           !id_equal(lacks->wallets[place], wallet))
        place++;
    if (place < LACKS_WALLETS)
        lacks->wallets[place] = wallet;
}

static const struct lacks *joined(const struct lacks *now, const struct lacks *before,
                                  struct arena *arena) {
    if (now == NULL || before == NULL)
        return now == NULL ? before : now;
    struct lacks *lacks = arena_take(arena, sizeof(*lacks));
    *lacks = *now;
    for (int i = 0; i < LACKS_WALLETS; i++)
        if (!id_is_zero(before->wallets[i]))
            add_wallet(lacks, before->wallets[i]);
    if (lacks->bank_id.size == 0)
        lacks->bank_id = before->bank_id;
    if (id_is_zero(lacks->purchase))
        lacks->purchase = before->purchase;
    return lacks;
}

void piece_note_brings(struct piece *piece, const struct submission *sent, struct arena *arena) {
    bool any = false;
    for (uint32_t i = 0; i < sent->count && !any; i++)
        any = sent->outcomes[i].lacks != NULL;
    piece->brings = NULL;
    if (!any)
        return;
    piece->brings = arena_take(arena, sent->count * sizeof(struct lacks *));
    for (uint32_t i = 0; i < sent->count; i++)
        piece->brings[i] = sent->outcomes[i].lacks;
}

void piece_keep_brings(const struct piece *piece, struct submission *sent, struct arena *arena) {
    bool together = sent->atomic || sent->guarded;
    for (uint32_t i = 0; i < sent->count && piece->brings != NULL; i++) {
        struct outcome *outcome = &sent->outcomes[i];
        if (together ? sent->batch_outcome.elsewhere : outcome->elsewhere)
            outcome->lacks = joined(outcome->elsewhere ? outcome->lacks : NULL, piece->brings[i],
                                    arena);
    }
}

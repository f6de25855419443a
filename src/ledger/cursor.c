// SPDX-License-Identifier: MIT
// The few rules of cursors.
#include "ledger/cursor.h"

#include "base/check.h"

void cursor_check(const struct cursor *cursor) {
    CHECK(cursor->kind < CURSOR_KINDS);
    CHECK(cursor->slot < LIMIT_SLOTS);
    CHECK(cursor_has_slots(cursor->kind) || cursor->slot == 0); // the others have one place
}

enum status cursor_decide(enum cursor_change change, const struct cursor_wish *wish,
                          const struct cursor *now, struct cursor *ret_after) {
    const struct cursor *wanted = &wish->cursor;
    struct cursor after = *now;
    cursor_check(wanted);
    CHECK(wanted->kind == now->kind && wanted->slot == now->slot);
    // Offsets of another cluster, topic or number of partitions mean something else.
    bool is_known = now->source != 0;
    if (change != CURSOR_RESET && is_known &&
        (wanted->source != now->source || wanted->partitions != now->partitions))
        return STATUS_out_of_place;
    if (change == CURSOR_RESET && wanted->epoch != 0 && wanted->epoch != now->epoch)
        return STATUS_fenced;
    if (change == CURSOR_MOVE) {
        if (wanted->epoch != now->epoch)
            return STATUS_fenced;
        if (wish->from != now->next || wanted->next <= now->next)
            return STATUS_out_of_place;
        after.next = wanted->next;
        after.checksum = wanted->checksum;
    } else {
        after.epoch = now->epoch + 1;
        after.source = wanted->source;
        after.partitions = wanted->partitions;
        if (change == CURSOR_CLAIM && now->epoch == 0)
            after.next = wanted->next;
    }
    if (change == CURSOR_RESET) {
        after.next = wanted->next;
        after.checksum = wanted->checksum;
    }
    CHECK(after.epoch > now->epoch || after.next > now->next);
    *ret_after = after;
    return STATUS_ok;
}

void cursor_apply(const struct cursor *after, struct cursor *cursor) {
    cursor_check(after);
    bool is_later = after->epoch > cursor->epoch ||
                    (after->epoch == cursor->epoch && after->next > cursor->next);
    if (is_later)
        *cursor = *after;
}

// SPDX-License-Identifier: MIT
// Up the skips while they stay late enough, else one step back: ledger/history.h says why that is
// logarithmic.
#include "engine/embedded/wallet_history.h"

#include "base/check.h"

bool history_read(struct books *books, struct id wallet, uint64_t position,
                  struct history_entry *ret_entry) {
    const char *why;
    struct slice bytes = journal_read(books->journal, position);
    if (bytes.size == 0 || record_decode(bytes, &ret_entry->record, &why) != STATUS_ok ||
        ret_entry->record.kind != RECORD_TRANSACTION)
        return false;
    ret_entry->position = position;
    const struct transaction_facts *facts = &ret_entry->record.transaction;
    if (id_equal(facts->debit.wallet, wallet))
        ret_entry->side = &facts->debit;
    else if (id_equal(facts->credit.wallet, wallet))
        ret_entry->side = &facts->credit;
    else
        return false;
    CHECK(ret_entry->side->previous < position);
    CHECK(ret_entry->side->skip < position);
    return true;
}

uint64_t history_find(struct books *books, struct id wallet, uint64_t position,
                      uint64_t before_ms) {
    struct history_entry entry, further;
    while (position != 0) {
        bool found = history_read(books, wallet, position, &entry);
        CHECK(found);
        if (entry.record.time_ms < before_ms)
            return position;
        uint64_t skip = entry.side->skip;
        if (skip != 0) {
            found = history_read(books, wallet, skip, &further);
            CHECK(found);
            if (further.record.time_ms >= before_ms) {
                position = skip;
                continue;
            }
        }
        position = entry.side->previous;
    }
    return 0;
}

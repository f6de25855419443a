// SPDX-License-Identifier: MIT
// Records and the versions that they made.
#include "ledger/versions.h"

#include "base/check.h"

// Of a wallet on another shard the record there made the version.
static uint64_t of_transaction(const struct transaction_facts *facts, struct id wallet) {
    const struct posting_side *side =
        id_equal(facts->debit.wallet, wallet) ? &facts->debit : &facts->credit;
    return id_equal(side->wallet, wallet) && !posting_is_elsewhere(side) ? side->version : 0;
}

// Approvals hold nothing, and findings about what was done do not either.
static uint64_t of_parked(const struct parked_facts *facts, struct id wallet) {
    return facts->held != 0 && id_equal(facts->wallet, wallet) ? facts->wallet_version : 0;
}

uint64_t record_makes_version(const struct record *record, struct id wallet) {
    CHECK(!id_is_zero(wallet));
    if (record->arrives && record_is_of_thing(record))
        return 0; // another shard's record made it
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET:
        return id_equal(record->wallet.id, wallet) && !record->wallet.unchanged
                   ? record->wallet.version
                   : 0;
    case RECORD_TRANSACTION: return of_transaction(&record->transaction, wallet);
    case RECORD_HOLD:
        return id_equal(record->hold.wallet, wallet) ? record->hold.wallet_version : 0;
    case RECORD_WITHDRAWAL:
        return id_equal(record->withdrawal.wallet, wallet) ? record->withdrawal.wallet_version : 0;
    case RECORD_PARKED: return of_parked(&record->parked, wallet);
    case RECORD_KEY:
    case RECORD_REFUSAL:
    case RECORD_BATCH:
    case RECORD_CURSOR:
    case RECORD_NOTES:
    case RECORD_DATA_KEY:
    case RECORD_RULES:
    case RECORD_ALARM: return 0;
    }
    UNREACHABLE("a record has a kind");
}

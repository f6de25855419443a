// SPDX-License-Identifier: MIT
// Behind the last record: wallets, holds, withdrawals, refunds, currencies, slots and the row of
// books must be what the tally came to.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "watch/verify_postgres_private.h"

static bool meet_wallet(struct examination *examination, const struct rows *rows) {
    struct id id = rows_id(rows, 0);
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&examination->tally.wallets, id);
    if (index == 0)
        return verify_differs(examination,
                              "there is a wallet that no record opened: number %" PRId64,
                              rows_number(rows, 2));
    const struct tally_wallet *wallet = tally_wallet_at(&examination->tally, index);
    const struct opening_numbered *numbered =
        tally_map_at(&examination->numbers, tally_map_find(&examination->numbers, id));
    const char *const names[] = {"slot",         "number",     "balance",     "held",
                                 "credit_limit", "version",    "status",      "kind and tier",
                                 "transactions", "last",       "level_64",    "level_4096",
                                 "level_262144"};
    const int64_t derived[] = {id_slot(id),
                               (int64_t)numbered->number,
                               wallet->balance,
                               wallet->held,
                               wallet->credit_limit,
                               (int64_t)wallet->version,
                               wallet->status,
                               wallet->kind | wallet->tier << 4,
                               wallet->number,
                               (int64_t)(wallet->last / 8),
                               (int64_t)(wallet->levels[0] / 8),
                               (int64_t)(wallet->levels[1] / 8),
                               (int64_t)(wallet->levels[2] / 8)};
    for (int i = 0; i < 13; i++)
        if (rows_number(rows, i + 1) != derived[i])
            return verify_differs_about(examination, ID_WALLET, id, names[i],
                                        rows_number(rows, i + 1), derived[i]);
    return true;
}

static bool meet_hold(struct examination *examination, const struct rows *rows) {
    struct id id = rows_id(rows, 0);
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&examination->tally.holds, id);
    if (index == 0)
        return verify_differs_about(examination, ID_HOLD, id, "open:", 1, 0);
    const struct tally_hold *hold = tally_map_at(&examination->tally.holds, index);
    if (rows_number(rows, 1) != hold->amount)
        return verify_differs_about(examination, ID_HOLD, id, "amount", rows_number(rows, 1),
                             hold->amount);
    if (rows_number(rows, 2) != hold->captured)
        return verify_differs_about(examination, ID_HOLD, id, "captured", rows_number(rows, 2),
                             hold->captured);
    if (rows_number(rows, 3) != (int64_t)hold->expires_at_ms)
        return verify_differs_about(examination, ID_HOLD, id, "expires_at_ms", rows_number(rows, 3),
                             (int64_t)hold->expires_at_ms);
    if (!id_equal(rows_id(rows, 4), tally_wallet_at(&examination->tally, hold->wallet)->id) ||
        !id_equal(rows_id(rows, 5), hold->merchant))
        return verify_differs_about(examination, ID_HOLD, id, "other wallets:", 1, 0);
    return true;
}

static bool meet_withdrawal(struct examination *examination, const struct rows *rows) {
    struct id id = rows_id(rows, 0);
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&examination->tally.withdrawals, id);
    if (index == 0)
        return verify_differs_about(examination, ID_WITHDRAWAL, id, "pending:", 1, 0);
    const struct tally_withdrawal *ours = tally_map_at(&examination->tally.withdrawals, index);
    if (rows_number(rows, 1) != ours->amount)
        return verify_differs_about(examination, ID_WITHDRAWAL, id, "amount", rows_number(rows, 1),
                             ours->amount);
    if (!id_equal(rows_id(rows, 2), tally_wallet_at(&examination->tally, ours->wallet)->id))
        return verify_differs_about(examination, ID_WITHDRAWAL, id, "another wallet:", 1, 0);
    return true;
}

static bool meet_refund(struct examination *examination, const struct rows *rows) {
    struct record record;
    const char *broken;
    struct id id = rows_id(rows, 2); // of one that was refunded before the line
    if (id_is_zero(id) && record_decode(rows_bytes(rows, 1), &record, &broken) == STATUS_ok &&
        record.kind == RECORD_TRANSACTION)
        id = record.transaction.id;
    if (id_is_zero(id))
        return verify_differs(examination, "there are refunds of no purchase");
    uint32_t index = tally_map_find(&examination->tally.purchases, id);
    int64_t refunded = 0;
    if (index != 0)
        refunded = ((const struct tally_purchase *)tally_map_at(&examination->tally.purchases,
                                                                index))->refunded;
    if (rows_number(rows, 0) != refunded)
        return verify_differs_about(examination, ID_TRANSACTION, id, "refunded",
                                    rows_number(rows, 0), refunded);
    return true;
}

static bool meet_slot(struct examination *examination, const struct rows *rows) {
    uint64_t slot = (uint64_t)rows_number(rows, 0);
    const struct opening_head *head = &examination->written[slot % LIMIT_SLOTS];
    if (slot < LIMIT_SLOTS &&
        verify_is_away(examination,
                       slot)) // others have gone on with it, and it may be on its way back
        return true;
    if (slot >= LIMIT_SLOTS || !verify_is_hash(rows_bytes(rows, 1), &head->chain) ||
        (uint64_t)rows_number(rows, 2) != head->last_record ||
        (uint64_t)rows_number(rows, 3) != head->record_count)
        return verify_differs(examination,
                              "the row of slot %" PRIu64 " is not the end of its chain", slot);
    return true;
}

static bool meet_currency(struct examination *examination, const struct rows *rows) {
    struct slice code = rows_bytes(rows, 0);
    for (uint32_t i = 0; i < examination->tally.currency_count; i++) {
        const struct tally_currency *ours = &examination->tally.currencies[i];
        struct buffer deposits = {0}, withdrawals = {0}, transit = {0};
        if (!slice_equal(code, currency_code(&ours->currency)))
            continue;
        buffer_add_i128(&deposits, ours->deposits);
        buffer_add_i128(&withdrawals, ours->withdrawals);
        buffer_add_i128(&transit, ours->transit);
        bool fits = slice_equal(rows_bytes(rows, 1), buffer_slice(&deposits)) &&
                    slice_equal(rows_bytes(rows, 2), buffer_slice(&withdrawals)) &&
                    rows_number(rows, 3) == ours->wallet_count &&
                    rows_number(rows, 4) == ours->currency.exponent &&
                    slice_equal(rows_bytes(rows, 5), buffer_slice(&transit));
        buffer_done(&transit);
        buffer_done(&deposits);
        buffer_done(&withdrawals);
        return fits ||
               verify_differs(examination, "the totals of %.*s are not what its records add up to",
                              (int)code.size, (const char *)code.bytes);
    }
    // Made for a slot that is still to come.
    if (examination->is_shard && rows_number(rows, 3) == 0 &&
        slice_equal(rows_bytes(rows, 5), SLICE("0")) &&
        slice_equal(rows_bytes(rows, 1), SLICE("0")))
        return true;
    return verify_differs(examination, "no wallet has the currency %.*s", (int)code.size,
                   (const char *)code.bytes);
}

static bool meet_books(struct examination *examination, const struct rows *rows) {
    const struct tally *tally = &examination->tally;
    const char *const names[] = {"last_record",       "record_count", "round_count",
                                 "transaction_count", "wallet_count", "hold_open_count"};
    const uint64_t derived[] = {examination->frame.last_record,  tally->record_count,
                                examination->frame.round_number, tally->transaction_count,
                                tally_count_here(tally, &tally->wallets),
                                 tally_count_here(tally, &tally->holds)};
    if (!verify_is_hash(rows_bytes(rows, 0), &examination->frame.round_chain))
        return verify_differs(examination,
                              "the row of books is not the end of the chain of rounds");
    for (int i = 0; i < 6; i++)
        if ((uint64_t)rows_number(rows, i + 1) != derived[i])
            return verify_differs(examination,
                           "the row of books says %s %" PRId64 ", the records say %" PRIu64,
                           names[i], rows_number(rows, i + 1), derived[i]);
    return true;
}

static void tell_of(struct examination *examination, const char *rows) {
    examination->progress.rows = rows;
    examination->progress.row_count = 0;
    verify_tell(examination);
}

bool verify_meet_rows(struct examination *examination, const char *what, const char *select,
                      uint64_t expected,
                      bool (*meet)(struct examination *examination, const struct rows *rows)) {
    struct rows rows;
    uint64_t count = 0;
    bool fits = true;
    tell_of(examination, what);
    rows_open(&rows, &examination->link, "now", select);
    while (fits && rows.is_there) {
        fits = meet(examination, &rows);
        examination->progress.row_count = ++count;
        if (count % VERIFY_TELLS_EVERY == 0)
            verify_tell(examination);
        if (fits)
            rows_next(&rows);
    }
    rows_close(&rows);
    if (fits && examination->link.why[0] == '\0' && expected != VERIFY_ANY && count != expected)
        fits =
            verify_differs(examination, "there are %" PRIu64 " %s, but %" PRIu64 " in the records",
                           count, what, expected);
    return fits && examination->link.why[0] == '\0';
}

// Doubles: what the select finds. It gives a number first.
static bool meet_none(struct examination *examination, const char *of, const char *what,
                      const char *select) {
    struct rows rows;
    tell_of(examination, of);
    rows_open(&rows, &examination->link, "doubles", select);
    bool fits = !rows.is_there ||
                verify_differs(examination, "%s twice, the second time in record %" PRId64, what,
                        rows_number(&rows, 0));
    rows_close(&rows);
    return fits;
}

static uint64_t refunded_count(const struct tally *tally) {
    uint64_t count = 0;
    for (uint32_t index = 0; (index = tally_map_next(&tally->purchases, index)) != 0;)
        if (!tally_is_away(tally, *(const struct id *)tally_map_at(&tally->purchases, index)))
            count += ((const struct tally_purchase *)tally_map_at(&tally->purchases, index))
                         ->refunded > 0;
    return count;
}

// A row more for each currency that was made for a slot that is still to come.
static uint64_t currency_count(struct examination *examination) {
    struct rows rows;
    uint64_t unused = 0;
    rows_open(&rows, &examination->link, "currency_codes", "SELECT code::bytea FROM currencies");
    for (; rows.is_there; rows_next(&rows)) {
        bool is_known = false;
        for (uint32_t i = 0; i < examination->tally.currency_count; i++)
            is_known = is_known ||
                       slice_equal(rows_bytes(&rows, 0),
                                   currency_code(&examination->tally.currencies[i].currency));
        unused += !is_known;
    }
    rows_close(&rows);
    return examination->tally.currency_count + (examination->is_shard ? unused : 0);
}

void verify_meet_now(struct examination *examination) {
    struct tally *tally = &examination->tally;
    tally_settle_away(tally);
    char refunds[768];
    (void)snprintf(refunds, sizeof(refunds),
                   "SELECT t.refunded, coalesce(r.bytes, k.bytes), substr(o.bytes, 1, 16) "
                   "FROM refunds t " VERIFY_LOOK_UP("records", "r", "t.record")
                   VERIFY_LOOK_UP("kept_records", "k", "t.record")
                   "LEFT JOIN openings o ON o.line = %" PRIu64 " AND o.what = 7 AND "
                   "o.slot = t.slot AND o.number = t.record WHERE t." HERE,
                   examination->from);
    (void)(meet_none(examination, "bank ids", "a bank id is booked",
                     "SELECT max(record) FROM bank_ids GROUP BY bank_id, currency "
                     "HAVING count(*) > 1") &&
           // A slot that has come from another shard may have used a key there that was used here:
           // that is the one reuse that nobody notices.
           meet_none(examination, "idempotency keys",
                     "an idempotency key is used within seven days",
                     "SELECT record FROM (SELECT record, slot, lag(slot) OVER w AS other, "
                     "record - lag(record) OVER w AS gap FROM idempotency "
                     "WINDOW w AS (PARTITION BY key ORDER BY record)) k "
                     "WHERE gap < 7 * 86400000::bigint << 17 AND (slot = other OR NOT EXISTS "
                     "(SELECT FROM slots s WHERE s.slot IN (k.slot, k.other) AND s.epoch > 1))") &&
           // No index says that there are none.
           meet_none(examination, "wallets", "a wallet is there",
                     "SELECT number FROM wallets GROUP BY number, slot HAVING count(*) > 1") &&
           verify_meet_rows(examination, "wallets",
                    "SELECT id, slot::bigint, number, balance, held, credit_limit, version, "
                    "status::bigint, (kind + 16 * tier)::bigint, transaction_count, last, "
                    "level_64, level_4096, level_262144 FROM wallets WHERE " HERE,
                    tally_count_here(tally, &tally->wallets), meet_wallet) &&
           verify_meet_rows(examination, "open holds",
                    "SELECT id, amount, captured, expires_at_ms, wallet, merchant FROM holds "
                    "WHERE status = 0 AND " HERE,
                    tally_count_here(tally, &tally->holds), meet_hold) &&
           verify_meet_rows(examination, "pending withdrawals",
                    "SELECT id, amount, wallet FROM withdrawals WHERE status = 0 AND " HERE,
                    tally_count_here(tally, &tally->withdrawals), meet_withdrawal) &&
           verify_meet_rows(examination, "refunded purchases", refunds, refunded_count(tally),
                    meet_refund) &&
           verify_meet_rows(examination, "currencies",
                    "SELECT code::bytea, deposits::text::bytea, withdrawals::text::bytea, "
                    "wallet_count, exponent::bigint, transit::text::bytea FROM currencies",
                    currency_count(examination), meet_currency) &&
           verify_meet_rows(examination, "slots",
                    "SELECT slot::bigint, chain, last_record, record_count FROM slots", LIMIT_SLOTS,
                    meet_slot) &&
           verify_meet_rows(examination, "rows of books",
                    "SELECT chain, last_record, record_count, round_count, transaction_count, "
                    "wallet_count, hold_open_count FROM books",
                    1, meet_books) &&
           verify_meet_ended(examination));
}

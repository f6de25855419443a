// SPDX-License-Identifier: MIT
// Wallets, keys, remembered refusals and batches, and the adding up. What moves or holds money is
// in tally_money.c and tally_held.c.
#include "watch/tally.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "watch/tally_private.h"

#define KEY_DAYS_MS (UINT64_C(7) * 24 * 3600 * 1000) // how long a key is remembered at least

static_assert(TALLY_RECENT >= LIMIT_BATCH_OPERATIONS_MAX, "a whole batch can be looked back on");

void tally_init(struct tally *tally, const struct tally_source *source) {
    CHECK(source->record_at != NULL);
    memset(tally, 0, sizeof(*tally));
    tally->source = *source;
    tally_map_init(&tally->wallets, sizeof(struct tally_wallet));
    tally_map_init(&tally->holds, sizeof(struct tally_hold));
    tally_map_init(&tally->reviews, sizeof(struct tally_withdrawal));
    tally_map_init(&tally->withdrawals, sizeof(struct tally_withdrawal));
    tally_map_init(&tally->purchases, sizeof(struct tally_purchase));
    tally_map_init(&tally->keys, sizeof(struct tally_key));
    tally->currencies = memory_take_zeroed(TALLY_CURRENCIES_MAX * sizeof(*tally->currencies));
    tally->recent = memory_take_zeroed(TALLY_RECENT * sizeof(*tally->recent));
    if (source->record_count_max != 0) {
        tally_seen_init(&tally->bank_ids, source->record_count_max);
        tally_seen_init(&tally->idempotency_keys, source->record_count_max);
    }
}

void tally_done(struct tally *tally) {
    tally_map_done(&tally->wallets);
    tally_map_done(&tally->holds);
    tally_map_done(&tally->reviews);
    tally_map_done(&tally->withdrawals);
    tally_map_done(&tally->purchases);
    tally_map_done(&tally->keys);
    tally_seen_done(&tally->bank_ids);
    tally_seen_done(&tally->idempotency_keys);
    memory_free(tally->currencies);
    memory_free(tally->recent);
    memset(tally, 0, sizeof(*tally));
}

// ---- telling ------------------------------------------------------------------------------------

static void differs(struct tally *tally, uint32_t check, size_t used, const char *format,
                    va_list arguments) {
    CHECK(used < sizeof(tally->why));
    (void)vsnprintf(tally->why + used, sizeof(tally->why) - used, format, arguments);
    tally->is_broken = true;
    tally->broken_check = check;
}

bool tally_differs(struct tally *tally, uint32_t check, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    differs(tally, check, 0, format, arguments);
    va_end(arguments);
    return false;
}

bool tally_differs_about(struct tally *tally, uint32_t check, enum id_type type, struct id id,
                         const char *format, ...) {
    va_list arguments;
    size_t used = id_format(type, id, tally->why);
    tally->why[used++] = ' ';
    va_start(arguments, format);
    differs(tally, check, used, format, arguments);
    va_end(arguments);
    return false;
}

bool tally_expect(struct tally *tally, uint32_t check, const char *what, struct id wallet,
                  int64_t derived, int64_t found) {
    if (derived == found)
        return true;
    return tally_differs_about(tally, check, ID_WALLET, wallet,
                               "has %s %lld, but the record says %lld", what, (long long)derived,
                               (long long)found);
}

// ---- wallets ------------------------------------------------------------------------------------

static struct tally_currency *find_currency(struct tally *tally, const struct currency *currency,
                                            uint16_t *ret_index) {
    for (uint32_t i = 0; i < tally->currency_count; i++)
        if (currency_equal(&tally->currencies[i].currency, currency)) {
            *ret_index = (uint16_t)i;
            return &tally->currencies[i];
        }
    return NULL;
}

struct tally_currency *tally_currency_of_others(struct tally *tally,
                                                const struct currency *currency) {
    uint16_t index;
    struct tally_currency *account = find_currency(tally, currency, &index);
    if (account == NULL && tally->currency_count == TALLY_CURRENCIES_MAX)
        (void)tally_differs(tally, INTEGRITY_WALLETS, "there are too many currencies");
    else if (account == NULL) {
        account = &tally->currencies[tally->currency_count++];
        account->currency = *currency;
    }
    return account;
}

// The currency of a wallet that is opened: new, or with the exponent that it always had.
static bool take_currency(struct tally *tally, const struct currency *currency,
                          uint16_t *ret_index) {
    struct tally_currency *account = find_currency(tally, currency, ret_index);
    if (!currency_is_given(currency))
        return tally_differs(tally, INTEGRITY_WALLETS, "a wallet has no currency");
    if (account == NULL) {
        if (tally->currency_count == TALLY_CURRENCIES_MAX)
            return tally_differs(tally, INTEGRITY_WALLETS, "there are too many currencies");
        *ret_index = (uint16_t)tally->currency_count;
        account = &tally->currencies[tally->currency_count++];
        account->currency = *currency;
    }
    if (account->currency.exponent != currency->exponent)
        return tally_differs(tally, INTEGRITY_WALLETS, "the exponent of %.12s was %u and is now %u",
                             currency->code, account->currency.exponent, currency->exponent);
    account->wallet_count++;
    return true;
}

bool tally_came_here(const struct tally *tally, struct id id) {
    return tally->source.slots != NULL &&
           tally->position < tally->source.slots->came_before[id_slot(id)];
}

// A wallet that stayed where it was, and is named by what came: nothing is known of it but that.
static uint32_t add_stranger(struct tally *tally, struct id id, const struct currency *currency) {
    uint16_t number = 0;
    if (find_currency(tally, currency, &number) == NULL)
        return 0;
    uint32_t index = tally_map_add(&tally->wallets, id);
    struct tally_wallet *wallet = tally_wallet_at(tally, index);
    wallet->currency = number;
    wallet->kind = WALLET_MERCHANT;
    wallet->status = WALLET_ACTIVE;
    return index;
}

uint32_t tally_find_wallet(struct tally *tally, struct id id, const struct currency *currency) {
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&tally->wallets, id);
    if (index == 0 && tally->is_coming && !id_is_zero(id) && !tally_came_here(tally, id))
        index = add_stranger(tally, id, currency);
    if (index == 0) {
        (void)tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, id, "was never opened");
        return 0;
    }
    const struct currency *known =
        &tally->currencies[tally_wallet_at(tally, index)->currency].currency;
    if (!currency_equal(known, currency) || known->exponent != currency->exponent) {
        (void)tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, id,
                                  "has %.12s, but the record says %.12s", known->code,
                                  currency->code);
        return 0;
    }
    return index;
}

bool tally_id_is_new(struct tally *tally, const struct tally_map *map, enum id_type type,
                     struct id id, uint32_t slot) {
    if (id_is_zero(id) || tally_map_find(map, id) != 0)
        return tally_differs_about(tally, INTEGRITY_POSTINGS, type, id, "is not a new id");
    bool is_of_others = tally->source.is_shard && // another shard has given it, at its own time
                        (tally->record->decided_away || record_arrives(tally->record));
    if (id_time_ms(id) != tally->record->time_ms && !is_of_others)
        return tally_differs_about(tally, INTEGRITY_POSTINGS, type, id,
                                   "was not made at the time of its record");
    if (id_slot(id) != slot)
        return tally_differs_about(tally, INTEGRITY_POSTINGS, type, id, "has slot %u instead of %u",
                                   id_slot(id), slot);
    return true;
}

bool tally_wallet_holds(struct tally *tally, const struct tally_wallet *wallet) {
    if (wallet->balance > LIMIT_AMOUNT_MAX || wallet->balance < -LIMIT_AMOUNT_MAX)
        return tally_differs_about(tally, INTEGRITY_BALANCES, ID_WALLET, wallet->id,
                                   "has a balance out of bounds: %lld", (long long)wallet->balance);
    if (wallet->held < 0 || wallet->held > LIMIT_AMOUNT_MAX)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_WALLET, wallet->id,
                                   "has held money out of bounds: %lld", (long long)wallet->held);
    if (wallet->balance - wallet->held + wallet->credit_limit < 0)
        return tally_differs_about(
            tally, INTEGRITY_BALANCES, ID_WALLET, wallet->id,
            "has spent more than it may: balance %lld, held %lld, credit limit %lld",
            (long long)wallet->balance, (long long)wallet->held, (long long)wallet->credit_limit);
    return true;
}

bool tally_wallet_set(struct tally *tally, struct tally_wallet *wallet, int64_t balance_change,
                      int64_t held_change, int64_t balance, int64_t held, uint64_t version) {
    wallet->balance += balance_change;
    wallet->held += held_change;
    wallet->version++;
    tally->version_count++;
    if (!tally_expect(tally, INTEGRITY_BALANCES, "balance", wallet->id, wallet->balance, balance) ||
        !tally_expect(tally, INTEGRITY_HOLDS, "held money", wallet->id, wallet->held, held) ||
        !tally_expect(tally, INTEGRITY_VERSIONS, "version", wallet->id, (int64_t)wallet->version,
                      (int64_t)version) ||
        !tally_wallet_holds(tally, wallet))
        return false;
    if (tally->source.wallet_changed != NULL)
        tally->source.wallet_changed(tally->source.context, wallet);
    return true;
}

// Nothing but its name was known, from what came before it: its place is kept.
static void forget_stranger(struct tally *tally, struct id id) {
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&tally->wallets, id);
    if (index != 0 && tally_wallet_at(tally, index)->version == 0)
        tally_map_remove(&tally->wallets, index);
}

static bool take_opening(struct tally *tally, const struct wallet_facts *facts) {
    uint16_t currency = 0;
    forget_stranger(tally, facts->id);
    if (!tally_id_is_new(tally, &tally->wallets, ID_WALLET, facts->id,
                         id_slot_of_owner(facts->owner)) ||
        !take_currency(tally, &facts->currency, &currency))
        return false;
    if (facts->balance != 0 || facts->held != 0 || facts->version != 1 || facts->unchanged ||
        facts->status != WALLET_ACTIVE || facts->credit_limit < 0 ||
        facts->credit_limit > LIMIT_AMOUNT_MAX)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, facts->id,
                                   "did not begin empty, active and at version 1");
    struct tally_wallet *wallet = tally_wallet_at(tally, tally_map_add(&tally->wallets, facts->id));
    wallet->currency = currency;
    wallet->kind = facts->kind;
    wallet->tier = facts->tier;
    wallet->status = facts->status;
    wallet->credit_limit = facts->credit_limit;
    return tally_wallet_set(tally, wallet, 0, 0, 0, 0, 1);
}

static bool take_change(struct tally *tally, const struct wallet_facts *facts) {
    uint32_t index = tally_find_wallet(tally, facts->id, &facts->currency);
    if (index == 0)
        return false;
    struct tally_wallet *wallet = tally_wallet_at(tally, index);
    if (facts->kind != wallet->kind || id_slot_of_owner(facts->owner) != id_slot(facts->id))
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, facts->id,
                                   "changed its kind or owner");
    if (facts->credit_limit < 0 || facts->credit_limit > LIMIT_AMOUNT_MAX)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, facts->id,
                                   "has a credit limit out of bounds");
    if (facts->status == WALLET_CLOSED && (wallet->balance != 0 || wallet->held != 0))
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, facts->id,
                                   "was closed with balance %lld and %lld held",
                                   (long long)wallet->balance, (long long)wallet->held);
    if (facts->unchanged) {
        if (facts->status != wallet->status || facts->credit_limit != wallet->credit_limit ||
            facts->tier != wallet->tier)
            return tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, facts->id,
                                       "changed in a change that says it is none");
        return tally_expect(tally, INTEGRITY_VERSIONS, "version", facts->id,
                            (int64_t)wallet->version, (int64_t)facts->version) &&
               tally_expect(tally, INTEGRITY_BALANCES, "balance", facts->id, wallet->balance,
                            facts->balance) &&
               tally_expect(tally, INTEGRITY_HOLDS, "held money", facts->id, wallet->held,
                            facts->held);
    }
    wallet->status = facts->status;
    wallet->tier = facts->tier;
    wallet->credit_limit = facts->credit_limit;
    return tally_wallet_set(tally, wallet, 0, 0, facts->balance, facts->held, facts->version);
}

// ---- keys, refusals, batches --------------------------------------------------------------------

// The secret is new, the one before stays known for the overlap or not at all, the role never
// changes.
static bool take_rotation(struct tally *tally, const struct key_facts *facts,
                          struct tally_key *key) {
    if (key->revoked || facts->revoked || key->role != facts->role)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_KEY, facts->id,
                                   "got another role or was revoked when its secret was changed");
    bool is_new = memcmp(&key->secret_hash, &facts->secret_hash, sizeof(key->secret_hash)) != 0;
    bool keeps = memcmp(&key->secret_hash, &facts->previous_hash, sizeof(key->secret_hash)) == 0;
    if (!is_new || (facts->previous_until_ms != 0 && !keeps))
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_KEY, facts->id,
                                   "did not get a new secret in place of its own");
    key->secret_hash = facts->secret_hash;
    key->expires_at_ms = facts->expires_at_ms;
    return true;
}

static bool take_key(struct tally *tally, const struct key_facts *facts) {
    uint32_t index = tally_map_find(&tally->keys, facts->id);
    tally->key_count++;
    if (tally->record->operation == COMMAND_KEY_CREATE) {
        if (!tally_id_is_new(tally, &tally->keys, ID_KEY, facts->id, id_slot(facts->id)))
            return false;
        if (facts->revoked)
            return tally_differs(tally, INTEGRITY_WALLETS, "a key was born revoked");
        struct tally_key *key = tally_map_at(&tally->keys, tally_map_add(&tally->keys, facts->id));
        key->secret_hash = facts->secret_hash;
        key->expires_at_ms = facts->expires_at_ms;
        key->role = facts->role;
        return true;
    }
    if (tally->record->operation == COMMAND_KEY_ROTATE && index != 0)
        return take_rotation(tally, facts, tally_map_at(&tally->keys, index));
    if (tally->record->operation != COMMAND_KEY_REVOKE || index == 0)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_KEY, facts->id, "was never made");
    struct tally_key *key = tally_map_at(&tally->keys, index);
    if (key->revoked || !facts->revoked)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_KEY, facts->id,
                                   "was revoked twice or not at all");
    if (key->role != facts->role || key->expires_at_ms != facts->expires_at_ms ||
        memcmp(&key->secret_hash, &facts->secret_hash, sizeof(key->secret_hash)) != 0)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_KEY, facts->id,
                                   "changed when it was revoked");
    key->revoked = 1;
    return true;
}

// What an atomic batch did itself stands right in front of it, in order, with what rules found in
// it and what it had to be told between; what it found done before, anywhere earlier.
static bool take_batch(struct tally *tally, const struct batch_facts *facts) {
    uint64_t own = 0, own_seen = 0;
    tally->batch_count++;
    for (uint32_t i = 0; i < facts->count; i++)
        own += (facts->positions.bytes[i * 8] & 1) == 0;
    if (own > tally->recent_count)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "a batch says that it did more than there is");
    for (uint32_t i = 0; i < facts->count; i++) {
        uint64_t position;
        memcpy(&position, facts->positions.bytes + i * 8, sizeof(position));
        bool is_replayed = (position & 1) != 0;
        position &= ~UINT64_C(7);
        if (is_replayed) {
            if (position <= tally->opened_behind)
                continue; // archived, and checked before
            if (position >= tally->position ||
                tally->source.record_at(tally->source.context, position).size == 0)
                return tally_differs(
                    tally, INTEGRITY_POSTINGS,
                    "operation %u of a batch was answered from position %llu, where no record is",
                    i, (unsigned long long)position);
            continue;
        }
        uint64_t expected = tally->recent[(tally->recent_count - own + own_seen++) % TALLY_RECENT];
        if (position != expected)
            return tally_differs(
                tally, INTEGRITY_POSTINGS,
                "operation %u of a batch is at position %llu, but the batch names %llu", i,
                (unsigned long long)expected, (unsigned long long)position);
    }
    return true;
}

static bool take_refusal(struct tally *tally, const struct refusal *facts) {
    tally->refusal_count++;
    // What came through the queue has its refusals of the door remembered too.
    enum status_class class = status_class((enum status)facts->status);
    bool is_remembered =
        status_is_remembered((enum status)facts->status) ||
        (tally->record->queued &&
         (class == STATUS_CLASS_INVALID || class == STATUS_CLASS_DENIED));
    if (!tally->record->has_key || !is_remembered)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "a refusal was remembered that nobody asks for: %s",
                             status_name((enum status)facts->status));
    return true;
}

// Nothing but the house writes them, and a request that moved money is told by its own record.
static bool take_notes(struct tally *tally, const struct notes_facts *facts) {
    tally->note_count += facts->count;
    tally->note_record_count++;
    if (tally->record->operation != COMMAND_NOTE || tally->record->has_key ||
        tally->record->origin.role != ROLE_SYSTEM)
        return tally_differs(tally, INTEGRITY_AUDIT, "notes of the audit were written by a %s",
                             command_type_name((enum command_type)tally->record->operation));
    return true;
}

// Whether the record at `position` came under the same idempotency key so lately that it was still
// remembered.
static bool is_same_key(void *context, uint64_t position) {
    struct tally *tally = context;
    struct record earlier;
    const char *broken;
    struct slice bytes = tally->source.record_at(tally->source.context, position);
    if (bytes.size == 0 || record_decode(bytes, &earlier, &broken) != STATUS_ok)
        return false;
    tally->seen_at = position;
    return earlier.has_key && digest128_equal(earlier.key, tally->record->key) &&
           tally->record->time_ms - earlier.time_ms < KEY_DAYS_MS;
}

static bool take_idempotency_key(struct tally *tally) {
    const struct record *record = tally->record;
    if (tally->source.record_count_max == 0 || !record->has_key ||
        tally_seen_is_full(&tally->idempotency_keys))
        return true;
    if (tally_seen_add(&tally->idempotency_keys, record->key.high, tally->position, is_same_key,
                       tally))
        return tally_differs(tally, INTEGRITY_IDEMPOTENCY,
                             "the idempotency key of this record already has one at position %llu",
                             (unsigned long long)tally->seen_at);
    return true;
}

// Places in logs go forwards, or begin a new epoch.
static bool take_cursor(struct tally *tally, const struct cursor *facts) {
    struct cursor *known = &tally->cursors[cursor_index(facts->kind, facts->slot)];
    bool moved = facts->epoch == known->epoch && facts->next > known->next;
    if (!moved && facts->epoch != known->epoch + 1)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "the place of slot %u in its log went from %llu (epoch %llu) to %llu "
                             "(epoch %llu)",
                             facts->slot, (unsigned long long)known->next,
                             (unsigned long long)known->epoch, (unsigned long long)facts->next,
                             (unsigned long long)facts->epoch);
    *known = *facts;
    return true;
}

// ---- records ------------------------------------------------------------------------------------

static bool take_record(struct tally *tally, const struct record *record) {
    bool is_away = record_is_of_thing(record) && (record->arrives || record->decided_away);
    if (is_away && !tally->source.is_shard)
        return tally_differs(tally, INTEGRITY_POSTINGS, "a record is about another shard");
    if ((is_away && record->arrives) || record_is_told(record))
        return true; // the shard that has it has examined it
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET:
        if (record->operation == COMMAND_WALLET_OPEN)
            return take_opening(tally, &record->wallet);
        return record->operation == COMMAND_WALLET_CHANGE
                   ? take_change(tally, &record->wallet)
                   : tally_differs(tally, INTEGRITY_WALLETS, "a wallet was changed by a %s",
                                   command_type_name((enum command_type)record->operation));
    case RECORD_TRANSACTION: return tally_take_transaction(tally, &record->transaction);
    case RECORD_HOLD: return tally_take_hold(tally, &record->hold);
    case RECORD_WITHDRAWAL: return tally_take_withdrawal(tally, &record->withdrawal);
    case RECORD_KEY: return take_key(tally, &record->api_key);
    case RECORD_PARKED: return tally_take_review(tally, &record->parked);
    case RECORD_ALARM:
    case RECORD_RULES: return true; // they move nothing; what they said stands in findings
    case RECORD_REFUSAL: return take_refusal(tally, &record->refusal);
    case RECORD_BATCH: return take_batch(tally, &record->batch);
    case RECORD_CURSOR: return take_cursor(tally, &record->cursor);
    case RECORD_NOTES: return take_notes(tally, &record->notes);
    case RECORD_DATA_KEY: return true; // no money, and sealed texts are not looked into
    }
    return tally_differs(tally, INTEGRITY_POSTINGS, "a record of no kind");
}

// What a shard that decided a payment says of one of its sides, and what the shard says where that
// side is. The order in which sides are added is anybody's, so it is a sum.
static void add_pair(struct integrity_pairs *pairs, const struct transaction_facts *facts,
                     const struct posting_side *side) {
    const struct posting_side *other = side == &facts->debit ? &facts->credit : &facts->debit;
    const int64_t numbers[] = {facts->amount, side->balance, side->held, (int64_t)side->version,
                               facts->type, facts->currency.exponent};
    const struct slice parts[] = {
        slice_of(facts->id.bytes, sizeof(facts->id.bytes)),
        slice_of(other->wallet.bytes, sizeof(other->wallet.bytes)),
        slice_of(side->wallet.bytes, sizeof(side->wallet.bytes)),
        slice_of(facts->currency.code, sizeof(facts->currency.code)),
        slice_of(numbers, sizeof(numbers))};
    struct digest128 digest = hash128_parts(parts, 5, 0);
    pairs->count++;
    pairs->sums[0] += digest.low;
    pairs->sums[1] += digest.high;
}

static void take_pair(struct tally *tally, const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    if (record->kind != RECORD_TRANSACTION || id_time_ms(facts->id) >= tally->source.pairs_until_ms)
        return;
    const struct posting_side *const sides[] = {&facts->debit, &facts->credit};
    for (int i = 0; i < 2; i++) {
        if (id_is_zero(sides[i]->wallet))
            continue;
        if (record_arrives(record) && !posting_is_elsewhere(sides[i]))
            add_pair(&tally->arrived, facts, sides[i]);
        if (!record_arrives(record) && posting_is_elsewhere(sides[i]))
            add_pair(&tally->departed, facts, sides[i]);
    }
}

bool tally_take(struct tally *tally, uint64_t position, struct slice bytes,
                uint64_t round_time_ms) {
    struct record record;
    const char *broken;
    CHECK(!tally->is_broken);
    bool is_ahead = position > tally->position || tally->record_count == 0;
    tally->position = position;
    if (!is_ahead)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "the record stands before the one that came before it");
    if (record_decode(bytes, &record, &broken) != STATUS_ok)
        return tally_differs(tally, INTEGRITY_POSTINGS, "%s", broken);
    if (round_time_ms != 0 && record.time_ms != round_time_ms)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "the record's time is %llu, its round's %llu",
                             (unsigned long long)record.time_ms, (unsigned long long)round_time_ms);
    if (record.time_ms < tally->time_ms)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "the record is older than the one before it");
    tally->time_ms = record.time_ms;
    tally->record = &record;
    bool holds = take_record(tally, &record) && take_idempotency_key(tally);
    tally->record = NULL;
    take_pair(tally, &record);
    bool is_finding = record.kind == RECORD_PARKED && record.parked.cause == PARKED_FLAGGED;
    if (!is_finding && !record_is_told(&record))
        tally->recent[tally->recent_count++ % TALLY_RECENT] = position;
    tally->record_count++;
    return holds;
}

// ---- slots that moved ---------------------------------------------------------------------------

// Where a slot's commands stand in a log goes on here from where it stood there.
static bool take_came_cursor(struct tally *tally, const struct cursor *facts) {
    return !cursor_is_of_commands(facts->kind) ||
           tally->position >= tally->source.slots->came_before[facts->slot] ||
           take_cursor(tally, facts);
}

// Answers and notes are nobody's: the shard that wrote them has examined them.
static bool take_came(struct tally *tally, const struct record *record) {
    struct id whose = {0};
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION: return take_record(tally, record);
    case RECORD_CURSOR: return take_came_cursor(tally, &record->cursor);
    case RECORD_WALLET: whose = record->wallet.id; break;
    case RECORD_HOLD: whose = record->hold.wallet; break;
    case RECORD_WITHDRAWAL: whose = record->withdrawal.wallet; break;
    case RECORD_PARKED: whose = record->parked.wallet; break;
    default: return true;
    }
    return !tally_came_here(tally, whose) || take_record(tally, record);
}

bool tally_take_came(struct tally *tally, uint64_t position, struct slice bytes) {
    struct record record;
    const char *broken;
    CHECK(!tally->is_broken && tally->source.slots != NULL);
    if (tally->is_settled) // of a slot that is still on its way: all else lay before the sums
        return true;
    if (position <= tally->position)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "the record stands before the one that came before it");
    tally->position = position;
    if (record_decode(bytes, &record, &broken) != STATUS_ok)
        return tally_differs(tally, INTEGRITY_POSTINGS, "%s", broken);
    tally->record = &record;
    tally->is_coming = true;
    bool holds = take_came(tally, &record);
    tally->is_coming = false;
    tally->record = NULL;
    return holds;
}

uint32_t tally_count_here(const struct tally *tally, const struct tally_map *map) {
    uint32_t count = 0;
    if (tally->source.slots == NULL)
        return map->count;
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;)
        count += !tally_is_away(tally, *(const struct id *)tally_map_at(map, index));
    return count;
}

void tally_settle_away(struct tally *tally) {
    if (tally->source.slots == NULL || tally->is_settled)
        return;
    tally->is_settled = true;
    for (uint32_t index = 0; (index = tally_map_next(&tally->wallets, index)) != 0;) {
        const struct tally_wallet *wallet = tally_wallet_at(tally, index);
        struct tally_currency *account = &tally->currencies[wallet->currency];
        if (!tally_is_away(tally, wallet->id) || wallet->version == 0)
            continue; // here, or never more than a name
        account->transit -= wallet->balance;
        account->wallet_count--;
    }
}

// ---- adding up ----------------------------------------------------------------------------------

static const struct integrity_check checks[INTEGRITY_CHECKS] = {
    [INTEGRITY_BALANCES] =
        {.name = "balances",
         .sentence = "The sum of all wallet balances of a currency is its deposits minus its "
                     "withdrawals, so all its accounts sum to zero."},
    [INTEGRITY_POSTINGS] =
        {.name = "postings",
         .sentence = "Every transaction takes from one account what it gives to another."},
    [INTEGRITY_HOLDS] =
        {.name = "held",
         .sentence = "A wallet's held money is what its open holds have left, its pending "
                     "withdrawals and what waits for review; captures stay within their hold."},
    [INTEGRITY_WITHDRAWALS] = {.name = "withdrawals",
                               .sentence =
                                   "A withdrawal is pending until it is settled or fails, once."},
    [INTEGRITY_REFUNDS] = {.name = "refunds", .sentence = "Refunds stay within their purchase."},
    [INTEGRITY_VERSIONS] =
        {.name = "versions",
         .sentence = "A wallet's version grows by one with each operation that changes it."},
    [INTEGRITY_WALLETS] =
        {.name = "wallets",
         .sentence = "Every wallet is opened once, keeps its owner, kind and currency, and "
                     "is what its records say."},
    [INTEGRITY_IDEMPOTENCY] = {.name = "idempotency",
                               .sentence = "An idempotency key stands for one request while it "
                                           "is remembered."},
    [INTEGRITY_CHAIN] = {.name = "chain",
                         .sentence = "Every round is sealed together with the one before it, so "
                                     "nothing of the past was changed."},
    [INTEGRITY_AUDIT] = {.name = "audit",
                         .sentence = "Every decision is an entry of the audit, and so is every "
                                     "note of what was read or refused."},
};

static void report_differs(struct integrity_report *report, uint32_t check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The first difference is told, all are counted.
static void report_differs(struct integrity_report *report, uint32_t check, const char *format,
                           ...) {
    report->checks[check].differences++;
    if (!report->consistent)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(report->message, sizeof(report->message), format, arguments);
    va_end(arguments);
    report->consistent = false;
}

static void add_up_held(struct tally *tally, struct integrity_report *report) {
    int64_t *held = memory_take_zeroed((uint64_t)tally->wallets.used * sizeof(*held));
    for (uint32_t index = 0; (index = tally_map_next(&tally->holds, index)) != 0;) {
        const struct tally_hold *hold = tally_map_at(&tally->holds, index);
        held[hold->wallet] += hold->amount - hold->captured;
    }
    for (uint32_t index = 0; (index = tally_map_next(&tally->withdrawals, index)) != 0;) {
        const struct tally_withdrawal *withdrawal = tally_map_at(&tally->withdrawals, index);
        held[withdrawal->wallet] += withdrawal->amount;
    }
    for (uint32_t index = 0; (index = tally_map_next(&tally->reviews, index)) != 0;) {
        const struct tally_withdrawal *review = tally_map_at(&tally->reviews, index);
        held[review->wallet] += review->amount;
    }
    for (uint32_t index = 0; (index = tally_map_next(&tally->wallets, index)) != 0;) {
        const struct tally_wallet *wallet = tally_wallet_at(tally, index);
        if (wallet->held != held[index]) {
            char text[ID_TEXT_BYTES_MAX + 1];
            text[id_format(ID_WALLET, wallet->id, text)] = '\0';
            report_differs(
                report, INTEGRITY_HOLDS,
                "%s has %lld in open holds, pending withdrawals and payments that are held for "
                "review, but its held money is %lld",
                text, (long long)held[index], (long long)wallet->held);
        }
    }
    memory_free(held);
}

static void add_up_balances(struct tally *tally, struct integrity_report *report) {
    for (uint32_t index = 0; (index = tally_map_next(&tally->wallets, index)) != 0;) {
        const struct tally_wallet *wallet = tally_wallet_at(tally, index);
        if (!tally_is_away(tally, wallet->id))
            report->currencies[wallet->currency].wallet_balances += wallet->balance;
    }
    for (uint32_t i = 0; i < tally->currency_count; i++) {
        struct integrity_currency *currency = &report->currencies[i];
        const struct tally_currency *account = &tally->currencies[i];
        currency->currency = account->currency;
        currency->wallet_count = account->wallet_count;
        currency->deposits = account->deposits;
        currency->withdrawals = account->withdrawals;
        currency->transit = account->transit;
        currency->difference = currency->wallet_balances -
                               (currency->deposits - currency->withdrawals + currency->transit);
        if (currency->difference != 0) {
            struct buffer text = {0};
            buffer_add_i128(&text, currency->difference);
            report_differs(report, INTEGRITY_BALANCES,
                           "the wallets of %.12s have %.*s more than came in and stayed",
                           account->currency.code, (int)text.size, (const char *)text.bytes);
            buffer_done(&text);
        }
    }
}

void tally_add_up(struct tally *tally, struct integrity_report *report) {
    tally_settle_away(tally);
    memcpy(report->checks, checks, sizeof(checks));
    report->check_count = INTEGRITY_CHECKS;
    report->consistent = true;
    report->currencies =
        memory_take_zeroed((tally->currency_count + 1) * sizeof(*report->currencies));
    report->currency_count = tally->currency_count;
    report->record_count = tally->record_count;
    report->departed = tally->departed;
    report->arrived = tally->arrived;
    report->transaction_count = tally->transaction_count;
    report->wallet_count = tally_count_here(tally, &tally->wallets);
    report->hold_count = tally->hold_count;
    report->withdrawal_count = tally->withdrawal_count;
    report->checks[INTEGRITY_BALANCES].count = tally->currency_count;
    report->checks[INTEGRITY_POSTINGS].count = tally->transaction_count;
    report->checks[INTEGRITY_HOLDS].count = tally->hold_count;
    report->checks[INTEGRITY_WITHDRAWALS].count = tally->withdrawal_count;
    report->checks[INTEGRITY_REFUNDS].count = tally->refund_count;
    report->checks[INTEGRITY_VERSIONS].count = tally->version_count;
    report->checks[INTEGRITY_WALLETS].count = report->wallet_count;
    report->checks[INTEGRITY_AUDIT].count =
        tally->record_count - tally->note_record_count + tally->note_count;
    report->checks[INTEGRITY_IDEMPOTENCY].count = tally->idempotency_keys.count;
    if (tally->source.record_count_max == 0)
        report->checks[INTEGRITY_IDEMPOTENCY].name = NULL;
    report->checks[INTEGRITY_CHAIN].name = NULL; // its walkers say
    if (tally->is_broken)
        report_differs(report, tally->broken_check, "%s", tally->why);
    add_up_balances(tally, report);
    add_up_held(tally, report);
}

void integrity_report_done(struct integrity_report *report) {
    memory_free(report->currencies);
    report->currencies = NULL;
    report->currency_count = 0;
}

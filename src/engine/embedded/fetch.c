// SPDX-License-Identifier: MIT
// The first of the engine's five steps: gathers what a command names, from memory, the index and
// the journal.
#include "base/ahead.h"
#include "base/check.h"
#include "engine/embedded/books.h"
#include "ledger/bound.h"
#include "ledger/new_ids.h"

// The wallet with that id; `found` is where the prefetch saw it, or 0.
static struct wallet_item *wallet_found(const struct state *state, struct id id, uint64_t found) {
    if (found == 0 || !table_has(&state->wallets, found))
        return state_wallet(state, id);
    struct wallet_item *item = state_wallet_at(state, (uint32_t)found);
    return id_equal(item->wallet.id, id) ? item : NULL;
}

// What lies behind what payments touch most is asked for only where one may: by the time that it
// is taken it will be there.
static struct habits *habits_found(const struct books *books, const struct wallet_item *item) {
    struct habits_item *habits = state_habits_at(&books->state, item->habits);
    const uint8_t *rest = (const uint8_t *)habits + HABITS_OFTEN_BYTES;
    if (habits_roll_at(&habits->habits, books->habits_begin_ms))
        ahead_write(rest, sizeof(*habits) - HABITS_OFTEN_BYTES);
    // Not a branch that nobody foresees.
    __builtin_prefetch(habits_are_full(&habits->habits) ? rest : (const uint8_t *)habits, 1, 3);
    return &habits->habits;
}

// The wallet behind an index, with its currency's account.
static void docket_wallet(struct books *books, struct fetched *fetched, struct wallet_item *item) {
    fetched->wallet = item;
    if (item == NULL)
        return;
    fetched->docket.wallet = &item->wallet;
    if (item->wallet.counters != 0)
        fetched->docket.spent = &state_spending_at(&books->state, item->wallet.counters)->spent;
    if (item->habits != 0)
        fetched->docket.habits = habits_found(books, item);
    fetched->docket.currency = &books->state.currencies[item->wallet.currency];
}

static void docket_counterparty(struct books *books, struct fetched *fetched,
                                struct wallet_item *item) {
    fetched->counterparty = item;
    if (item == NULL)
        return;
    fetched->docket.counterparty = &item->wallet;
    fetched->docket.counterparty_currency =
        &books->state.currencies[item->wallet.currency].currency;
}

uint64_t key_fingerprint(const struct books *books, struct digest128 key) {
    return hash64(slice_of(&key, sizeof(key)), books->hash_seed);
}

uint64_t bank_fingerprint(const struct books *books, const struct currency *currency,
                          struct slice bank_id) {
    return hash64(bank_id, hash64(currency_code(currency), books->hash_seed + 1));
}

uint64_t order_fingerprint(const struct books *books, struct slice order) {
    return hash64(order, books->hash_seed + 2);
}

uint64_t owner_fingerprint(const struct books *books, struct slice owner) {
    return hash64(owner, books->hash_seed + 3);
}

static uint64_t moved_fingerprint(const struct books *books, struct id transaction) {
    return hash64(slice_of(&transaction, sizeof(transaction)), books->hash_seed + 4);
}

void fetch_index_moved(struct books *books, struct id transaction, uint64_t position) {
    if (id_time_ms(transaction) < books->engine.moved_ms)
        index_put(books->index, INDEX_BANK, moved_fingerprint(books, transaction), position);
}

// Of two transactions that fall together one has another id, which is told by its record.
static uint64_t moved_place(struct books *books, struct id id, bool open) {
    struct index_snapshot snapshot;
    struct index_cursor cursor;
    struct record record;
    const char *why;
    uint64_t position, place = 0;
    if (!open)
        index_snapshot_open(books->index, journal_published(books->journal), &snapshot);
    enum status status = index_find_first(open ? index_own(books->index) : &snapshot, INDEX_BANK,
                                          moved_fingerprint(books, id), &cursor, &position);
    for (; status == STATUS_ok && place == 0; status = index_find_next(&cursor, &position)) {
        // While the journal is replayed nothing can be read of it: 64 bits must do there.
        struct slice bytes = books->journal == NULL ? (struct slice){0}
                                                    : journal_read(books->journal, position);
        if (books->journal == NULL ||
            (record_decode(bytes, &record, &why) == STATUS_ok &&
             record.kind == RECORD_TRANSACTION && id_equal(record.transaction.id, id)))
            place = position;
    }
    if (!open)
        index_snapshot_close(&snapshot);
    CHECK(place != 0 || status == STATUS_end);
    return place;
}

uint64_t fetch_transaction_place(struct books *books, struct id id, bool open) {
    uint64_t locator;
    if (id_time_ms(id) < books->engine.moved_ms)
        return moved_place(books, id, open);
    return id_open(&books->state.seal, id, &locator) ? locator * 8 : 0;
}

bool fetch_transaction(struct books *books, struct id id, bool open, struct record *ret_record,
                       uint64_t *ret_position) {
    const char *why;
    uint64_t position = fetch_transaction_place(books, id, open);
    struct slice bytes =
        open ? journal_read_open(books->journal, position) : journal_read(books->journal, position);
    if (bytes.size == 0 || record_decode(bytes, ret_record, &why) != STATUS_ok)
        return false;
    *ret_position = position;
    return ret_record->kind == RECORD_TRANSACTION && id_equal(ret_record->transaction.id, id);
}

bool fetch_earlier(struct books *books, const struct command *command, struct record *ret_record,
                   uint64_t *ret_position) {
    struct index_cursor cursor;
    const char *why;
    enum status status =
        index_find_first(index_own(books->index), INDEX_IDEMPOTENCY,
                         key_fingerprint(books, command->key), &cursor, ret_position);
    for (; status == STATUS_ok; status = index_find_next(&cursor, ret_position)) {
        struct slice bytes = journal_read_open(books->journal, *ret_position);
        if (bytes.size == 0 || record_decode(bytes, ret_record, &why) != STATUS_ok)
            continue;
        if (ret_record->has_key && digest128_equal(ret_record->key, command->key)) {
            // Half of its request's digest may be sealed.
            bytes = engine_reveal(&books->engine, bytes, &books->scratch);
            CHECK(record_decode(bytes, ret_record, &why) == STATUS_ok);
            return true;
        }
    }
    CHECK(status == STATUS_end);
    return false;
}

uint64_t fetch_owner(const struct books *books, struct id wallet) {
    const struct wallet_item *item =
        id_is_zero(wallet) ? NULL : state_wallet(&books->state, wallet);
    return item == NULL ? 0 : item->wallet.owner;
}

void fetch_hidden(const struct books *books, const struct command *command,
                  const struct record *record, struct outcome *outcome) {
    if (!command_is_bound(command) || record->kind != RECORD_TRANSACTION)
        return;
    outcome->hidden = owner_hidden(owner_mark(books->hash_seed, command->bound_to),
                                   fetch_owner(books, record->transaction.debit.wallet),
                                   fetch_owner(books, record->transaction.credit.wallet),
                                   command->origin.principal, record->origin.principal);
}

bool fetch_may_see(const struct books *books, const struct command *command,
                   const struct record *record) {
    struct id parties[2];
    if (!command_is_bound(command) || !bound_parties(record, parties))
        return true;
    uint64_t own = owner_mark(books->hash_seed, command->bound_to);
    return fetch_owner(books, parties[0]) == own || fetch_owner(books, parties[1]) == own;
}

static void fetch_bank_transaction(struct books *books, const struct command *command,
                                   struct fetched *fetched) {
    if (command->bank_id.size == 0 || fetched->docket.currency == NULL)
        return;
    const struct currency *currency = &fetched->docket.currency->currency;
    struct index_cursor cursor;
    struct record record;
    uint64_t position;
    const char *why;
    enum status status =
        index_find_first(index_own(books->index), INDEX_BANK,
                         bank_fingerprint(books, currency, command->bank_id), &cursor, &position);
    for (; status == STATUS_ok; status = index_find_next(&cursor, &position)) {
        struct slice bytes = journal_read_open(books->journal, position);
        if (bytes.size == 0 || record_decode(bytes, &record, &why) != STATUS_ok ||
            record.kind != RECORD_TRANSACTION)
            continue;
        if (currency_equal(&record.transaction.currency, currency) &&
            slice_equal(record.transaction.bank_id, command->bank_id)) {
            fetched->bank_transaction = record.transaction.id;
            fetched->docket.bank_transaction = &fetched->bank_transaction;
            return;
        }
    }
    CHECK(status == STATUS_end);
}

static void fetch_purchase(struct books *books, const struct command *command,
                           struct fetched *fetched) {
    struct record record;
    if (!fetch_transaction(books, command->subject, true, &record, &fetched->purchase_position))
        return;
    const struct transaction_facts *facts = &record.transaction;
    if (facts->type != TRANSACTION_PURCHASE) {
        uint16_t currency;
        fetched->docket.subject_is_other_transaction = true;
        fetched->docket.subject_owners[0] = fetch_owner(books, facts->debit.wallet);
        fetched->docket.subject_owners[1] = fetch_owner(books, facts->credit.wallet);
        fetched->docket.currency =
            state_currency(&books->state, &facts->currency, false, &currency);
        return;
    }
    fetched->purchase = (struct purchase){
        .id = facts->id,
        .wallet = facts->debit.wallet,
        .merchant = facts->credit.wallet,
        .amount = facts->amount,
        .refunded = state_refunded(&books->state, fetched->purchase_position, false),
    };
    fetched->docket.purchase = &fetched->purchase;
    docket_wallet(books, fetched, state_wallet(&books->state, facts->credit.wallet));
    docket_counterparty(books, fetched, state_wallet(&books->state, facts->debit.wallet));
    CHECK(fetched->wallet != NULL && fetched->counterparty != NULL);
}

static void fetch_hold(struct books *books, const struct command *command,
                       struct fetched *fetched) {
    fetched->hold = state_hold(&books->state, command->subject);
    if (fetched->hold == NULL)
        return;
    fetched->docket.hold = &fetched->hold->hold;
    docket_wallet(books, fetched, state_wallet_at(&books->state, fetched->hold->wallet));
    docket_counterparty(books, fetched, state_wallet_at(&books->state, fetched->hold->merchant));
    if (command->type != COMMAND_CAPTURE)
        return;
    struct record opening;
    const char *why;
    struct slice bytes = journal_read_open(books->journal, fetched->hold->opened);
    CHECK(record_decode(bytes, &opening, &why) == STATUS_ok);
    fetched->docket.order = arena_copy(&books->scratch, opening.hold.order);
}

static void fetch_withdrawal(struct books *books, const struct command *command,
                             struct fetched *fetched) {
    fetched->withdrawal = state_withdrawal(&books->state, command->subject);
    if (fetched->withdrawal == NULL)
        return;
    fetched->docket.withdrawal = &fetched->withdrawal->withdrawal;
    docket_wallet(books, fetched, state_wallet_at(&books->state, fetched->withdrawal->wallet));
}

// A kept command, and who asked for it.
static void fetch_parked(struct books *books, const struct command *command,
                         struct fetched *fetched) {
    struct record record;
    fetched->parked = state_parked(&books->state, command->subject);
    if (fetched->parked == NULL)
        return;
    fetched->docket.parked = &fetched->parked->parked;
    fetch_kept(books, fetched->parked, &record);
    fetched->docket.parked_held = record.parked.held;
    if (record.parked.cause != PARKED_FOR_APPROVAL)
        docket_wallet(books, fetched, state_wallet(&books->state, record.parked.wallet));
    fetched->docket.parked_by = arena_copy(&books->scratch, record.origin.principal);
}

void fetch_kept(struct books *books, const struct parked_item *item,
                struct record *ret_record) {
    const char *why;
    struct slice bytes = journal_read_open(books->journal, item->opened);
    bytes = arena_copy(&books->scratch, bytes);
    bytes = engine_reveal(&books->engine, bytes, &books->scratch);
    CHECK(record_decode(bytes, ret_record, &why) == STATUS_ok);
    CHECK(ret_record->kind == RECORD_PARKED && ret_record->parked.status == PARKED_PENDING);
}

// The texts of a wallet as they are now; copied, because the open round's bytes may move.
static void fetch_wallet_texts(struct books *books, struct fetched *fetched) {
    struct record record;
    const char *why;
    if (fetched->wallet == NULL)
        return;
    struct slice bytes = journal_read_open(books->journal, fetched->wallet->details);
    bytes = engine_reveal(&books->engine, bytes, &books->scratch);
    CHECK(record_decode(bytes, &record, &why) == STATUS_ok);
    CHECK(record.kind == RECORD_WALLET && id_equal(record.wallet.id, fetched->wallet->wallet.id));
    fetched->docket.owner = arena_copy(&books->scratch, record.wallet.owner);
    fetched->docket.metadata = arena_copy(&books->scratch, record.wallet.metadata);
}

// Whose data is to be forgotten: somebody must have a wallet under that very name.
static void fetch_owner_data(struct books *books, const struct command *command,
                             struct fetched *fetched) {
    struct index_cursor cursor;
    struct record record;
    uint64_t position;
    const char *why;
    if (books->data_keys == NULL)
        return;
    fetched->docket.encrypts = true;
    enum status status =
        index_find_first(index_own(books->index), INDEX_OWNER,
                         owner_fingerprint(books, command->owner), &cursor, &position);
    for (; status == STATUS_ok; status = index_find_next(&cursor, &position)) {
        struct slice bytes = journal_read_open(books->journal, position);
        if (bytes.size == 0 || record_decode(bytes, &record, &why) != STATUS_ok ||
            record.kind != RECORD_WALLET || !slice_equal(record.wallet.owner, command->owner))
            continue;
        fetched->docket.owner_is_known = true;
        fetched->docket.data_key = (struct data_key_facts){
            .number = data_keys_of(books->data_keys,
                                   owner_mark(books->hash_seed, command->owner)),
            .plain_until_ms = data_keys_plain_until_ms(books->data_keys)};
        return;
    }
    CHECK(status == STATUS_end);
}

// Where the thing that the command opens will be: things have tables of their own.
static uint64_t place_of_new(const struct state *state, const struct command *command,
                             uint64_t record) {
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN: return state->wallets.count;
    case COMMAND_HOLD: return state->holds.count;
    case COMMAND_KEY_CREATE: return state->key_count + 1;
    case COMMAND_WITHDRAWAL: return state->withdrawals.count;
    default: return record;
    }
}

static void fetch_new_ids(struct books *books, const struct command *command,
                          struct fetched *fetched) {
    const struct state *state = &books->state;
    uint64_t record = journal_next_position(books->journal) / 8;
    struct new_places places = {.record = record,
                                .thing = place_of_new(state, command, record),
                                .parked = state->parked.count};
    new_ids_give(command, &state->seal, &places, &fetched->docket);
}

// Commands mostly come with the key of the one before.
const struct key *fetch_principal(struct books *books, struct id key) {
    if (id_is_zero(key))
        return NULL;
    if (!id_equal(key, books->principal)) {
        const struct key_item *item = state_key_item(&books->state, key);
        if (item == NULL)
            return NULL;
        books->principal = key;
        books->principal_index = (uint32_t)(item - books->state.key_items);
    }
    CHECK(books->principal_index < books->state.key_count);
    return &books->state.key_items[books->principal_index].key;
}

static void docket_rules(struct books *books, struct docket *docket) {
    if (books->state.rules.count != 0) {
        books->verdict = (struct verdict){0};
        docket->rules = &books->state.rules;
        docket->verdict = &books->verdict;
        docket->review_expires_s = books->review_expires_s;
    }
    docket->words = &books->words;
    docket->rules_version = books->state.rules.version;
    docket->rules_failed =
        atomic_load_explicit(&books->engine.rules_failed, memory_order_relaxed);
}

void fetch(struct books *books, const struct command *command, struct fetched *ret_fetched) {
    struct state *state = &books->state;
    struct fetched *fetched = ret_fetched;
    memset(fetched, 0, sizeof(*fetched));
    fetched->docket.now_ms = books->now_ms;
    fetched->docket.alarm = &state->alarm;
    fetched->docket.payments_stopped =
        state->alarm.stopped != 0 ||
        atomic_load_explicit(&books->engine.payments_stopped, memory_order_relaxed);
    fetched->docket.owner_seed = books->hash_seed;
    fetched->docket.approvals = books->approvals;
    fetched->docket.limits = books->limits;
    docket_rules(books, &fetched->docket);
    fetched->docket.keys = state->keys;
    fetched->docket.key_count = state->key_count;
    fetched->docket.principal = fetch_principal(books, command->principal_key);
    uint16_t currency;
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN:
        fetched->docket.currency = state_currency(state, &command->currency, false, &currency);
        break;
    case COMMAND_PURCHASE:
    case COMMAND_TRANSFER:
    case COMMAND_HOLD:
        docket_counterparty(
            books, fetched,
            wallet_found(state, command->counterparty, command->found[1])); // fall through
    case COMMAND_DEPOSIT:
    case COMMAND_WITHDRAWAL:
    case COMMAND_ADJUSTMENT:
    case COMMAND_FINDING:
    case COMMAND_WALLET_CHANGE:
        docket_wallet(books, fetched, wallet_found(state, command->wallet, command->found[0]));
        break;
    case COMMAND_APPROVE:
    case COMMAND_REJECT:
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS: fetch_parked(books, command, fetched); break;
    case COMMAND_SETTLE:
    case COMMAND_FAIL: fetch_withdrawal(books, command, fetched); break;
    case COMMAND_REFUND: fetch_purchase(books, command, fetched); break;
    case COMMAND_CAPTURE:
    case COMMAND_VOID:
    case COMMAND_EXPIRE: fetch_hold(books, command, fetched); break;
    case COMMAND_CURSOR_CLAIM:
    case COMMAND_CURSOR_MOVE:
    case COMMAND_CURSOR_RESET:
        fetched->docket.cursor = &state->cursors[cursor_index(command->cursor->cursor.kind,
                                                              command->cursor->cursor.slot)];
        return;
    case COMMAND_KEY_REVOKE:
    case COMMAND_KEY_ROTATE:
        fetched->key = state_key_item(state, command->subject);
        fetched->docket.key = fetched->key == NULL ? NULL : &fetched->key->key;
        break;
    default: break;
    }
    if (command->type == COMMAND_OWNER_FORGET)
        fetch_owner_data(books, command, fetched);
    if (command->type == COMMAND_WALLET_CHANGE)
        fetch_wallet_texts(books, fetched);
    fetch_bank_transaction(books, command, fetched);
    fetch_new_ids(books, command, fetched);
}

// Opening an id costs as much as the rest of finding its wallet, so the place is kept for fetch.
static uint64_t prefetch_wallet(const struct state *state, struct id id) {
    uint64_t locator;
    if (id_is_zero(id) || !state_place(state, &state->moved_wallets, id, &locator) ||
        !table_has(&state->wallets, locator))
        return 0;
    const uint8_t *item = state->wallets.bytes + locator * sizeof(struct wallet_item);
    __builtin_prefetch(item, 1);
    __builtin_prefetch(item + 64, 1);
    return locator;
}

void fetch_prefetch(struct books *books, struct command *command) {
    command->found[0] = prefetch_wallet(&books->state, command->wallet);
    command->found[1] = prefetch_wallet(&books->state, command->counterparty);
    if (command->has_key)
        index_prefetch(books->index, INDEX_IDEMPOTENCY, key_fingerprint(books, command->key));
}

// Its place in memory is there whatever has become of the wallet since it was found, and habits
// that are none yet have the place of item 0.
static const uint8_t *habits_ahead(const struct state *state, uint64_t wallet) {
    const struct wallet_item *items = (const struct wallet_item *)state->wallets.bytes;
    return state->habits.bytes + (uint64_t)items[wallet].habits * sizeof(struct habits_item);
}

// Of a payer what payments touch most; of a merchant what he sold, and of who is deposited to when,
// behind it.
void fetch_prefetch_habits(const struct books *books, const struct command *command) {
    const struct state *state = &books->state;
    if (state->rules.count == 0)
        return;
    const uint8_t *payer = habits_ahead(state, command->found[0]);
    __builtin_prefetch(payer, 1, 3);
    if (command->type == COMMAND_DEPOSIT)
        ahead_write(payer + HABITS_OFTEN_BYTES, 2 * AHEAD_LINE_BYTES);
    else if (command->type == COMMAND_PURCHASE)
        ahead_write(habits_ahead(state, command->found[1]),
                    HABITS_OFTEN_BYTES + 2 * AHEAD_LINE_BYTES);
}

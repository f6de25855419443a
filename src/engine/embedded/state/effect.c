// SPDX-License-Identifier: MIT
// What was decided becomes a record of the journal and a change of the state. Replay at the start
// walks the same way, so memory after a crash is memory before it.
#include "base/check.h"
#include "engine/embedded/books.h"

// The items that a record is about.
struct touched {
    struct parked_item *parked;
    struct wallet_item *debit, *credit; // of a transaction; else `debit` is the wallet
    struct hold_item *hold;
    struct withdrawal_item *withdrawal;
    struct refund_item *refund;
    struct key_item *key;
    struct habits_item *payer, *payee; // whose habits count: who pays or is deposited to, is paid
    bool wallet_added, hold_added, withdrawal_added;
};

static void history_fill(struct posting_side *side, const struct wallet_item *item) {
    if (item == NULL)
        return;
    side->number = item->number + 1;
    side->previous = item->last;
    side->skip =
        history_skip_target(side->number) == 0 ? 0 : item->levels[history_skip_level(side->number)];
    CHECK(side->number != 0);
    CHECK(side->previous != 0 || side->number == 1);
}

static void history_take(struct wallet_item *item, const struct posting_side *side,
                         uint64_t position) {
    if (item == NULL || side->number <= item->number)
        return;
    item->number = side->number;
    item->last = position;
    history_levels_take(item->levels, side->number, position);
}

static uint32_t withdrawal_index(const struct state *state, const struct withdrawal_item *item) {
    return (uint32_t)(((const uint8_t *)item - state->withdrawals.bytes) / sizeof(*item));
}

static uint32_t habits_index(const struct state *state, const struct habits_item *item) {
    return (uint32_t)(((const uint8_t *)item - state->habits.bytes) / sizeof(*item));
}

static uint32_t refund_index(const struct state *state, const struct refund_item *item) {
    return (uint32_t)(((const uint8_t *)item - state->refunds.bytes) / sizeof(*item));
}

static uint32_t currency_index(const struct state *state, const struct currency *currency) {
    uint16_t index;
    CHECK(state_currency((struct state *)state, currency, false, &index) != NULL);
    return index;
}

// ---- taking a record onto the state -----------------------------------------------------------

static void wallet_begins(struct books *books, struct wallet_item *item) {
    if (item != NULL && undo_begins(&books->undo, &item->sequence))
        undo_save(&books->undo, &books->state, UNDO_WALLET,
                  state_wallet_index(&books->state, item));
}

static void habits_begin(struct books *books, struct habits_item *item) {
    if (item != NULL && undo_begins(&books->undo, &item->sequence))
        undo_save(&books->undo, &books->state, UNDO_HABITS, habits_index(&books->state, item));
}

static void all_begin(struct books *books, const struct touched *touched) {
    struct state *state = &books->state;
    wallet_begins(books, touched->debit);
    wallet_begins(books, touched->credit);
    habits_begin(books, touched->payer);
    habits_begin(books, touched->payee);
    if (touched->hold != NULL)
        undo_touch(&books->undo, state, UNDO_HOLD, state_hold_index(state, touched->hold));
    if (touched->withdrawal != NULL)
        undo_touch(&books->undo, state, UNDO_WITHDRAWAL,
                   withdrawal_index(state, touched->withdrawal));
    if (touched->refund != NULL)
        undo_touch(&books->undo, state, UNDO_REFUND, refund_index(state, touched->refund));
}

static void all_end(struct books *books, const struct touched *touched) {
    struct undo *undo = &books->undo;
    if (touched->debit != NULL)
        undo_ends(undo, &touched->debit->sequence);
    if (touched->credit != NULL)
        undo_ends(undo, &touched->credit->sequence);
    if (touched->payer != NULL)
        undo_ends(undo, &touched->payer->sequence);
    if (touched->payee != NULL)
        undo_ends(undo, &touched->payee->sequence);
    if (touched->hold != NULL)
        undo_ends(undo, &touched->hold->sequence);
    if (touched->withdrawal != NULL)
        undo_ends(undo, &touched->withdrawal->sequence);
    if (touched->refund != NULL)
        undo_ends(undo, &touched->refund->sequence);
}

static void take_transaction(struct books *books, uint64_t position,
                             const struct record *whole,
                             struct touched *touched, struct docket *docket) {
    struct state *state = &books->state;
    const struct transaction_facts *facts = &whole->transaction;
    struct purchase purchase;
    bool moves_external = facts->external_total != 0;
    uint32_t currency = moves_external ? currency_index(state, &facts->currency) : 0;
    if (moves_external) {
        undo_touch(&books->undo, state, UNDO_CURRENCY, currency);
        docket->currency = &state->currencies[currency];
    }
    if (touched->refund != NULL) {
        purchase = (struct purchase){.id = facts->subject,
                                     .amount = LIMIT_AMOUNT_MAX,
                                     .refunded = touched->refund->refunded};
        docket->purchase = &purchase;
    }
    apply(whole, docket);
    if (touched->refund != NULL)
        touched->refund->refunded = purchase.refunded;
    history_take(touched->debit, &facts->debit, position);
    history_take(touched->credit, &facts->credit, position);
    if (touched->withdrawal != NULL) {
        if (touched->withdrawal->opened == 0)
            touched->withdrawal->opened = position;
        touched->withdrawal->closed = position;
    }
    if (moves_external)
        undo_touched(&books->undo, state, UNDO_CURRENCY, currency);
    __atomic_store_n(&state->transaction_count, state->transaction_count + 1, __ATOMIC_RELAXED);
}

static void take_wallet(struct books *books, uint64_t position, const struct wallet_facts *facts,
                        struct touched *touched) {
    struct wallet_item *item = touched->debit;
    if (item->opened == 0) {
        uint16_t currency;
        struct currency_account *account =
            state_currency(&books->state, &facts->currency, true, &currency);
        CHECK(account != NULL);
        account->wallet_count++;
        item->wallet.currency = currency;
        item->opened = position;
    }
    if (position > item->details)
        item->details = position;
}

static void take_cursor(struct state *state, const struct record *record) {
    const struct cursor *facts = &record->cursor;
    struct docket docket = {.cursor = &state->cursors[cursor_index(facts->kind, facts->slot)]};
    CHECK(pthread_mutex_lock(&state->cursors_lock) == 0);
    apply(record, &docket);
    CHECK(pthread_mutex_unlock(&state->cursors_lock) == 0);
}

static void take_parked(struct books *books, uint64_t position, const struct record *record,
                        struct touched *touched) {
    struct state *state = &books->state;
    struct parked_item *item = touched->parked;
    uint32_t index = (uint32_t)(((uint8_t *)item - state->parked.bytes) / sizeof(*item));
    bool moves = record->parked.held != 0;
    struct docket docket = {.parked = &item->parked,
                            .wallet = moves ? &touched->debit->wallet : NULL};
    // An atomic batch neither waits nor decides; what rules say of its payments may be written.
    CHECK(!books->undo.active || (item->opened == 0 && !moves));
    undo_touch(&books->undo, state, UNDO_PARKED, index);
    if (moves)
        undo_touch(&books->undo, state, UNDO_WALLET, state_wallet_index(state, touched->debit));
    apply(record, &docket);
    if (moves)
        undo_touched(&books->undo, state, UNDO_WALLET,
                     state_wallet_index(state, touched->debit));
    if (item->opened == 0)
        item->opened = position;
    else if (position > item->opened)
        item->closed = position;
    state_parked_list(state, item);
    undo_touched(&books->undo, state, UNDO_PARKED, index);
}

// Where what the payer has spent is kept; made when it is the first that counts.
static uint32_t spending_of(struct books *books, const struct record *record,
                            struct touched *touched, struct docket *docket) {
    struct state *state = &books->state;
    if (record->spent.day == 0 || touched->debit == NULL)
        return 0;
    struct wallet *wallet = &touched->debit->wallet;
    if (wallet->counters == 0)
        wallet->counters = table_add(&state->spending);
    undo_touch(&books->undo, state, UNDO_SPENDING, wallet->counters);
    docket->spent = &state_spending_at(state, wallet->counters)->spent;
    return wallet->counters;
}

// Where is counted what somebody usually does; made when it is the first that counts.
static struct habits_item *habits_of(struct state *state, struct wallet_item *item) {
    if (item->habits == 0)
        item->habits = table_add(&state->habits);
    return state_habits_at(state, item->habits);
}

static void find_habits(struct books *books, const struct record *record,
                        struct touched *touched, struct docket *docket) {
    if (!record->judged)
        return;
    if (habits_concern_payer(record)) {
        touched->payer = habits_of(&books->state,
                                   touched->debit != NULL ? touched->debit : touched->credit);
        docket->habits = &touched->payer->habits;
    }
    if (habits_concern_payee(record)) {
        touched->payee = habits_of(&books->state, touched->credit);
        docket->counterparty_habits = &touched->payee->habits;
    }
}

// The keeper reads it beside the writer.
static void take_alarm(struct books *books, const struct alarm_facts *facts) {
    struct state *state = &books->state;
    CHECK(pthread_mutex_lock(&state->rules_lock) == 0);
    alarm_take(&state->alarm, facts);
    CHECK(pthread_mutex_unlock(&state->rules_lock) == 0);
    engine_alarm_set(&books->engine, &state->alarm);
}

// Money that came from nowhere: none, but where a replay meets things of different ages.
static money_total take(struct books *books, uint64_t position, const struct record *record,
                        struct touched *touched) {
    struct state *state = &books->state;
    struct docket docket = {
        .wallet = touched->debit == NULL ? NULL : &touched->debit->wallet,
        .counterparty = touched->credit == NULL ? NULL : &touched->credit->wallet,
        .hold = touched->hold == NULL ? NULL : &touched->hold->hold,
        .withdrawal = touched->withdrawal == NULL ? NULL : &touched->withdrawal->withdrawal,
        .key = touched->key == NULL ? NULL : &touched->key->key,
        .owner_seed = books->hash_seed,
    };
    if (record->kind == RECORD_CURSOR) {
        take_cursor(state, record);
        return 0;
    }
    if (record->kind == RECORD_PARKED) {
        take_parked(books, position, record, touched);
        return 0;
    }
    if (record->kind == RECORD_RULES) {
        rules_take(books, &record->rules);
        return 0;
    }
    if (record->kind == RECORD_ALARM) {
        take_alarm(books, &record->alarm);
        return 0;
    }
    find_habits(books, record, touched, &docket);
    all_begin(books, touched);
    uint32_t spending = spending_of(books, record, touched, &docket);
    if (record->kind == RECORD_TRANSACTION) {
        take_transaction(books, position, record, touched, &docket);
    } else {
        apply(record, &docket);
        if (record->kind == RECORD_WALLET)
            take_wallet(books, position, &record->wallet, touched);
        if (record->kind == RECORD_HOLD) {
            if (touched->hold->opened == 0)
                touched->hold->opened = position;
            else if (position > touched->hold->opened)
                touched->hold->closed = position;
        }
        if (record->kind == RECORD_WITHDRAWAL) {
            if (touched->withdrawal->opened == 0)
                touched->withdrawal->opened = position;
            else if (position > touched->withdrawal->opened)
                touched->withdrawal->closed = position;
        }
    }
    if (touched->hold != NULL)
        state_hold_list(state, touched->hold);
    if (spending != 0)
        undo_touched(&books->undo, state, UNDO_SPENDING, spending);
    all_end(books, touched);
    return docket.unaccounted;
}

// ---- alive ------------------------------------------------------------------------------------

static void wallets_of(const struct record *record, const struct fetched *fetched,
                       struct touched *touched) {
    touched->debit = fetched->wallet;
    touched->credit = fetched->counterparty;
    if (record->kind != RECORD_TRANSACTION)
        touched->credit = NULL; // a hold does not touch its merchant
    else if (id_is_zero(record->transaction.debit.wallet)) {
        touched->debit = NULL;
        touched->credit = fetched->wallet;
    }
}

static void items_added(struct books *books, const struct record *record, struct touched *touched) {
    struct state *state = &books->state;
    if (record->kind == RECORD_PARKED) {
        if (record->parked.status == PARKED_PENDING) {
            uint32_t index = table_add(&state->parked);
            undo_added(&books->undo, state, UNDO_PARKED, index);
            touched->parked = table_at(&state->parked, index);
        }
        return;
    }
    if (record->operation == COMMAND_WALLET_OPEN) {
        uint32_t index = table_add(&state->wallets);
        undo_added(&books->undo, state, UNDO_WALLET, index);
        touched->debit = state_wallet_at(state, index);
    }
    if (record->operation == COMMAND_HOLD) {
        uint32_t index = table_add(&state->holds);
        undo_added(&books->undo, state, UNDO_HOLD, index);
        touched->hold = state_hold_at(state, index);
    }
    if (record->operation == COMMAND_WITHDRAWAL) {
        uint32_t index = table_add(&state->withdrawals);
        undo_added(&books->undo, state, UNDO_WITHDRAWAL, index);
        touched->withdrawal = state_withdrawal_at(state, index);
        touched->withdrawal->wallet = state_wallet_index(state, touched->debit);
    }
    if (record->operation == COMMAND_KEY_CREATE) {
        uint32_t index = state_key_add(state); // may move the array
        touched->key = &state->key_items[index];
    }
}

// An opening's wallet is not there yet.
static void seal(struct books *books, const struct record *record, struct buffer *buffer,
                 size_t start) {
    if (record->kind == RECORD_DATA_KEY)
        data_keys_forget(books->data_keys, record->data_key.number);
    if (books->engine.vault == NULL)
        return;
    uint64_t owner = 0;
    if (!record_kind_seals(record->kind)) {
        record_seal(buffer, start, books->engine.vault, owner);
        return;
    }
    if (record->kind == RECORD_WALLET && record->operation == COMMAND_WALLET_OPEN)
        owner = owner_mark(books->hash_seed, record->wallet.owner);
    else
        owner = fetch_owner(books, record_seal_wallet(record));
    CHECK(owner != 0);
    record_seal(buffer, start, books->engine.vault, owner);
}

uint64_t effect_take(struct books *books, struct record *record, struct fetched *fetched) {
    struct state *state = &books->state;
    struct touched touched = {
        .hold = fetched->hold, .withdrawal = fetched->withdrawal, .key = fetched->key,
        .parked = fetched->parked};
    wallets_of(record, fetched, &touched);
    if (record->kind == RECORD_TRANSACTION) {
        history_fill(&record->transaction.debit, touched.debit);
        history_fill(&record->transaction.credit, touched.credit);
        if (record->operation == COMMAND_SETTLE)
            record->transaction.opening = fetched->withdrawal->opened;
        if (record->operation == COMMAND_CAPTURE)
            record->transaction.opening = fetched->hold->opened;
    }
    if (record->kind == RECORD_HOLD && record->operation != COMMAND_HOLD)
        record->hold.opening = fetched->hold->opened;
    if (record->kind == RECORD_PARKED && fetched->parked != NULL)
        record->parked.opening = fetched->parked->opened;
    if (record->operation == COMMAND_FAIL)
        record->withdrawal.opening = fetched->withdrawal->opened;
    if (record->operation == COMMAND_KEY_ROTATE)
        record->api_key.opening = fetched->key->opened;
    uint64_t position = journal_next_position(books->journal);
    struct buffer *buffer = journal_round_buffer(books->journal);
    size_t start = buffer->size;
    record_encode(record, buffer);
    if (books->data_keys != NULL)
        seal(books, record, buffer, start);
    items_added(books, record, &touched);
    if (record->kind == RECORD_HOLD && record->operation == COMMAND_HOLD) {
        touched.hold->wallet = state_wallet_index(state, fetched->wallet);
        touched.hold->merchant = state_wallet_index(state, fetched->counterparty);
    }
    if (record->kind == RECORD_TRANSACTION && record->operation == COMMAND_REFUND)
        touched.refund = state_refund_item(state, fetched->purchase_position);
    money_total unaccounted = take(books, position, record, &touched);
    CHECK(unaccounted == 0);
    if (record->kind == RECORD_KEY) {
        if (touched.key->opened == 0) {
            touched.key->opened = position;
            state_key_own(state, (uint32_t)(touched.key - state->key_items), record->api_key.owner);
        }
        if (record->operation == COMMAND_KEY_ROTATE)
            touched.key->rotated = position;
        state_key_publish(state, (uint32_t)(touched.key - state->key_items));
    }
    effect_index(books, position, record);
    return position;
}

uint64_t effect_add(struct books *books, const struct record *record) {
    CHECK(record->kind == RECORD_REFUSAL || record->kind == RECORD_BATCH);
    uint64_t position = journal_next_position(books->journal);
    struct buffer *buffer = journal_round_buffer(books->journal);
    size_t start = buffer->size;
    record_encode(record, buffer);
    seal(books, record, buffer, start);
    effect_index(books, position, record);
    return position;
}

void effect_index(struct books *books, uint64_t position, const struct record *record) {
    if (record->has_key)
        index_put(books->index, INDEX_IDEMPOTENCY, key_fingerprint(books, record->key), position);
    if (record->kind == RECORD_TRANSACTION) {
        const struct transaction_facts *facts = &record->transaction;
        fetch_index_moved(books, facts->id, position);
        if (facts->bank_id.size != 0)
            index_put(books->index, INDEX_BANK,
                      bank_fingerprint(books, &facts->currency, facts->bank_id), position);
        if (facts->order.size != 0)
            index_put(books->index, INDEX_ORDER, order_fingerprint(books, facts->order), position);
    }
    if (record->kind == RECORD_HOLD && record->hold.order.size != 0)
        index_put(books->index, INDEX_ORDER, order_fingerprint(books, record->hold.order),
                  position);
    if (record->kind == RECORD_WALLET && record->operation == COMMAND_WALLET_OPEN)
        index_put(books->index, INDEX_OWNER, owner_fingerprint(books, record->wallet.owner),
                  position);
}

// ---- replay -----------------------------------------------------------------------------------

// The item of an id, added when its place is the next one: records come in the order in which
// things were made.
static void *replay_item(struct books *books, struct table *table, struct moved_ids *moved,
                         struct id id) {
    uint64_t locator;
    if (id_time_ms(id) < books->state.moved_ms && !id_is_zero(id)) {
        locator = moved_ids_find(moved, id);
        if (locator == 0) {
            locator = table_add(table);
            moved_ids_add(moved, id, (uint32_t)locator);
        }
    } else if (!id_open(&books->state.seal, id, &locator) || locator == 0 ||
               locator > table->count) {
        return NULL;
    }
    if (locator == table->count)
        CHECK(table_add(table) == locator);
    uint8_t *item = table_at(table, (uint32_t)locator);
    struct id *stored =
        (struct id *)item; // every item begins with its thing, every thing with its id
    return id_is_zero(*stored) || id_equal(*stored, id) ? item : NULL;
}

static bool replay_hold(struct books *books, const struct record *record, struct touched *touched) {
    const struct state *state = &books->state;
    touched->hold = replay_item(books, &books->state.holds, &books->state.moved_holds,
                                record->hold.id);
    touched->debit = state_wallet(state, record->hold.wallet);
    const struct wallet_item *merchant = state_wallet(state, record->hold.merchant);
    if (touched->hold == NULL || touched->debit == NULL || merchant == NULL)
        return false;
    touched->hold->wallet = state_wallet_index(state, touched->debit);
    touched->hold->merchant = state_wallet_index(state, merchant);
    return true;
}

static bool replay_transaction(struct books *books, const struct record *record,
                               struct touched *touched) {
    struct state *state = &books->state;
    const struct transaction_facts *facts = &record->transaction;
    if (!id_is_zero(facts->debit.wallet) &&
        (touched->debit = state_wallet(state, facts->debit.wallet)) == NULL)
        return false;
    if (!id_is_zero(facts->credit.wallet) &&
        (touched->credit = state_wallet(state, facts->credit.wallet)) == NULL)
        return false;
    if (facts->type == TRANSACTION_WITHDRAWAL) {
        touched->withdrawal = replay_item(books, &state->withdrawals, &state->moved_withdrawals,
                                          facts->subject);
        if (touched->withdrawal == NULL || touched->debit == NULL)
            return false;
        touched->withdrawal->wallet = state_wallet_index(state, touched->debit);
    }
    if (facts->type == TRANSACTION_PURCHASE && !id_is_zero(facts->subject))
        if ((touched->hold = state_hold(state, facts->subject)) == NULL)
            return false;
    if (facts->type == TRANSACTION_REFUND) {
        uint64_t purchase = fetch_transaction_place(books, facts->subject, true);
        if (purchase == 0)
            return false;
        touched->refund = state_refund_item(state, purchase);
    }
    return true;
}

static bool replay_key(struct books *books, uint64_t position, const struct record *record,
                       struct touched *touched) {
    struct state *state = &books->state;
    uint64_t locator;
    if (!id_open(&state->seal, record->api_key.id, &locator) || locator == 0 ||
        locator > state->key_count + 1)
        return false;
    if (locator == state->key_count + 1)
        (void)state_key_add(state);
    touched->key = &state->key_items[locator - 1];
    if (touched->key->opened == 0)
        touched->key->opened = position;
    if (record->operation == COMMAND_KEY_ROTATE)
        touched->key->rotated = position;
    return true;
}

static bool replay_find(struct books *books, uint64_t position, const struct record *record,
                        struct touched *touched) {
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET:
        touched->debit = replay_item(books, &books->state.wallets, &books->state.moved_wallets,
                                     record->wallet.id);
        return touched->debit != NULL;
    case RECORD_TRANSACTION: return replay_transaction(books, record, touched);
    case RECORD_HOLD: return replay_hold(books, record, touched);
    case RECORD_WITHDRAWAL:
        touched->withdrawal = replay_item(books, &books->state.withdrawals,
                                          &books->state.moved_withdrawals, record->withdrawal.id);
        touched->debit = state_wallet(&books->state, record->withdrawal.wallet);
        if (touched->withdrawal == NULL || touched->debit == NULL)
            return false;
        touched->withdrawal->wallet = state_wallet_index(&books->state, touched->debit);
        return true;
    case RECORD_KEY: return replay_key(books, position, record, touched);
    case RECORD_PARKED:
        touched->parked = replay_item(books, &books->state.parked, &books->state.moved_parked,
                                      record->parked.id);
        touched->debit = state_wallet(&books->state, record->parked.wallet);
        return touched->parked != NULL && touched->debit != NULL;
    case RECORD_CURSOR:
    case RECORD_RULES:
    case RECORD_ALARM:
    case RECORD_REFUSAL:
    case RECORD_BATCH:
    case RECORD_NOTES: return true;
    case RECORD_DATA_KEY: data_keys_forget(books->data_keys, record->data_key.number); return true;
    }
    return false;
}

bool effect_replay(struct books *books, uint64_t position, const struct record *record,
                   const char **ret_why) {
    struct touched touched = {0};
    if (!replay_find(books, position, record, &touched)) {
        *ret_why = "the record names a thing that the books do not have";
        return false;
    }
    (void)take(books, position, record, &touched); // totals are added up when all is there
    if (record->kind == RECORD_KEY)
        state_key_publish(&books->state, (uint32_t)(touched.key - books->state.key_items));
    effect_index(books, position, record);
    return true;
}

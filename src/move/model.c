// SPDX-License-Identifier: MIT
// Things of a record are found or made, `apply` carries the facts out, and where things stand is
// noted beside, as both engines do it.
#include "move/model.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"

void model_init(struct model *model, uint64_t hash_seed) {
    *model = (struct model){.hash_seed = hash_seed};
    tally_map_init(&model->wallets, sizeof(struct model_wallet));
    tally_map_init(&model->holds, sizeof(struct model_hold));
    tally_map_init(&model->withdrawals, sizeof(struct model_withdrawal));
    tally_map_init(&model->parked, sizeof(struct model_parked));
    tally_map_init(&model->keys, sizeof(struct model_key));
    tally_map_init(&model->purchases, sizeof(struct model_purchase));
    arena_init(&model->texts, 1 << 16);
    for (uint32_t kind = 0; kind < CURSOR_KINDS; kind++)
        for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
            struct cursor *cursor = &model->cursors[cursor_index((enum cursor_kind)kind, slot)];
            cursor->kind = (uint8_t)kind;
            cursor->slot = (uint16_t)slot;
        }
}

void model_done(struct model *model) {
    tally_map_done(&model->wallets);
    tally_map_done(&model->holds);
    tally_map_done(&model->withdrawals);
    tally_map_done(&model->parked);
    tally_map_done(&model->keys);
    tally_map_done(&model->purchases);
    arena_done(&model->texts);
    memory_free(model->rules);
}

static bool misfit(struct model *model, const char *why) {
    model->why = why;
    return false;
}

static struct slice keep(struct model *model, struct slice text) {
    return text.size == 0 ? (struct slice){0} : arena_copy(&model->texts, text);
}

static void *find(const struct tally_map *map, struct id id) {
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(map, id);
    return index == 0 ? NULL : tally_map_at(map, index);
}

// A thing that is made by its first record has no id yet, which is how `apply` knows it.
static void *find_or_make(struct tally_map *map, struct id id, bool *ret_is_new) {
    void *item = find(map, id);
    *ret_is_new = item == NULL;
    if (item == NULL) {
        item = tally_map_at(map, tally_map_add(map, id));
        memset(item, 0, sizeof(struct id));
    }
    return item;
}

static struct currency_account *currency_of(struct model *model, const struct currency *currency,
                                            bool make) {
    for (uint32_t i = 0; i < model->currency_count; i++)
        if (currency_equal(&model->currencies[i].currency, currency))
            return &model->currencies[i];
    if (!make || model->currency_count == MODEL_CURRENCIES_MAX)
        return NULL;
    struct currency_account *account = &model->currencies[model->currency_count++];
    *account = (struct currency_account){.currency = *currency};
    return account;
}

// Where is counted what somebody usually does; made when it is the first that counts.
static struct habits *habits_of(struct model *model, struct model_wallet *item) {
    if (item->habits == NULL) {
        item->habits = arena_take(&model->texts, sizeof(*item->habits));
        memset(item->habits, 0, sizeof(*item->habits));
    }
    return item->habits;
}

static void find_habits(struct model *model, const struct record *record,
                        struct model_wallet *payer, struct model_wallet *payee,
                        struct docket *docket) {
    if (!record->judged)
        return;
    if (habits_concern_payer(record))
        docket->habits = habits_of(model, payer);
    if (habits_concern_payee(record))
        docket->counterparty_habits = habits_of(model, payee);
}

// ---- by kind ----------------------------------------------------------------------------------

static bool take_wallet(struct model *model, uint64_t position, const struct record *record,
                        struct docket *docket) {
    const struct wallet_facts *facts = &record->wallet;
    bool is_new;
    struct model_wallet *item = find_or_make(&model->wallets, facts->id, &is_new);
    if (is_new) {
        struct currency_account *account = currency_of(model, &facts->currency, true);
        if (account == NULL)
            return misfit(model, "there are too many currencies");
        account->wallet_count++;
        item->wallet.currency = (uint16_t)(account - model->currencies);
        item->owner = keep(model, facts->owner);
    }
    docket->wallet = &item->wallet;
    apply(record, docket);
    item->details = position;
    return true;
}

static void history_take(struct model_wallet *item, const struct posting_side *side,
                         uint64_t position) {
    if (item == NULL)
        return;
    CHECK(side->number == item->transaction_count + 1);
    item->transaction_count = side->number;
    item->last = position;
    history_levels_take(item->levels, side->number, position);
}

static bool find_subject(struct model *model, uint64_t position,
                         const struct transaction_facts *facts, struct docket *docket,
                         struct purchase *purchase) {
    bool is_new;
    if (facts->type == TRANSACTION_WITHDRAWAL) {
        struct model_withdrawal *item =
            find_or_make(&model->withdrawals, facts->subject, &is_new);
        if (is_new)
            item->opened = position;
        item->closed = position;
        item->bank_id = keep(model, facts->bank_id);
        docket->withdrawal = &item->withdrawal;
    }
    if (facts->type == TRANSACTION_PURCHASE && !id_is_zero(facts->subject)) {
        struct model_hold *item = find(&model->holds, facts->subject);
        if (item == NULL)
            return misfit(model, "it captures a hold that was never made");
        docket->hold = &item->hold;
    }
    if (facts->type == TRANSACTION_REFUND) {
        struct model_purchase *item = find_or_make(&model->purchases, facts->subject, &is_new);
        item->id = facts->subject;
        *purchase = (struct purchase){
            .id = facts->subject, .amount = LIMIT_AMOUNT_MAX, .refunded = item->refunded};
        docket->purchase = purchase;
    }
    return true;
}

static bool take_transaction(struct model *model, uint64_t position, const struct record *record,
                             struct docket *docket) {
    const struct transaction_facts *facts = &record->transaction;
    struct model_wallet *debit = find(&model->wallets, facts->debit.wallet);
    struct model_wallet *credit = find(&model->wallets, facts->credit.wallet);
    struct purchase purchase;
    if ((debit == NULL) != id_is_zero(facts->debit.wallet) ||
        (credit == NULL) != id_is_zero(facts->credit.wallet) || (debit == NULL && credit == NULL))
        return misfit(model, "it moves money of a wallet that was never opened");
    docket->wallet = debit != NULL ? &debit->wallet : &credit->wallet;
    docket->counterparty = debit != NULL && credit != NULL ? &credit->wallet : NULL;
    docket->currency = currency_of(model, &facts->currency, false);
    docket->spent = debit != NULL ? &debit->spent : NULL;
    if (docket->currency == NULL)
        return misfit(model, "no wallet has its currency");
    if (!find_subject(model, position, facts, docket, &purchase))
        return false;
    find_habits(model, record, debit != NULL ? debit : credit, credit, docket);
    bool was_open = docket->hold != NULL && docket->hold->status == HOLD_OPEN;
    apply(record, docket);
    if (docket->unaccounted != 0)
        return misfit(model, "money comes from nowhere");
    if (docket->hold != NULL && docket->hold->status != HOLD_OPEN && was_open)
        model->hold_open_count--;
    if (docket->purchase != NULL)
        ((struct model_purchase *)find(&model->purchases, facts->subject))->refunded =
            purchase.refunded;
    history_take(debit, &facts->debit, position);
    history_take(credit, &facts->credit, position);
    model->transaction_count++;
    return true;
}

static bool take_hold(struct model *model, uint64_t position, const struct record *record,
                      struct docket *docket) {
    const struct hold_facts *facts = &record->hold;
    struct model_wallet *wallet = find(&model->wallets, facts->wallet);
    bool is_new;
    if (wallet == NULL)
        return misfit(model, "it holds money of a wallet that was never opened");
    struct model_hold *item = find_or_make(&model->holds, facts->id, &is_new);
    docket->wallet = &wallet->wallet;
    docket->spent = &wallet->spent;
    docket->hold = &item->hold;
    if (is_new) {
        item->opened = position;
        item->order = keep(model, facts->order);
        model->hold_open_count++;
    } else {
        item->closed = position;
        model->hold_open_count--;
    }
    find_habits(model, record, wallet, NULL, docket);
    apply(record, docket);
    return true;
}

static bool take_withdrawal(struct model *model, uint64_t position, const struct record *record,
                            struct docket *docket) {
    const struct withdrawal_facts *facts = &record->withdrawal;
    struct model_wallet *wallet = find(&model->wallets, facts->wallet);
    bool is_new;
    if (wallet == NULL)
        return misfit(model, "it holds money of a wallet that was never opened");
    struct model_withdrawal *item = find_or_make(&model->withdrawals, facts->id, &is_new);
    docket->wallet = &wallet->wallet;
    docket->spent = &wallet->spent;
    docket->withdrawal = &item->withdrawal;
    if (is_new)
        item->opened = position;
    else
        item->closed = position;
    find_habits(model, record, wallet, NULL, docket);
    apply(record, docket);
    return true;
}

static bool take_key(struct model *model, uint64_t position, const struct record *record,
                     struct docket *docket) {
    bool is_new;
    struct model_key *item = find_or_make(&model->keys, record->api_key.id, &is_new);
    if (is_new) {
        item->opened = position;
        item->key.owner = keep(model, record->api_key.owner);
    }
    if (record->operation == COMMAND_KEY_ROTATE)
        item->rotated = position;
    docket->key = &item->key;
    apply(record, docket);
    model->key_record_count++;
    return true;
}

static bool take_parked(struct model *model, uint64_t position, const struct record *record,
                        struct docket *docket) {
    bool is_new;
    struct model_wallet *wallet = find(&model->wallets, record->parked.wallet);
    if (record->parked.wallet_version != 0 && wallet == NULL)
        return misfit(model, "it holds money of a wallet that was never opened");
    struct model_parked *item = find_or_make(&model->parked, record->parked.id, &is_new);
    if (is_new) {
        item->opened = position;
        item->principal = keep(model, record->origin.principal);
    } else {
        item->closed = position;
    }
    docket->parked = &item->parked;
    if (record->parked.wallet_version != 0)
        docket->wallet = &wallet->wallet;
    apply(record, docket);
    return true;
}

static bool take_rules(struct model *model, uint64_t position, const struct rules_facts *facts) {
    model->rules = memory_resize(model->rules, (model->rules_count + 1) * sizeof(*model->rules));
    model->rules[model->rules_count++] = (struct model_rules){
        .version = facts->version, .position = position, .rules = keep(model, facts->rules)};
    return true;
}

bool model_take(struct model *model, uint64_t position, const struct record *record) {
    struct docket docket = {.owner_seed = model->hash_seed};
    model->record_count++;
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET: return take_wallet(model, position, record, &docket);
    case RECORD_TRANSACTION: return take_transaction(model, position, record, &docket);
    case RECORD_HOLD: return take_hold(model, position, record, &docket);
    case RECORD_WITHDRAWAL: return take_withdrawal(model, position, record, &docket);
    case RECORD_KEY: return take_key(model, position, record, &docket);
    case RECORD_PARKED: return take_parked(model, position, record, &docket);
    case RECORD_CURSOR:
        docket.cursor = &model->cursors[cursor_index(record->cursor.kind, record->cursor.slot)];
        apply(record, &docket);
        return true;
    case RECORD_RULES: return take_rules(model, position, &record->rules);
    case RECORD_ALARM: alarm_take(&model->alarm, &record->alarm); return true;
    case RECORD_REFUSAL:
    case RECORD_BATCH:
    case RECORD_DATA_KEY:
    case RECORD_NOTES: return true;
    }
    return misfit(model, "it is of no kind");
}

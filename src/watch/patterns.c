// SPDX-License-Identifier: MIT
// What wallets did lately is kept in a table of fixed size, by their ids: each has the last few
// payments that came and went. A pattern is looked for when the payment comes that would complete
// it, among those. The same pattern of the same wallet is told once per window.
#include "watch/patterns.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

#define WALLETS_BITS  15
#define WALLETS       (1u << WALLETS_BITS)
#define PROBES        8  // places that a wallet may lie at
#define MOVES         24 // payments that a wallet's side remembers
#define BANKS         (1u << 14)
#define BANK_WALLETS  12
#define CIRCLE_DEPTH  9 // transfers, with the one that comes back
#define CIRCLE_VISITS 1000
#define MONEY_BYTES   64
#define SPAN_BYTES    16
#define YOUNG_MS      (UINT64_C(86400) * 1000)

enum move_kind { MOVE_WALLET, MOVE_OUTSIDE };

struct move {
    uint64_t at_ms;
    int64_t amount;
    struct id other; // zero: the world outside
    struct id transaction;
    bool is_purchase;
};

// The last payments of one side, oldest overwritten.
struct moves {
    uint32_t count; // ever
    struct move last[MOVES];
};

struct watched {
    struct id id; // zero: free
    uint64_t seen_ms;
    uint64_t told_ms[PATTERN_COUNT];
    bool is_merchant;
    struct moves in, out;
};

// Which wallets a bank account served.
struct bank {
    uint64_t hash; // 0: free
    uint64_t told_ms;
    uint32_t count;
    struct move uses[BANK_WALLETS]; // `other` is the wallet
};

struct patterns {
    struct pattern_setting settings[PATTERN_COUNT];
    void (*found)(void *context, const struct pattern_finding *finding);
    void *context;
    struct watched *wallets; // owned, WALLETS
    struct bank *banks;      // owned, BANKS
    uint64_t now_ms;
    const struct currency *currency;
    uint32_t visits; // of the present search for a circle
};

const char *pattern_name(enum pattern pattern) {
    static const char *const names[PATTERN_COUNT] = {
        [PATTERN_STRUCTURING] = "structuring", [PATTERN_CIRCLE] = "circle",
        [PATTERN_FAN_IN] = "fan-in",           [PATTERN_FAN_OUT] = "fan-out",
        [PATTERN_SHARED_BANK] = "shared-bank", [PATTERN_BURST] = "burst",
    };
    CHECK(pattern < PATTERN_COUNT);
    return names[pattern];
}

void patterns_set_defaults(struct pattern_setting ret_settings[PATTERN_COUNT]) {
    static const struct pattern_setting standard[PATTERN_COUNT] = {
        [PATTERN_STRUCTURING] = {.count = 4, .window_s = 86400, .percent = 75, .amount = 1000000,
                                 .score = 80},
        [PATTERN_CIRCLE] = {.count = 3, .window_s = 86400, .percent = 80, .amount = 5000,
                            .score = 75},
        [PATTERN_FAN_IN] = {.count = 8, .window_s = 86400, .percent = 80, .score = 85},
        [PATTERN_FAN_OUT] = {.count = 8, .window_s = 3600, .percent = 80, .score = 70},
        [PATTERN_SHARED_BANK] = {.count = 5, .window_s = 86400, .score = 65},
        [PATTERN_BURST] = {.count = 10, .window_s = 900, .score = 60},
    };
    memcpy(ret_settings, standard, sizeof(standard));
}

// ---- memory -------------------------------------------------------------------------------------

static uint64_t hash_of(struct id id) {
    return hash128(slice_of(id.bytes, sizeof(id.bytes)), 0).low;
}

static struct watched *find(const struct patterns *patterns, struct id id) {
    uint64_t home = hash_of(id);
    for (uint32_t i = 0; i < PROBES; i++) {
        struct watched *wallet = &patterns->wallets[(home + i) % WALLETS];
        if (id_equal(wallet->id, id))
            return wallet;
    }
    return NULL;
}

// The wallet's place; who was silent longest makes room.
static struct watched *find_or_add(struct patterns *patterns, struct id id) {
    struct watched *wallet = find(patterns, id);
    if (wallet == NULL) {
        uint64_t home = hash_of(id);
        wallet = &patterns->wallets[home % WALLETS];
        for (uint32_t i = 1; i < PROBES; i++) {
            struct watched *other = &patterns->wallets[(home + i) % WALLETS];
            if (other->seen_ms < wallet->seen_ms)
                wallet = other;
        }
        memset(wallet, 0, sizeof(*wallet));
        wallet->id = id;
    }
    wallet->seen_ms = patterns->now_ms;
    return wallet;
}

static void remember(struct moves *moves, const struct move *move) {
    moves->last[moves->count++ % MOVES] = *move;
}

// The i-th newest, from 0; NULL: none, or older than the window.
static const struct move *newest(const struct patterns *patterns, const struct moves *moves,
                                 uint32_t i, uint32_t window_s) {
    if (i >= MOVES || i >= moves->count)
        return NULL;
    const struct move *move = &moves->last[(moves->count - 1 - i) % MOVES];
    return move->at_ms + (uint64_t)window_s * 1000 < patterns->now_ms ? NULL : move;
}

// ---- telling ------------------------------------------------------------------------------------

static void begin(const struct patterns *patterns, enum pattern pattern, struct id wallet,
                  struct pattern_finding *ret_finding) {
    *ret_finding = (struct pattern_finding){
        .pattern = pattern, .wallet = wallet, .score = patterns->settings[pattern].score};
}

static void add(struct pattern_finding *finding, struct id transaction) {
    if (finding->transaction_count < PATTERN_TRANSACTIONS_MAX)
        finding->transactions[finding->transaction_count++] = transaction;
}

// They were gathered from the newest backwards.
static void turn_round(struct pattern_finding *finding) {
    for (uint32_t i = 0, k = finding->transaction_count; i + 1 < k; i++) {
        struct id first = finding->transactions[i];
        finding->transactions[i] = finding->transactions[--k];
        finding->transactions[k] = first;
    }
}

static bool was_told(const struct patterns *patterns, enum pattern pattern, uint64_t told_ms) {
    uint64_t window_ms = (uint64_t)patterns->settings[pattern].window_s * 1000;
    return told_ms != 0 && told_ms + window_ms > patterns->now_ms;
}

static void tell(struct patterns *patterns, struct pattern_finding *finding, uint64_t *told_ms) {
    *told_ms = patterns->now_ms;
    turn_round(finding);
    patterns->found(patterns->context, finding);
}

// "12.50 EUR"
static const char *money(const struct patterns *patterns, int64_t amount, char room[MONEY_BYTES]) {
    int64_t unit = 1;
    int digits = patterns->currency->exponent > 8 ? 8 : patterns->currency->exponent;
    for (int i = 0; i < digits; i++)
        unit *= 10;
    if (digits == 0)
        (void)snprintf(room, MONEY_BYTES, "%lld %.12s", (long long)amount,
                       patterns->currency->code);
    else
        (void)snprintf(room, MONEY_BYTES, "%lld.%0*lld %.12s", (long long)(amount / unit), digits,
                       (long long)(amount % unit), patterns->currency->code);
    return room;
}

// In the largest unit that says all of it.
static const char *span(uint32_t seconds, char room[SPAN_BYTES]) {
    uint32_t unit = seconds % 3600 == 0 ? 3600 : seconds % 60 == 0 ? 60 : 1;
    (void)snprintf(room, SPAN_BYTES, "%u %s", seconds / unit,
                   unit == 3600 ? "h"
                   : unit == 60 ? "min"
                                : "s");
    return room;
}

// ---- patterns -----------------------------------------------------------------------------------

static void look_for_structuring(struct patterns *patterns, struct watched *wallet,
                                 const struct moves *moves, const char *words) {
    const struct pattern_setting *setting = &patterns->settings[PATTERN_STRUCTURING];
    struct pattern_finding finding;
    uint32_t count = 0;
    int64_t sum = 0;
    char amount[MONEY_BYTES], threshold[MONEY_BYTES], window[SPAN_BYTES];
    uint64_t *told = &wallet->told_ms[PATTERN_STRUCTURING];
    if (setting->off || was_told(patterns, PATTERN_STRUCTURING, *told) || wallet->is_merchant)
        return;
    begin(patterns, PATTERN_STRUCTURING, wallet->id, &finding);
    const struct move *move;
    for (uint32_t i = 0; (move = newest(patterns, moves, i, setting->window_s)) != NULL; i++) {
        if (!id_is_zero(move->other) || move->amount >= setting->amount ||
            move->amount < setting->amount / 100 * setting->percent)
            continue;
        add(&finding, move->transaction);
        sum += move->amount;
        count++;
    }
    if (count < setting->count)
        return;
    finding.amount = sum;
    (void)snprintf(finding.sentence, sizeof(finding.sentence),
                   "%u %s of %s together within %s, each just below %s.", count, words,
                   money(patterns, sum, amount), span(setting->window_s, window),
                   money(patterns, setting->amount, threshold));
    tell(patterns, &finding, told);
}

// Whether money that left `from` before `before_ms` has come to `to` over other wallets; the way is
// gathered backwards. At each step most of the amount must go on, later than it came.
static bool leads_to(struct patterns *patterns, struct id from, struct id to, uint64_t after_ms,
                     int64_t amount, uint32_t depth, struct pattern_finding *finding) {
    const struct pattern_setting *setting = &patterns->settings[PATTERN_CIRCLE];
    const struct watched *wallet = find(patterns, from);
    const struct move *move;
    if (wallet == NULL || wallet->is_merchant || patterns->visits++ > CIRCLE_VISITS)
        return false;
    for (uint32_t i = 0;
         (move = newest(patterns, &wallet->out, i, setting->window_s)) != NULL; i++) {
        bool goes_on = move->at_ms >= after_ms && !id_is_zero(move->other) &&
                       move->amount >= amount / 100 * setting->percent &&
                       move->amount / 100 * setting->percent <= amount;
        if (!goes_on)
            continue;
        if (id_equal(move->other, to) ? depth >= 2
                                      : depth + 1 < CIRCLE_DEPTH &&
                                            leads_to(patterns, move->other, to, move->at_ms,
                                                     move->amount, depth + 1, finding)) {
            add(finding, move->transaction);
            return true;
        }
    }
    return false;
}

// The payment that comes back to where it began: from `payer` to `origin`.
static void look_for_circle(struct patterns *patterns, struct watched *origin,
                            const struct watched *payer, const struct move *last) {
    const struct pattern_setting *setting = &patterns->settings[PATTERN_CIRCLE];
    struct pattern_finding finding;
    char amount[MONEY_BYTES];
    uint64_t *told = &origin->told_ms[PATTERN_CIRCLE];
    if (setting->off || last->amount < setting->amount || origin->is_merchant ||
        payer->is_merchant || was_told(patterns, PATTERN_CIRCLE, *told))
        return;
    begin(patterns, PATTERN_CIRCLE, origin->id, &finding);
    patterns->visits = 0;
    struct pattern_finding way = finding;
    if (!leads_to(patterns, origin->id, payer->id, 0, last->amount, 1, &way) ||
        way.transaction_count + 1 < setting->count)
        return;
    finding.amount = last->amount;
    add(&finding, last->transaction);
    for (uint32_t i = 0; i < way.transaction_count; i++)
        add(&finding, way.transactions[i]);
    (void)snprintf(finding.sentence, sizeof(finding.sentence),
                   "%s came back after %u transfers from wallet to wallet.",
                   money(patterns, last->amount, amount), finding.transaction_count);
    tell(patterns, &finding, told);
}

struct side_sum {
    int64_t sum;
    uint32_t wallets; // distinct; 0 counts of the world outside
};

// What a side had within the window, and with how many wallets. Whoever collects for a present and
// buys it passes nothing through, so purchases do not count.
static struct side_sum sum_of(const struct patterns *patterns, const struct moves *moves,
                              uint32_t window_s, struct pattern_finding *finding) {
    struct side_sum sum = {0};
    const struct move *move;
    for (uint32_t i = 0; (move = newest(patterns, moves, i, window_s)) != NULL; i++) {
        if (move->is_purchase)
            continue;
        bool is_new = !id_is_zero(move->other);
        for (uint32_t k = 0; is_new && k < i; k++)
            is_new = !id_equal(newest(patterns, moves, k, window_s)->other, move->other);
        sum.wallets += is_new;
        sum.sum += move->amount;
        if (finding != NULL)
            add(finding, move->transaction);
    }
    return sum;
}

// `many` has payments with many wallets, `rest` is the other side; together they say that the money
// only passes through.
static void look_for_fan(struct patterns *patterns, enum pattern pattern, struct watched *wallet,
                         const struct moves *many, const struct moves *rest) {
    const struct pattern_setting *setting = &patterns->settings[pattern];
    struct pattern_finding finding;
    char came_text[MONEY_BYTES], went_text[MONEY_BYTES], window[SPAN_BYTES];
    uint64_t *told = &wallet->told_ms[pattern];
    if (setting->off || wallet->is_merchant || was_told(patterns, pattern, *told) ||
        many->count < setting->count)
        return;
    begin(patterns, pattern, wallet->id, &finding);
    struct side_sum with_many = sum_of(patterns, many, setting->window_s, &finding);
    struct side_sum others = sum_of(patterns, rest, PATTERN_WINDOW_S_MAX, NULL);
    int64_t came = pattern == PATTERN_FAN_IN ? with_many.sum : others.sum;
    int64_t went = pattern == PATTERN_FAN_IN ? others.sum : with_many.sum;
    if (with_many.wallets < setting->count || went < came / 100 * setting->percent || came == 0)
        return;
    finding.amount = went;
    (void)snprintf(finding.sentence, sizeof(finding.sentence),
                   pattern == PATTERN_FAN_IN
                       ? "%u wallets sent %s to it within %s, and %s have left it again."
                       : "It spread money over %u wallets: %s came, and %s went out within %s.",
                   with_many.wallets, money(patterns, came, came_text),
                   money(patterns, went, went_text), span(setting->window_s, window));
    tell(patterns, &finding, told);
}

static void look_for_burst(struct patterns *patterns, struct watched *payee) {
    const struct pattern_setting *setting = &patterns->settings[PATTERN_BURST];
    struct pattern_finding finding;
    const struct move *move;
    uint32_t count = 0;
    char window[SPAN_BYTES];
    uint64_t *told = &payee->told_ms[PATTERN_BURST];
    if (setting->off || was_told(patterns, PATTERN_BURST, *told) ||
        payee->in.count < setting->count)
        return;
    begin(patterns, PATTERN_BURST, payee->id, &finding);
    for (uint32_t i = 0; (move = newest(patterns, &payee->in, i, setting->window_s)) != NULL; i++) {
        bool is_new = !id_is_zero(move->other) && id_time_ms(move->other) + YOUNG_MS > move->at_ms;
        for (uint32_t k = 0; is_new && k < i; k++)
            is_new = !id_equal(newest(patterns, &payee->in, k, setting->window_s)->other,
                               move->other);
        if (!is_new)
            continue;
        add(&finding, move->transaction);
        finding.amount += move->amount;
        count++;
    }
    if (count < setting->count)
        return;
    (void)snprintf(finding.sentence, sizeof(finding.sentence),
                   "%u wallets that are not a day old paid it within %s.", count,
                   span(setting->window_s, window));
    tell(patterns, &finding, told);
}

// What stands in front of the first ':' of a bank id; empty: the bank id names no account.
static struct slice account_of(struct slice bank_id) {
    const uint8_t *colon = bank_id.size == 0 ? NULL : memchr(bank_id.bytes, ':', bank_id.size);
    return colon == NULL ? slice_of(NULL, 0)
                         : slice_of(bank_id.bytes, (size_t)(colon - bank_id.bytes));
}

static void look_at_bank(struct patterns *patterns, struct slice bank_id, const struct move *use) {
    const struct pattern_setting *setting = &patterns->settings[PATTERN_SHARED_BANK];
    struct slice account = account_of(bank_id);
    struct pattern_finding finding;
    char window[SPAN_BYTES];
    if (setting->off || account.size == 0)
        return;
    uint64_t hash = hash128(account, 1).low | 1;
    struct bank *bank = &patterns->banks[(hash >> 8) % BANKS];
    if (bank->hash != hash)
        *bank = (struct bank){.hash = hash};
    begin(patterns, PATTERN_SHARED_BANK, use->other, &finding);
    finding.amount = use->amount;
    add(&finding, use->transaction);
    uint32_t wallets = 1;
    for (uint32_t i = 0; i < BANK_WALLETS && i < bank->count; i++) {
        const struct move *before = &bank->uses[(bank->count - 1 - i) % BANK_WALLETS];
        bool counts = before->at_ms + (uint64_t)setting->window_s * 1000 >= patterns->now_ms;
        if (id_equal(before->other, use->other)) {
            bank->uses[(bank->count - 1 - i) % BANK_WALLETS] = *use;
            return; // each wallet stands there once
        }
        wallets += counts;
        if (counts)
            add(&finding, before->transaction);
    }
    bank->uses[bank->count++ % BANK_WALLETS] = *use;
    if (wallets < setting->count || was_told(patterns, PATTERN_SHARED_BANK, bank->told_ms))
        return;
    (void)snprintf(finding.sentence, sizeof(finding.sentence),
                   "The bank account that it paid out to took money of %u wallets within %s.",
                   wallets, span(setting->window_s, window));
    tell(patterns, &finding, &bank->told_ms);
}

// ---- records ------------------------------------------------------------------------------------

static void take_transaction(struct patterns *patterns, const struct transaction_facts *facts) {
    bool comes = id_is_zero(facts->debit.wallet), goes = id_is_zero(facts->credit.wallet);
    struct move move = {
        .at_ms = patterns->now_ms,
        .amount = facts->amount,
        .transaction = facts->id,
        .is_purchase = facts->type == TRANSACTION_PURCHASE,
    };
    patterns->currency = &facts->currency;
    if (facts->type == TRANSACTION_REFUND || facts->type == TRANSACTION_ADJUSTMENT)
        return; // the house's own doing
    struct watched *payer = NULL, *payee = NULL;
    if (!comes) {
        payer = find_or_add(patterns, facts->debit.wallet);
        move.other = facts->credit.wallet;
        remember(&payer->out, &move);
    }
    if (!goes) {
        payee = find_or_add(patterns, facts->credit.wallet);
        move.other = facts->debit.wallet;
        remember(&payee->in, &move);
        // The second may have taken the first one's place, if all around were busier.
        payer = comes ? NULL : find(patterns, facts->debit.wallet);
    }
    if (payee != NULL && facts->type == TRANSACTION_PURCHASE)
        payee->is_merchant = true;
    if (facts->type == TRANSACTION_DEPOSIT && payee != NULL) {
        look_for_structuring(patterns, payee, &payee->in, "deposits");
    }
    if (facts->type == TRANSACTION_WITHDRAWAL && payer != NULL) {
        look_for_structuring(patterns, payer, &payer->out, "withdrawals");
        move.other = payer->id;
        look_at_bank(patterns, facts->bank_id, &move);
    }
    if (facts->type == TRANSACTION_TRANSFER && payer != NULL && payee != NULL) {
        look_for_circle(patterns, payee, payer, &payee->in.last[(payee->in.count - 1) % MOVES]);
        look_for_fan(patterns, PATTERN_FAN_OUT, payer, &payer->out, &payer->in);
    }
    if (payer != NULL && !payer->is_merchant)
        look_for_fan(patterns, PATTERN_FAN_IN, payer, &payer->in, &payer->out);
    if (payee != NULL && !comes)
        look_for_burst(patterns, payee);
}

void patterns_take(struct patterns *patterns, const struct record *record) {
    CHECK(!record_arrives(record)); // its shard has it
    patterns->now_ms = record->time_ms;
    if (record->kind == RECORD_WALLET && record->wallet.kind == WALLET_MERCHANT)
        find_or_add(patterns, record->wallet.id)->is_merchant = true;
    if (record->kind == RECORD_TRANSACTION)
        take_transaction(patterns, &record->transaction);
}

void patterns_set(struct patterns *patterns, const struct pattern_setting settings[PATTERN_COUNT]) {
    for (int i = 0; i < PATTERN_COUNT; i++)
        CHECK(settings[i].off || (settings[i].count >= 2 && settings[i].score >= 1 &&
                                  settings[i].window_s <= PATTERN_WINDOW_S_MAX));
    memcpy(patterns->settings, settings, sizeof(patterns->settings));
}

struct patterns *patterns_open(const struct pattern_setting settings[PATTERN_COUNT],
                               void (*found)(void *context, const struct pattern_finding *finding),
                               void *context) {
    struct patterns *patterns = memory_take_zeroed(sizeof(*patterns));
    patterns_set(patterns, settings);
    patterns->found = found;
    patterns->context = context;
    patterns->wallets = memory_take_zeroed((uint64_t)WALLETS * sizeof(*patterns->wallets));
    patterns->banks = memory_take_zeroed((uint64_t)BANKS * sizeof(*patterns->banks));
    return patterns;
}

void patterns_close(struct patterns *patterns) {
    if (patterns == NULL)
        return;
    memory_free(patterns->wallets);
    memory_free(patterns->banks);
    memory_free(patterns);
}

// SPDX-License-Identifier: MIT
// Rows that are nobody's alone: API keys, places in logs beside the books, data keys of owners, and
// currencies, which count wallets and what comes in and goes out. Who has locked one of them,
// perhaps in a forgotten psql, holds up what would change that row, and nothing else. All but the
// last change so rarely that they are always asked for with their lock. Currencies change in most
// batches, so nobody asks: a batch that finds one locked when it is written comes again, and asks
// which are free, as do those behind it while any is not.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

// ---- keys ---------------------------------------------------------------------------------------

static struct asked_key *asked_key(const struct desk *desk, uint64_t number) {
    for (uint32_t i = 0; i < desk->asked_keys.count; i++) {
        struct asked_key *asked = desk->asked_keys.items[i];
        if (asked->number == number)
            return asked;
    }
    return NULL;
}

void desk_want_key_lock(struct desk *desk, struct id id) {
    uint64_t number;
    if (!id_open(&desk->seal, id, &number) || asked_key(desk, number) != NULL)
        return;
    struct asked_key *asked = arena_take(&desk->arena, sizeof(*asked));
    *asked = (struct asked_key){.number = number};
    rows_add(&desk->asked_keys, asked);
    column_add(&desk->wants.locked_keys, (int64_t)number);
}

void desk_take_key_lock(struct desk *desk, const struct pg_result *result, int row) {
    struct asked_key *asked = asked_key(desk, (uint64_t)row_number(result, row, 0));
    CHECK(asked != NULL);
    asked->is_locked = true;
}

static bool is_key_blocked(const struct desk *desk, const struct key_row *row) {
    const struct asked_key *asked = asked_key(desk, (uint64_t)(row - desk->key_rows) + 1);
    CHECK(asked != NULL); // whatever a batch names is fetched
    return !asked->is_locked;
}

// ---- currencies ---------------------------------------------------------------------------------

// Those that are free are locked now, for this batch.
void desk_take_free_currencies(struct desk *desk, const struct pg_result *result) {
    uint32_t free = 0;
    for (uint32_t i = 0; i < desk->currency_count; i++)
        desk->currencies[i].blocked = true;
    for (int row = 0; row < row_count(result); row++) {
        uint64_t number = (uint64_t)row_number(result, row, 0);
        CHECK(number < desk->currency_count && desk->currencies[number].blocked);
        desk->currencies[number].blocked = false;
        free++;
    }
    desk->seeks_free = free != desk->currency_count;
}

static bool is_currency_blocked(const struct desk *desk, const struct currency *currency) {
    uint16_t number;
    return desk_currency(desk, currency, &number) != NULL && desk->currencies[number].blocked;
}

bool desk_arrival_is_blocked(const struct desk *desk, const struct record *record) {
    if (record->kind == RECORD_WALLET)
        return is_currency_blocked(desk, &record->wallet.currency);
    return record->kind == RECORD_TRANSACTION &&
           is_currency_blocked(desk, &record->transaction.currency);
}

// Between shards money is in transit, which is counted there, too.
static bool crosses(const struct found *found) {
    return found->wallet != NULL && found->counterparty != NULL &&
           (found->wallet->legs == NULL) != (found->counterparty->legs == NULL);
}

static bool changes_currency(const struct desk *desk, const struct command *command,
                             const struct found *found) {
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN: return !desk_is_guest(desk, command);
    case COMMAND_DEPOSIT:
    case COMMAND_ADJUSTMENT:
    case COMMAND_SETTLE: return true;
    case COMMAND_WITHDRAWAL: return command->bank_id.size != 0;
    case COMMAND_TRANSFER:
    case COMMAND_PURCHASE:
    case COMMAND_CAPTURE:
    case COMMAND_REFUND: return crosses(found);
    default: return false;
    }
}

bool desk_locks_block(const struct desk *desk, const struct command *command,
                      const struct found *found) {
    if (found->key != NULL && is_key_blocked(desk, found->key))
        return true;
    if (command_is_of_cursor(command->type) && desk_cursor(desk, command)->blocked)
        return true;
    if (command->type == COMMAND_OWNER_FORGET && desk_owner_is_blocked(desk, command->owner))
        return true;
    const struct currency_account *account = found->docket.currency;
    return desk->seeks_free && account != NULL && changes_currency(desk, command, found) &&
           is_currency_blocked(desk, &account->currency);
}

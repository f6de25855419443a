// SPDX-License-Identifier: MIT
// Data keys on the desk: read in the transaction that needs them, so a node never seals with a key
// that another has destroyed; new ones and destroyed ones go out with the batch's records.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"

static struct desk *desk_of(struct text_vault *vault) {
    return (struct desk *)((uint8_t *)vault - offsetof(struct desk, sealing.port));
}

static struct owner_row *owner_row(struct desk *desk, uint64_t owner) {
    struct owner_row *row = map_find(&desk->sealing.owner_map, map_number(owner));
    if (row == NULL) {
        row = memset(arena_take(&desk->arena, sizeof(*row)), 0, sizeof(*row));
        map_add(&desk->sealing.owner_map, map_number(owner), row);
    }
    return row;
}

static struct data_key_row *key_row(const struct desk *desk, uint64_t number) {
    return map_find(&desk->sealing.key_map, map_number(number));
}

// ---- fetching ---------------------------------------------------------------------------------

void desk_want_owner(struct desk *desk, uint64_t owner) {
    if (desk->sealing.vault == NULL ||
        map_find(&desk->sealing.owner_map, map_number(owner)) != NULL)
        return;
    (void)owner_row(desk, owner);
    column_add(&desk->wants.key_owners, (int64_t)owner);
}

void desk_want_owner_known(struct desk *desk, struct slice owner) {
    if (desk->sealing.vault == NULL)
        return;
    desk_want_owner(desk, owner_mark(desk->hash_seed, owner));
    column_add(&desk->wants.forgotten_owners, (int64_t)owner_mark(desk->hash_seed, owner));
    column_add(&desk->wants.known_slots, id_slot_of_owner(owner));
    column_add_bytes(&desk->wants.known_owners, owner);
}

void desk_want_key(struct desk *desk, struct slice bytes) {
    uint64_t number = desk->sealing.vault == NULL ? 0 : record_sealed_by(bytes);
    if (number == 0 || key_row(desk, number) != NULL)
        return;
    struct data_key_row *row = memset(arena_take(&desk->arena, sizeof(*row)), 0, sizeof(*row));
    map_add(&desk->sealing.key_map, map_number(number), row); // until it comes it is destroyed
    column_add(&desk->wants.key_numbers, (int64_t)number);
}

void desk_take_data_key(struct desk *desk, const struct pg_result *result, int row) {
    uint64_t number = (uint64_t)row_number(result, row, 0);
    struct slice wrapped = row_bytes(result, row, 2);
    struct data_key_row *key = key_row(desk, number);
    if (key == NULL) {
        key = memset(arena_take(&desk->arena, sizeof(*key)), 0, sizeof(*key));
        map_add(&desk->sealing.key_map, map_number(number), key);
    }
    key->is_here = true;
    if (wrapped.size == 0)
        return;
    CHECK(wrapped.size == sizeof(key->key.wrapped));
    key->key.number = number;
    key->key.owner = (uint64_t)row_number(result, row, 1);
    memcpy(key->key.wrapped, wrapped.bytes, wrapped.size);
    owner_row(desk, key->key.owner)->now = key;
}

void desk_take_away_key(struct desk *desk, const struct vault_key *key) {
    if (desk->sealing.vault == NULL || key->number == 0)
        return;
    struct data_key_row *row = key_row(desk, key->number);
    if (row == NULL) {
        row = memset(arena_take(&desk->arena, sizeof(*row)), 0, sizeof(*row));
        map_add(&desk->sealing.key_map, map_number(key->number), row);
    }
    row->key = *key;
    row->is_here = true;
    owner_row(desk, key->owner)->now = row;
}

bool desk_lacks_owner_key(const struct desk *desk, const struct wallet_row *wallet) {
    if (desk->sealing.vault == NULL || wallet->wallet.owner == 0)
        return false;
    const struct owner_row *row =
        map_find(&desk->sealing.owner_map, map_number(wallet->wallet.owner));
    return row == NULL || row->now == NULL || !vault_knows(desk->sealing.vault, &row->now->key);
}

void desk_take_owner_known(struct desk *desk, const struct pg_result *result, int row) {
    owner_row(desk, owner_mark(desk->hash_seed, row_bytes(result, row, 0)))->is_known = true;
}

void desk_take_free_owner(struct desk *desk, const struct pg_result *result, int row) {
    owner_row(desk, (uint64_t)row_number(result, row, 0))->is_free = true;
}

// ---- deciding ---------------------------------------------------------------------------------

void desk_find_owner_data(struct desk *desk, const struct command *command,
                          struct docket *docket) {
    const struct sealing *sealing = &desk->sealing;
    if (sealing->vault == NULL)
        return;
    const struct owner_row *row = owner_row(desk, owner_mark(desk->hash_seed, command->owner));
    docket->encrypts = true;
    docket->owner_is_known = row->is_known;
    for (uint32_t i = 0; i < desk->wallets.count && !docket->owner_is_known; i++) {
        const struct wallet_row *wallet = desk->wallets.items[i]; // opened in this very batch
        docket->owner_is_known = wallet->added && slice_equal(wallet->owner, command->owner);
    }
    docket->data_key.number = row->now != NULL ? row->now->key.number : 0;
    docket->data_key.plain_until_ms = __atomic_load_n(&sealing->plain_until_ms, __ATOMIC_RELAXED);
}

// Whether somebody else has locked the data key that would be destroyed with that owner's texts.
bool desk_owner_is_blocked(const struct desk *desk, struct slice owner) {
    if (desk->sealing.vault == NULL)
        return false;
    uint64_t mark = owner_mark(desk->hash_seed, owner);
    const struct owner_row *row = map_find(&desk->sealing.owner_map, map_number(mark));
    CHECK(row != NULL); // whatever a batch names is fetched
    return row->now != NULL && !row->is_free;
}

static uint64_t key_of(struct text_vault *vault, uint64_t owner) {
    struct desk *desk = desk_of(vault);
    struct sealing *sealing = &desk->sealing;
    struct owner_row *owned = owner_row(desk, owner);
    if (owned->now != NULL && vault_knows(sealing->vault, &owned->now->key))
        return owned->now->key.number;
    CHECK(!desk_is_elsewhere(desk, sealing->slot)); // his key came along
    struct data_key_row *row = memset(arena_take(&desk->arena, sizeof(*row)), 0, sizeof(*row));
    row->slot = sealing->slot;
    row->is_here = true;
    do
        random_fill(&row->key.number, sizeof(row->key.number));
    while ((row->key.number &= INT64_MAX) == 0 || key_row(desk, row->key.number) != NULL);
    row->key.owner = owner;
    vault_make(sealing->vault, &row->key);
    map_add(&sealing->key_map, map_number(row->key.number), row);
    rows_add(&sealing->added, row);
    owned->now = row;
    return row->key.number;
}

static void seal(struct text_vault *vault, uint64_t number, struct slice head, uint8_t *place,
                 size_t text_bytes) {
    struct desk *desk = desk_of(vault);
    const struct data_key_row *row = key_row(desk, number);
    CHECK(row != NULL);
    bool is_sealed = vault_seal(desk->sealing.vault, &row->key, head, place, text_bytes);
    CHECK(is_sealed); // key_of has asked
}

static bool unseal(struct text_vault *vault, uint64_t number, struct slice head, uint8_t *place,
                   size_t text_bytes) {
    struct desk *desk = desk_of(vault);
    const struct data_key_row *row = key_row(desk, number);
    CHECK(row != NULL); // whatever was fetched was asked for
    return row->key.number != 0 &&
           vault_unseal(desk->sealing.vault, &row->key, head, place, text_bytes);
}

void desk_seal(struct desk *desk, const struct record *record) {
    if (desk->sealing.vault == NULL)
        return;
    if (!record_kind_seals(record->kind)) {
        record_seal(&desk->scratch, 0, &desk->sealing.port, 0);
        return;
    }
    bool is_opening = record->kind == RECORD_WALLET && record->operation == COMMAND_WALLET_OPEN;
    uint64_t owner = is_opening ? owner_mark(desk->hash_seed, record->wallet.owner)
                                : desk_owner(desk, record_seal_wallet(record));
    CHECK(owner != 0 || record->arrives);
    desk->sealing.slot = id_slot(record_seal_wallet(record));
    record_seal(&desk->scratch, 0, &desk->sealing.port, owner);
}

struct slice desk_reveal(struct desk *desk, struct arena *arena, struct slice bytes) {
    if (desk->sealing.vault == NULL || !record_is_sealed(bytes))
        return bytes;
    const struct data_key_row *key = key_row(desk, record_sealed_by(bytes));
    CHECK(key != NULL); // whatever was fetched was asked for
    if (!key->is_here && desk->elsewhere_count != 0)
        return bytes;
    uint8_t *place = arena_take(arena, bytes.size);
    size_t size = record_reveal(bytes, &desk->sealing.port, place);
    return size == 0 ? bytes : slice_of(place, size);
}

void desk_open_arrival(struct desk *desk, struct slice bytes, struct record *record) {
    const char *why;
    if (desk->sealing.vault == NULL)
        return;
    enum status status =
        record_decode(desk_reveal(desk, &desk->arena, bytes), record, &why);
    CHECK(status == STATUS_ok);
    if (record_is_of_thing(record))
        return; // it is an owner's here
    struct id wallet = record_seal_wallet(record);
    if (!desk_is_elsewhere(desk, id_slot(wallet)) && desk_owner(desk, wallet) != 0)
        return;
    CHECK(record->kind == RECORD_TRANSACTION); // what is held is the owner's here
    record->transaction.reference = record->transaction.reason = record->transaction.metadata =
        slice_of(NULL, 0);
}

void desk_destroy_key(struct desk *desk, const struct record *record) {
    uint64_t number = record->data_key.number;
    CHECK(!desk->undoing);
    if (number == 0)
        return;
    struct data_key_row *row = key_row(desk, number);
    CHECK(row != NULL && row->key.number == number);
    owner_row(desk, row->key.owner)->now = NULL;
    explicit_bzero(row->key.wrapped, sizeof(row->key.wrapped));
    row->key.number = row->key.owner = 0;
    vault_forget(desk->sealing.vault, number);
    column_add(&desk->sealing.destroyed, (int64_t)number);
}

// ---- writing ----------------------------------------------------------------------------------

void desk_write_data_keys(struct desk *desk, struct link *link) {
    struct parameters added = {0}, destroyed = {0};
    struct sealing *sealing = &desk->sealing;
    column_begin(&desk->out[0], false);
    column_begin(&desk->out[1], false);
    column_begin(&desk->out[2], true);
    column_begin(&desk->out[3], false);
    for (uint32_t i = 0; i < sealing->added.count; i++) {
        const struct data_key_row *row = sealing->added.items[i];
        if (row->key.number == 0)
            continue; // destroyed before anybody saw it; its number is gone
        column_add(&desk->out[0], (int64_t)row->key.number);
        column_add(&desk->out[1], (int64_t)row->key.owner);
        column_add_bytes(&desk->out[2], slice_of(row->key.wrapped, sizeof(row->key.wrapped)));
        column_add(&desk->out[3], row->slot);
    }
    // The one before first: an owner has one key at a time.
    if (sealing->destroyed.count != 0) {
        parameter_column(&destroyed, &sealing->destroyed);
        link_send(link, SQL_DESTROY_DATA_KEYS, &destroyed);
    }
    if (desk->out[0].count != 0) {
        for (int i = 0; i < 4; i++)
            parameter_column(&added, &desk->out[i]);
        parameter_number(&added, sealing->generation);
        link_send(link, SQL_ADD_DATA_KEYS, &added);
    }
}

void desk_sealing_init(struct desk *desk) {
    desk->sealing.port = (struct text_vault){.key_of = key_of, .seal = seal, .unseal = unseal};
    column_begin(&desk->sealing.destroyed, false);
}

// SPDX-License-Identifier: MIT
// Where texts are encrypted, the data key of an owner lies on the shard of his slot. What is sealed
// for him elsewhere, or read, needs it: it comes along with his wallet, or with one that is to be
// opened for him. Who has none yet gets one there first.
#include <inttypes.h>

#include "base/check.h"
#include "base/hash.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/lineage.h"
#include "ledger/owner.h"

struct holder { // somebody whose key is wanted
    uint64_t owner;
    uint32_t slot;
    enum leg_key_use use;
    struct vault_key *key;
};

static uint32_t count_of(const struct legs *legs) {
    return legs->wallet_count + legs->thing_count;
}

// False: number `index` of wallets and things is nobody whose key is wanted there.
static bool find_holder(const struct crossing *crossing, struct legs *legs, uint32_t index,
                        uint32_t place, struct holder *ret_holder) {
    if (index < legs->wallet_count) {
        struct leg_wallet *wallet = &legs->wallets[index];
        *ret_holder = (struct holder){.owner = wallet->wallet.owner,
                                      .slot = id_slot(wallet->id),
                                      .use = wallet->key_use,
                                      .key = &wallet->data_key};
        return wallet->part == place && wallet->key_use != LEG_KEY_UNUSED && wallet->is_there &&
               !wallet->is_elsewhere && wallet->wallet.owner != 0;
    }
    struct leg_thing *thing = &legs->things[index - legs->wallet_count];
    *ret_holder = (struct holder){.owner = owner_mark(crossing->hash_seed, thing->owner),
                                  .slot = thing->slot,
                                  .use = LEG_KEY_MADE,
                                  .key = &thing->data_key};
    return thing->part == place && thing->kind == LEG_NEW_WALLET && !thing->is_elsewhere;
}

// ---- bringing -----------------------------------------------------------------------------------

// One line for each that there is: its holder, its number and the wrapped key.
static uint32_t write_query(struct crossing *crossing, struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    uint32_t asked = 0;
    buffer_reset(query);
    BUFFER_ADD(query, "SELECT coalesce(string_agg(concat_ws(' ', n.i, d.number, "
                      "encode(d.wrapped, 'hex')), E'\n'), '') FROM (VALUES ");
    for (uint32_t i = 0; i < count_of(legs); i++) {
        struct holder holder;
        if (!find_holder(crossing, legs, i, place, &holder))
            continue;
        *holder.key = (struct vault_key){0};
        buffer_add_format(query, "%s(%" PRIu32 ", %" PRId64 "::bigint)", asked++ == 0 ? "" : ", ",
                          i, (int64_t)holder.owner);
    }
    BUFFER_ADD(query, ") n(i, owner) JOIN data_keys d ON d.owner = n.owner AND "
                      "d.wrapped IS NOT NULL");
    return asked;
}

static bool take_key(const struct crossing *crossing, struct legs *legs, uint32_t place,
                     struct vault *vault, const char **text) {
    uint64_t index, number;
    struct holder holder;
    size_t size = 0;
    if (!lineage_take_number(text, &index) || index >= count_of(legs) ||
        !find_holder(crossing, legs, (uint32_t)index, place, &holder) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &number) || number == 0 ||
        !lineage_take_word(text, " ") ||
        !crossing_take_hex(text, holder.key->wrapped, sizeof(holder.key->wrapped), &size) ||
        size != sizeof(holder.key->wrapped))
        return false;
    holder.key->owner = holder.owner;
    holder.key->number = number;
    return vault_knows(vault, holder.key) && // else the master key is being exchanged there
           (lineage_take_word(text, "\n") || **text == '\0');
}

bool crossing_bring_keys(struct crossing *crossing, struct legs *legs, uint32_t place) {
    int64_t generation;
    struct vault *vault = books_vault(crossing->parts[crossing->home], &generation);
    if (vault == NULL || write_query(crossing, legs, place) == 0)
        return true;
    if (!crossing_ask_query(crossing, place))
        return false;
    for (const char *text = crossing->text; *text != '\0';)
        if (!take_key(crossing, legs, place, vault, &text))
            return false;
    return true;
}

// ---- making -------------------------------------------------------------------------------------

static bool lacks_key(const struct crossing *crossing, struct legs *legs, uint32_t index,
                      uint32_t place, struct holder *ret_holder) {
    return find_holder(crossing, legs, index, place, ret_holder) &&
           ret_holder->use == LEG_KEY_MADE && ret_holder->key->number == 0;
}

static bool lacks_any(const struct crossing *crossing, struct legs *legs, uint32_t place) {
    int64_t generation;
    struct holder holder;
    if (books_vault(crossing->parts[place], &generation) == NULL)
        return false;
    for (uint32_t i = 0; i < count_of(legs); i++)
        if (lacks_key(crossing, legs, i, place, &holder))
            return true;
    return false;
}

uint32_t crossing_parts_without_keys(const struct crossing *crossing, struct legs *legs) {
    uint32_t lacking = 0;
    for (uint32_t i = 0; i < crossing->count; i++)
        lacking |= (uint32_t)lacks_any(crossing, legs, i) << i;
    return lacking;
}

// In a transaction of their own, before the legs' begins: one in doubt would keep that shard's
// writer from making the same. Behind the gate, so no slot moves meanwhile, and the books are
// written, so that a batch there which has not seen the key begins again.
static bool make_on(struct crossing *crossing, struct legs *legs, uint32_t place) {
    int64_t generation;
    bool is_first = true;
    struct buffer *query = &crossing->query;
    struct vault *vault = books_vault(crossing->parts[place], &generation);
    CHECK(vault != NULL);
    buffer_reset(query);
    BUFFER_ADD(query, "BEGIN; LOCK TABLE gate IN ROW EXCLUSIVE MODE; "
                      "SELECT pg_advisory_xact_lock(7886710); "
                      "UPDATE books SET keys_version = keys_version; "
                      "INSERT INTO data_keys (number, owner, wrapped, slot) SELECT n.number, "
                      "n.owner, n.wrapped, n.slot FROM (VALUES ");
    for (uint32_t i = 0; i < count_of(legs); i++) {
        struct holder holder;
        if (!lacks_key(crossing, legs, i, place, &holder))
            continue;
        struct vault_key key = {.owner = holder.owner};
        do
            random_fill(&key.number, sizeof(key.number));
        while ((key.number &= INT64_MAX) == 0);
        vault_make(vault, &key);
        buffer_add_format(query, "%s(%" PRIu64 "::bigint, %" PRId64 "::bigint, %" PRIu32 ", ",
                          is_first ? "" : ", ", key.number, (int64_t)key.owner, holder.slot);
        crossing_add_hex(query, slice_of(key.wrapped, sizeof(key.wrapped)));
        BUFFER_ADD(query, ")");
        is_first = false;
    }
    buffer_add_format(query,
                      ") n(number, owner, slot, wrapped) JOIN slots s ON s.slot = n.slot AND "
                      "s.state = 0 JOIN encryption e ON e.generation = %" PRId64
                      " ON CONFLICT DO NOTHING; COMMIT",
                      generation);
    crossing->begun |= 1u << place;
    bool ok = crossing_ask_query(crossing, place);
    if (ok)
        crossing->begun &= ~(1u << place);
    return ok;
}

void crossing_make_keys(struct crossing *crossing, struct legs *legs, uint32_t parts) {
    bool ok = true;
    for (uint32_t i = 0; i < crossing->count && ok; i++)
        ok = (parts >> i & 1) == 0 || make_on(crossing, legs, i);
}

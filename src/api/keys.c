// SPDX-License-Identifier: MIT
// A new key's secret is made here, at the door, and only its hash goes on into the command: neither
// the journal nor a replayed answer can show it a second time.
#include "api/call.h"
#include "api/loop.h"

void keys_make_secret(struct call *call, const struct role_table *roles) {
    CHECK(call->command.type == COMMAND_KEY_CREATE || call->command.type == COMMAND_KEY_ROTATE);
    struct slice word = SLICE("key"); // its role stands in the books, not at the door
    if (call->command.type == COMMAND_KEY_CREATE) {
        const struct role_row *role = roles_at(roles, call->command.key_role);
        CHECK(role != NULL); // the decoder takes only roles of the table
        word = slice_of_text(role->name);
    }
    call->secret_size = secret_make(word, call->secret);
    call->command.secret_hash = sha256_of(slice_of(call->secret, call->secret_size));
}

const char *keys_role_name(const struct api *api, struct slice bytes) {
    struct record record;
    const char *invariant;
    if (record_decode(bytes, &record, &invariant) != STATUS_ok || record.kind != RECORD_KEY ||
        record.api_key.role < ROLE_CUSTOM)
        return NULL;
    const struct role_row *role = roles_at(&api->roles, record.api_key.role);
    return role == NULL ? NULL : role->name;
}

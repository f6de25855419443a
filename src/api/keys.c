// SPDX-License-Identifier: MIT
// A new key's secret is made here, at the door, and only its hash goes on into the command: neither
// the journal nor a replayed answer can show it a second time.
#include "api/parts.h"

void keys_make_secret(struct call *call) {
    CHECK(call->command.type == COMMAND_KEY_CREATE);
    const struct role_row *role = permissions_role(call->command.key_role);
    CHECK(role != NULL); // the decoder takes only roles of the table
    call->secret_size = secret_make(slice_of_text(role->name), call->secret);
    call->command.secret_hash = sha256_of(slice_of(call->secret, call->secret_size));
}

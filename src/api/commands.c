// SPDX-License-Identifier: MIT
// One request, one command: every payment, every change, and the reads of what is now.
#include "api/answers.h"
#include "api/call.h"
#include "api/door.h"
#include "api/flight.h"
#include "api/loop.h"
#include "api/queueing.h"
#include "api/requests.h"

static void submit(struct asking *asking, struct call *call) {
    if (reads_beside(asking, call))
        return;
    call->request = asking->request;
    call->operation = asking->operation;
    call->principal = asking->principal.who;
    call->started_ns = asking->started_ns;
    call->submission.commands = &call->command;
    call->submission.outcomes = &call->outcome;
    call->submission.count = 1;
    call->submission.is_batch = false;
    call->submission.atomic = false;
    made_begin(call);
    if (rounds_add(asking->loop, call))
        return;
    call->request = NULL;
    calls_release(asking->loop, call);
    answers_refuse(asking, STATUS_busy, NULL);
}

void commands_request(struct asking *asking) {
    const struct operation *operation = asking->operation;
    CHECK(operation->command != COMMAND_NONE);
    struct call *call = calls_take(asking->loop, false);
    struct wire_context wire = asker_wire_context(asking, &call->arena);
    struct wire_faults faults;
    enum status status = wire_decode_command(&wire, operation, asking->id, &asking->headers.wire,
                                             http_body(asking->request), &call->command, &faults);
    if (status != STATUS_ok) {
        answers_refuse_faults(asking, &faults);
        calls_release(asking->loop, call);
        return;
    }
    if (call->command.type == COMMAND_KEY_CREATE || call->command.type == COMMAND_KEY_ROTATE)
        keys_make_secret(call, &asking->loop->api->roles);
    if (queueing_wants(asking, call) && queueing_request(asking, call))
        return;
    submit(asking, call);
}

// A wallet, read like any other and shown differently.
static void read_wallet(struct asking *asking, bool wants_balance) {
    struct call *call = calls_take(asking->loop, false);
    struct wire_context wire = asker_wire_context(asking, &call->arena);
    memset(&call->command, 0, sizeof(call->command));
    call->command.type = COMMAND_READ_WALLET;
    call->command.principal_key = wire.principal_key;
    call->command.bound_to = wire.bound_to;
    call->command.token_until_ms = wire.token_until_ms;
    call->command.subject = asking->id;
    call->command.slot = id_slot(asking->id);
    call->command.origin = wire.origin;
    call->wants_balance = wants_balance;
    submit(asking, call);
}

void balances_request_now(struct asking *asking) {
    read_wallet(asking, true);
}

void spending_request(struct asking *asking) {
    read_wallet(asking, false);
}

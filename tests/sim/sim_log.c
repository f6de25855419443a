// SPDX-License-Identifier: MIT
// Operations become commands again and again, always the same ones; their effects are added up by
// the plainest arithmetic there is, from what was asked and not from what the records say.
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "sim.h"

#define ANSWER_WAIT_NS UINT64_C(40000000000)

uint64_t sim_random(uint64_t *stream) {
    uint64_t value = (*stream += UINT64_C(0x9e3779b97f4a7c15));
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t sim_below(uint64_t *stream, uint64_t bound) {
    return sim_random(stream) % bound;
}

void sim_fail(const struct sim_world *world, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "seed %llu, life %u: %s\n", (unsigned long long)world->seed, world->life,
                  text);
    _exit(3);
}

struct sim_operation *sim_operation_take(struct sim_world *world, uint32_t count,
                                         uint32_t *ret_index) {
    uint32_t index = __atomic_fetch_add(&world->shared->count, count, __ATOMIC_ACQ_REL);
    CHECK(index + count <= SIM_OPERATIONS_MAX);
    *ret_index = index;
    return &world->shared->operations[index];
}

// Texts that depend on the operation's number alone; static storage is not needed by the engine
// once a command is answered, so each thread has its own.
static struct slice text_of(const char *prefix, uint32_t index) {
    static _Thread_local char texts[4096][16];
    static _Thread_local uint32_t next;
    char *text = texts[next++ % 4096];
    (void)snprintf(text, sizeof(texts[0]), "%s%u", prefix, index);
    return slice_of_text(text);
}

static void command_keys(struct command *command, uint32_t index, const char *space) {
    command->has_key = true;
    command->key = hash128(text_of(space, index), 0);
    command->request = hash128(text_of(space, index), 1);
}

struct command sim_command(const struct sim_world *world, uint32_t index) {
    const struct sim_operation *all = world->shared->operations, *operation = &all[index];
    struct command command = {
        .type = operation->type,
        .origin = {.principal = SLICE("sim"), .role = ROLE_SYSTEM},
        .has_amount = true,
        .amount = operation->amount,
        .keep_open = operation->keep_open,
        .expires_in_s = operation->brief ? 1 : 100000,
    };
    if (operation->type == COMMAND_WALLET_OPEN) {
        command.owner = text_of("owner", index);
        command.slot = id_slot_of_owner(command.owner);
        command.wallet_kind = index % 2 == 0 ? WALLET_MERCHANT : WALLET_CUSTOMER;
        CHECK(currency_iso_find(SLICE("USD"), &command.currency));
    } else {
        command.wallet = all[operation->payer].id;
        command.counterparty = all[operation->payee].id;
        command.subject = all[operation->about].id;
    }
    if (operation->type == COMMAND_WALLET_CHANGE) {
        command.has_credit_limit = true;
        command.credit_limit = operation->amount;
    }
    if (operation->type == COMMAND_DEPOSIT || operation->type == COMMAND_SETTLE ||
        operation->has_bank)
        command.bank_id = text_of("bank", index);
    if (operation->type == COMMAND_PURCHASE || operation->type == COMMAND_HOLD)
        command.order = text_of("order", index / 4);
    if (operation->batch_count == 0 && operation->batch == index)
        command_keys(&command, index, "key");
    return command;
}

static void tell(struct round *round) {
    signal_gate_publish(round->context, 1);
}

void sim_submit_commands(const struct sim_world *world, struct submission *submission) {
    struct signal_gate gate;
    struct round round;
    round_init(&round);
    signal_gate_init(&gate, 0, 0);
    round.first = submission;
    round.command_count = submission->count;
    round.published = tell;
    round.context = &gate;
    world->engine->port->submit(world->engine, &round);
    if (!signal_gate_wait(&gate, 1, ANSWER_WAIT_NS))
        sim_fail(world, "no answer");
    round_done(&round);
}

static struct id id_made(const struct sim_world *world, const struct outcome *outcome) {
    struct record record;
    const char *why;
    if (record_decode(outcome->record, &record, &why) != STATUS_ok)
        sim_fail(world, "an answer's record does not hold: %s", why);
    switch ((enum record_kind)record.kind) {
    case RECORD_WALLET: return record.wallet.id;
    case RECORD_TRANSACTION: return record.transaction.id;
    case RECORD_HOLD: return record.hold.id;
    case RECORD_WITHDRAWAL: return record.withdrawal.id;
    default: return (struct id){{0}};
    }
}

// Writes an answer down, or compares it with the one that was written down before.
static void answer(struct sim_world *world, uint32_t index, const struct outcome *outcome) {
    struct sim_operation *operation = &world->shared->operations[index];
    struct digest128 digest = {0, 0};
    struct id id = {{0}};
    if (outcome->record.size != 0)
        digest = hash128(outcome->record, 0);
    if (outcome->status == STATUS_ok)
        id = id_made(world, outcome);
    if (operation->state == SIM_KNOWN) {
        if (operation->status != outcome->status)
            sim_fail(world, "operation %u (%s) answered %s, and now %s", index,
                     command_type_name((enum command_type)operation->type),
                     status_name(operation->status), status_name(outcome->status));
        if (!digest128_equal(operation->answer, digest) || !id_equal(operation->id, id))
            sim_fail(world, "operation %u (%s) has another record now", index,
                     command_type_name((enum command_type)operation->type));
        return;
    }
    operation->status = outcome->status;
    operation->answer = digest;
    operation->id = id;
    __atomic_store_n(&operation->state, SIM_KNOWN, __ATOMIC_RELEASE);
}

static void submit_batch(struct sim_world *world, uint32_t first) {
    struct sim_operation *operations = &world->shared->operations[first];
    struct command commands[SIM_BATCH_MAX];
    struct outcome outcomes[SIM_BATCH_MAX];
    struct submission submission = {.commands = commands,
                                    .outcomes = outcomes,
                                    .count = operations->batch_count,
                                    .is_batch = true,
                                    .atomic = true};
    bool again = operations->state == SIM_KNOWN;
    submission.batch.origin = (struct origin){.principal = SLICE("sim")};
    command_keys(&submission.batch, first, "batch");
    for (uint32_t i = 0; i < submission.count; i++)
        commands[i] = sim_command(world, first + i);
    sim_submit_commands(world, &submission);
    const struct outcome *whole = &submission.batch_outcome;
    if (again && !whole->replayed)
        sim_fail(world, "batch %u was answered, and is done again", first);
    if (again && whole->status != STATUS_ok && whole->refusal.operation != operations->batch_failed)
        sim_fail(world, "batch %u was refused at another operation", first);
    operations->batch_failed = whole->refusal.operation;
    // The first one last: its state says whether the batch is known.
    for (uint32_t i = submission.count; i > 0; i--)
        answer(world, first + i - 1, whole->status == STATUS_ok ? &outcomes[i - 1] : whole);
}

void sim_submit(struct sim_world *world, uint32_t index) {
    const struct sim_operation *operation = &world->shared->operations[index];
    bool again = operation->state == SIM_KNOWN;
    struct outcome outcome;
    CHECK(operation->batch == index);
    if (operation->batch_count != 0) {
        submit_batch(world, index);
        return;
    }
    struct command command = sim_command(world, index);
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    sim_submit_commands(world, &submission);
    if (again && !outcome.replayed)
        sim_fail(world, "operation %u (%s) was answered, and is done again", index,
                 command_type_name(command.type));
    answer(world, index, &outcome);
}

// ---- the model

static void move(struct sim_model *model, uint32_t payer, uint32_t payee, int64_t amount) {
    model->things[payer].balance -= amount;
    model->things[payer].transactions++;
    model->things[payer].version++;
    model->things[payee].balance += amount;
    model->things[payee].transactions++;
    model->things[payee].version++;
    model->transactions++;
}

static void move_external(struct sim_model *model, uint32_t wallet, int64_t amount) {
    model->things[wallet].balance += amount;
    model->things[wallet].transactions++;
    model->things[wallet].version++;
    model->transactions++;
    if (amount > 0)
        model->deposits += amount;
    else
        model->withdrawals -= amount;
}

static void add_hold_end(struct sim_model *model, const struct sim_operation *operation) {
    struct sim_thing *hold = &model->things[operation->about];
    bool captures = operation->type == COMMAND_CAPTURE;
    int64_t taken = captures ? operation->amount : 0;
    bool ends = !captures || !operation->keep_open || taken == hold->left;
    model->things[operation->payer].held -= ends ? hold->left : taken;
    if (captures)
        move(model, operation->payer, operation->payee, taken);
    else
        model->things[operation->payer].version++;
    hold->left = ends ? 0 : hold->left - taken;
    hold->is_open = !ends;
}

static void add_effect(struct sim_model *model, const struct sim_operation *operation,
                       uint32_t index) {
    struct sim_thing *own = &model->things[index], *payer = &model->things[operation->payer];
    struct sim_thing *about = &model->things[operation->about];
    int64_t amount = operation->amount;
    switch ((enum command_type)operation->type) {
    case COMMAND_WALLET_OPEN: own->version = 1; return;
    case COMMAND_DEPOSIT: move_external(model, operation->payer, amount); return;
    case COMMAND_WITHDRAWAL:
        if (operation->has_bank) {
            move_external(model, operation->payer, -amount);
            return;
        }
        payer->held += amount;
        payer->version++;
        *own = (struct sim_thing){.left = amount, .is_open = true};
        return;
    case COMMAND_SETTLE:
        payer->held -= about->left;
        move_external(model, operation->payer, -about->left);
        about->is_open = false;
        return;
    case COMMAND_FAIL:
        payer->held -= about->left;
        payer->version++;
        about->is_open = false;
        return;
    case COMMAND_PURCHASE: own->left = amount; // fall through
    case COMMAND_TRANSFER: move(model, operation->payer, operation->payee, amount); return;
    case COMMAND_REFUND: // the merchant pays back
        move(model, operation->payee, operation->payer, amount);
        about->left -= amount;
        return;
    case COMMAND_HOLD:
        payer->held += amount;
        payer->version++;
        *own = (struct sim_thing){.left = amount, .is_open = true};
        return;
    case COMMAND_CAPTURE:
    case COMMAND_VOID: add_hold_end(model, operation); return;
    case COMMAND_WALLET_CHANGE:
        payer->credit_limit = amount;
        payer->version++;
        return;
    default: UNREACHABLE("no such operation");
    }
}

void sim_model_make(const struct sim_world *world, struct sim_model *model) {
    uint32_t count = __atomic_load_n(&world->shared->count, __ATOMIC_ACQUIRE);
    *model = (struct sim_model){.things = memory_take_zeroed((count + 1) * sizeof(*model->things))};
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_operation *operation = &world->shared->operations[i];
        if (operation->state == SIM_KNOWN && operation->status == STATUS_ok)
            add_effect(model, operation, i);
    }
}

void sim_model_done(struct sim_model *model) {
    memory_free(model->things);
}

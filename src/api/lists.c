// SPDX-License-Identifier: MIT
// Lists, history and balances of the past: read beside the writer, from what is published, by the
// reader threads.
#include "api/requests.h"

#include <stdio.h>

#include "api/answers.h"
#include "api/call.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "base/clock.h"

#define DAY_MS UINT64_C(86400000)

// A job whose request has been answered already, or never will be by it.
static void forget(struct api_loop *loop, struct job *job) {
    job->request = NULL;
    jobs_release(loop, job);
}

static void send_to_readers(struct asking *asking, struct job *job) {
    if (jobs_push(&asking->loop->api->lists, job))
        return;
    answers_refuse(asking, STATUS_busy, NULL);
    forget(asking->loop, job);
}

static struct sha256 list_of(const struct job *job) {
    return wire_list_digest(job->operation, job->wallet, &job->query, job->bound_to);
}

// A cursor of another list would lead to a page that nobody has asked for. False: he has been told.
static bool cursor_fits(struct asking *asking, const struct job *job) {
    const struct wire_cursor *cursor = &job->query.cursor;
    if (cursor->place == 0)
        return true;
    struct sha256 list = list_of(job);
    if (wire_cursor_is_of(cursor, &list))
        return true;
    struct wire_faults faults = {0};
    wire_fault_add(http_arena(asking->request), &faults, SLICE("/cursor"),
                   SLICE(WIRE_CURSOR_EXPECTED));
    answers_refuse_faults(asking, &faults);
    return false;
}

void lists_request(struct asking *asking) {
    // A list asked with no id is of all things; a path with an id of zeros asks for one's.
    if (asking->operation->has_id && id_is_zero(asking->id)) {
        answers_refuse(asking, STATUS_not_found, NULL);
        return;
    }
    struct job *job = jobs_take(asking, JOB_LIST);
    job->freshness = asking->freshness;
    freshness_keep(&job->freshness, &job->arena);
    if (queries_decode(asking, &job->arena, &job->query) && cursor_fits(asking, job))
        send_to_readers(asking, job);
    else
        forget(asking->loop, job);
}

void balances_request(struct asking *asking) {
    struct job *job = jobs_take(asking, JOB_BALANCE);
    job->freshness = asking->freshness;
    freshness_keep(&job->freshness, &job->arena);
    if (!queries_decode(asking, &job->arena, &job->query)) {
        forget(asking->loop, job);
    } else if (job->query.has_at) {
        send_to_readers(asking, job);
    } else {
        forget(asking->loop, job);
        balances_request_now(asking);
    }
}

static enum list_kind kind_of(const struct operation *operation) {
    switch ((enum answer_kind)operation->answer) {
    case ANSWER_WALLETS: return LIST_WALLETS;
    case ANSWER_TRANSACTIONS: return LIST_TRANSACTIONS;
    case ANSWER_WITHDRAWALS: return LIST_WITHDRAWALS;
    case ANSWER_HOLDS: return LIST_HOLDS;
    case ANSWER_KEYS: return LIST_KEYS;
    case ANSWER_AUDIT: return LIST_AUDIT;
    case ANSWER_APPROVALS: return LIST_APPROVALS;
    case ANSWER_ANOMALIES: return LIST_ANOMALIES;
    default: UNREACHABLE("a list of something else");
    }
}

// What an item is read as.
static enum command_type read_of(enum list_kind kind) {
    switch (kind) {
    case LIST_WALLETS: return COMMAND_READ_WALLET;
    case LIST_TRANSACTIONS: return COMMAND_READ_TRANSACTION;
    case LIST_WITHDRAWALS: return COMMAND_READ_WITHDRAWAL;
    case LIST_HOLDS: return COMMAND_READ_HOLD;
    case LIST_KEYS: return COMMAND_KEY_CREATE;
    case LIST_AUDIT: break; // its entries have a shape of their own
    case LIST_APPROVALS: return COMMAND_READ_APPROVAL;
    case LIST_ANOMALIES: return COMMAND_READ_ANOMALY;
    }
    UNREACHABLE("a list of something else");
}

// Half a list would be taken for all of it, so it is none, and says why.
static void refuse_without(struct job *job, const char *shard) {
    char detail[160];
    (void)snprintf(detail, sizeof(detail),
                   "The shard \"%s\" cannot be asked now, and without it the list would not be "
                   "whole. Try again; what lies on other shards can be asked for by its wallet.",
                   shard);
    jobs_refuse(job, STATUS_busy, ID_WALLET, job->wallet);
    buffer_reset(&job->body);
    problem_render_door(&job->body, STATUS_busy, detail, PROBLEM_NO_OPERATION);
}

// Confines a list to the owner whom the asker is bound to. An owner that is not his has no wallets.
static enum status bind(struct job *job, struct list_query *query) {
    struct engine *engine = job->api->engine;
    if (job->bound_to.size == 0)
        return STATUS_ok;
    query->bound_to = job->bound_to;
    query->asker = job->asker;
    if (query->kind == LIST_WALLETS) {
        if (query->owner.size != 0 && !slice_equal(query->owner, job->bound_to)) {
            job->page.item_count = 0;
            job->page.next_cursor = 0;
            return STATUS_end;
        }
        query->owner = job->bound_to;
    }
    if (query->kind == LIST_TRANSACTIONS && !id_is_zero(query->wallet))
        return engine->port->owns(engine, query->wallet, job->bound_to);
    return STATUS_ok;
}

// The commands that an operation makes; what the house does itself is asked for by its own name.
static uint64_t commands_of(struct slice operation) {
    uint64_t commands = 0;
    for (int type = COMMAND_NONE + 1; operation.size != 0 && type < COMMAND_TYPE_COUNT; type++) {
        if (!command_type_is_known((enum command_type)type))
            continue;
        const struct operation *row = operation_of_command((enum command_type)type);
        const char *name = row != NULL ? row->name : command_type_name((enum command_type)type);
        if (slice_equal(slice_of_text(name), operation))
            commands |= UINT64_C(1) << type;
    }
    return commands;
}

// What is older than the configuration keeps is answered no more, by either engine.
static void retain(const struct job *job, struct list_query *query) {
    uint64_t kept_ms = (uint64_t)job->api->options.audit_retention_days * DAY_MS;
    uint64_t now_ms = clock_now_ms();
    if (query->kind == LIST_AUDIT && kept_ms != 0 && now_ms > kept_ms &&
        query->from_ms < now_ms - kept_ms)
        query->from_ms = now_ms - kept_ms;
}

// Whoever is not told who did something cannot find out by asking for what somebody did.
static bool tells_who(const struct list_query *query, const struct outcome *outcome) {
    return query->kind == LIST_TRANSACTIONS && query->initiated_by.size != 0 &&
           (outcome->hidden & HIDDEN_WHO) != 0;
}

static void tell_of_key(const struct job *job, const struct outcome *outcome,
                        struct wire_found *found) {
    found->last_used_at_ms = outcome->last_used_at_ms;
    found->role_name = keys_role_name(job->api, found->record);
}

static struct list_query query_of(const struct job *job) {
    const struct wire_query *asked = &job->query;
    return (struct list_query){
        .kind = kind_of(job->operation),
        .wallet = job->operation->has_id ? job->wallet : asked->wallet,
        .merchant = asked->merchant,
        .owner = asked->owner,
        .currency = asked->currency,
        .wallet_kind = asked->wallet_kind,
        .status = asked->status,
        .type = asked->type,
        .order = asked->order,
        .bank_id = asked->bank_id,
        .initiated_by = asked->principal.size != 0 ? asked->principal : asked->initiated_by,
        .rule = asked->rule,
        .resource = asked->resource,
        .operation = asked->operation,
        .commands = commands_of(asked->operation),
        .outcome = asked->outcome,
        .from_ms = asked->from_ms,
        .to_ms = asked->to_ms,
        .cursor = asked->cursor.place,
        .limit = asked->limit,
        .freshness = job->freshness,
    };
}

void lists_run(struct job *job) {
    struct engine *engine = job->api->engine;
    enum list_kind kind = kind_of(job->operation);
    struct list_query query = query_of(job);
    retain(job, &query);
    job->page.archived_before_ms = 0;
    job->page.away = NULL;
    enum status status = bind(job, &query);
    if (status == STATUS_ok)
        status = engine->port->list(engine, &query, &job->page);
    if (status == STATUS_invalid_request) {
        // Of the books' time in the other engine.
        jobs_refuse_field(job, SLICE("/cursor"), SLICE(WIRE_CURSOR_EXPECTED));
        return;
    }
    if (status == STATUS_busy && job->page.away != NULL) {
        refuse_without(job, job->page.away);
        return;
    }
    if (status != STATUS_ok && status != STATUS_end) {
        jobs_refuse(job, status, ID_WALLET, query.wallet);
        return;
    }
    wire_page_begin(&job->body);
    for (uint32_t i = 0, shown = 0; i < job->page.item_count; i++) {
        if (tells_who(&query, &job->page.items[i].outcome))
            continue;
        wire_page_item(&job->body, shown++);
        if (kind == LIST_AUDIT) {
            const struct entry *item = &job->page.items[i];
            if (wire_render_audit(&job->body, &job->api->wire_roles, item->outcome.record,
                                  item->note) == STATUS_ok)
                continue;
            jobs_refuse(job, STATUS_internal, ID_WALLET, query.wallet);
            return;
        }
        struct wire_found found = answers_found(&job->page.items[i].outcome, read_of(kind));
        if (kind == LIST_KEYS)
            tell_of_key(job, &job->page.items[i].outcome, &found);
        int http;
        if (wire_render_command(&job->body, read_of(kind), &found, &http) != STATUS_ok) {
            jobs_refuse(job, STATUS_internal, ID_WALLET, query.wallet);
            return;
        }
    }
    struct sha256 list = list_of(job);
    wire_page_end(&job->body, &engine->seal, &list, job->page.next_cursor,
                  job->page.archived_before_ms);
    job->http = 200;
    job->content_type = "application/json";
}

void balances_run(struct job *job) {
    struct engine *engine = job->api->engine;
    struct balance_at at;
    enum status status = STATUS_ok;
    if (job->bound_to.size != 0)
        status = engine->port->owns(engine, job->wallet, job->bound_to);
    if (status == STATUS_ok)
        status = engine->port->balance_at(engine, job->wallet, job->query.at_ms, &job->freshness,
                                          &at);
    if (status != STATUS_ok) {
        jobs_refuse(job, status, ID_WALLET, job->wallet);
        return;
    }
    struct wire_balance balance = {
        .wallet = job->wallet,
        .currency = at.currency,
        .at_ms = job->query.at_ms,
        .balance = at.balance,
        .version = at.version,
    };
    wire_render_balance(&job->body, &balance);
    job->http = 200;
    job->content_type = "application/json";
}

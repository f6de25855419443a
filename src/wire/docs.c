// SPDX-License-Identifier: MIT
// Markdown for people, from the same tables that the machine reads.
#include "wire/docs.h"

#include "wire/objects.h"
#include "wire/operations.h"
#include "wire/problem.h"

#define GENERATED                                                                                  \
    "<!-- Printed from the tables in src/wire and src/base/status.def; a test holds it "           \
    "against them. -->\n\n"

// ---- docs/api.md ----

static const char api_beginning[] =
    "# The HTTP API\n\n" GENERATED
    "JSON in, JSON out. `/openapi.json` says the same for programs.\n\n"
    "- **Keys.** Every request but those marked *public* carries `Authorization: Bearer SECRET`.\n"
    "  An operation needs its permission; a key's role has a set of them.\n"
    "- **Amounts** are integers in the currency's minor unit: `1250` is 12.50 USD or 1250 JPY.\n"
    "  They go from 1 to 9007199254740991 (2^53-1), which is also the most that a wallet can\n"
    "  have.\n"
    "- **Texts** have 1 to 255 characters (Unicode code points) without control characters.\n"
    "- **Bodies** are at most 64 KiB, batches 16 MiB. An empty body is as good as `{}`. Unknown\n"
    "  and repeated fields, `null`, floats, numbers out of range, texts in place of numbers,\n"
    "  invalid UTF-8 and trailing bytes are `invalid_request`. Of what is no JSON the answer says\n"
    "  at which byte of which line it stops being any, and what is expected there.\n"
    "- **`Idempotency-Key`** (1 to 255 characters, taken literally) goes with any write. The same\n"
    "  key, principal and request return the first answer again, with\n"
    "  `Idempotent-Replayed: true`; another request with that key is `idempotency_key_reused`.\n"
    "  The same request means the same operation, path and fields with defaults filled in,\n"
    "  whatever their order and spacing; an `amount` that is left out differs from one that is\n"
    "  given. Keys are kept at least 7 days. Each partition of the queue and each webhook\n"
    "  remembers by itself what was decided about it. A dead letter that is sent back under two\n"
    "  keys goes to the queue twice, where the key of its command has one effect.\n"
    "- **`If-Match: \"7\"`** makes a write depend on the version of the wallet that is changed or\n"
    "  pays (of a deposit: that receives). Answers that are a wallet carry its version as `ETag`.\n"
    "- **`Florin-Position`** may come with the answer to a write and is opaque. Send the last one\n"
    "  with a read, unchanged, and it sees at least that write, whichever server answers. Without\n"
    "  it a read is as of now, unless `Cache-Control: max-age=N` allows an answer that is N\n"
    "  seconds old.\n"
    "- **Lists** are newest first. Pass `next_cursor` as `cursor` for the next page of the same\n"
    "  list: the same path and filters, asked by somebody who may see the same; only `limit` may\n"
    "  change. A page may be short, and only a missing `next_cursor` means the end. `from` is\n"
    "  inclusive, `to` exclusive; a `from` later than `to` is `invalid_request`. Times are dates\n"
    "  or RFC 3339 date-times. Of books on several shards ([shards.md](shards.md)) money from\n"
    "  another shard is in the list of the wallet that got it, and in what a key bound to its\n"
    "  owner sees, from when it came there, some milliseconds behind its `created_at`: `from`\n"
    "  and `to` go by that, so that a list from one time to another is what the balance changed\n"
    "  by.\n"
    "- **Answers** to GET, and new keys, are nobody's to keep (`Cache-Control: no-store`) and of\n"
    "  the type that they say (`X-Content-Type-Options: nosniff`).\n"
    "- **Refusals** are problem documents, see [errors.md](errors.md).\n";

static void add_expected(struct buffer *buffer, const struct field *field) {
    switch ((enum field_kind)field->kind) {
    case FIELD_ID: buffer_add_format(buffer, "id `%s_…`", id_prefix(field->id_type)); return;
    case FIELD_TEXT: BUFFER_ADD(buffer, "text"); return;
    case FIELD_PLAIN: BUFFER_ADD(buffer, "text of 1 to 64 printable characters of ASCII"); return;
    case FIELD_CURRENCY: BUFFER_ADD(buffer, "currency code"); return;
    case FIELD_METADATA: BUFFER_ADD(buffer, "object of texts"); return;
    case FIELD_BOOL: BUFFER_ADD(buffer, "true or false"); return;
    case FIELD_TIME: BUFFER_ADD(buffer, "time"); return;
    case FIELD_ANY_ID: BUFFER_ADD(buffer, "id of any type"); return;
    case FIELD_CURSOR: BUFFER_ADD(buffer, "cursor"); return;
    case FIELD_INTEGER:
        buffer_add_format(buffer, "integer, %lld to %lld", (long long)field->minimum,
                          (long long)field->maximum);
        return;
    case FIELD_OPERATIONS:
        buffer_add_format(buffer, "array of %lld to %lld operations", (long long)field->minimum,
                          (long long)field->maximum);
        return;
    case FIELD_WORD:
        for (int i = 0; field->words[i] != NULL; i++)
            buffer_add_format(buffer, "%s`%s`", i == 0 ? "" : ", ", field->words[i]);
        return;
    }
    UNREACHABLE("a field of no kind");
}

static void add_standard(struct buffer *buffer, const struct field *field) {
    if (field->required)
        BUFFER_ADD(buffer, "required");
    else if (!field->has_standard)
        return;
    else if (field->kind == FIELD_WORD)
        buffer_add_format(buffer, "`%s`", field->words[field->standard - field->word_base]);
    else if (field->kind == FIELD_BOOL)
        buffer_add_text(buffer, field->standard != 0 ? "`true`" : "`false`");
    else
        buffer_add_format(buffer, "`%lld`", (long long)field->standard);
}

static void add_fields(struct buffer *buffer, const char *heading,
                       const struct field *const *fields, uint32_t count) {
    if (count == 0)
        return;
    buffer_add_format(buffer, "\n| %s | | default | |\n|---|---|---|---|\n", heading);
    for (uint32_t i = 0; i < count; i++) {
        buffer_add_format(buffer, "| `%s` | ", fields[i]->name);
        add_expected(buffer, fields[i]);
        BUFFER_ADD(buffer, " | ");
        add_standard(buffer, fields[i]);
        buffer_add_format(buffer, " | %s", fields[i]->sentence);
        if (fields[i]->guard != GUARD_NONE)
            buffer_add_format(buffer, " Needs `%s`.",
                              field_guard_permission((enum field_guard)fields[i]->guard));
        BUFFER_ADD(buffer, " |\n");
    }
}

// Renderers of Markdown make anchors of headings in lower case.
static void add_link(struct buffer *buffer, const char *name) {
    buffer_add_format(buffer, "[%s](#", name);
    for (const char *letter = name; *letter != 0; letter++) {
        char lower = *letter >= 'A' && *letter <= 'Z' ? (char)(*letter | 0x20) : *letter;
        buffer_add(buffer, &lower, 1);
    }
    BUFFER_ADD(buffer, ")");
}

static void add_answer(struct buffer *buffer, const struct operation *operation) {
    const struct object *object = object_of_answer(operation->answer);
    buffer_add_format(buffer, "\nAnswer: %u", operation->http);
    if (object != NULL) {
        BUFFER_ADD(buffer, ", ");
        add_link(buffer, object->name);
    }
    BUFFER_ADD(buffer, ".");
}

// The statuses that only this operation's own rules bring about, in the order of the ladder.
static void add_refusals(struct buffer *buffer, const struct operation *operation) {
    const char *separator = " May refuse:";
    for (int status = 0; status < STATUS_COUNT; status++) {
        if ((operation->refusals & STATUS_BIT(status)) == 0)
            continue;
        buffer_add_format(buffer, "%s `%s`", separator, status_name((enum status)status));
        separator = ",";
    }
    buffer_add_text(buffer, operation->refusals != 0 ? ".\n" : "\n");
}

static void add_operation(struct buffer *buffer, const struct operation *operation) {
    buffer_add_format(buffer, "\n### %s %s\n\n%s", operation_method_name(operation->method),
                      operation->path, operation->summary);
    if (operation->is_public)
        buffer_add_text(buffer,
                        operation->loopback_only ? " *Public on the same machine.*" : " *Public.*");
    else
        buffer_add_format(buffer, " Permission: `%s`.", operation->permission);
    if (operation->batch_type != NULL)
        buffer_add_format(buffer, " In batches: `\"type\":\"%s\"`", operation->batch_type);
    if (operation->batch_type != NULL && operation->batch_id != NULL)
        buffer_add_format(buffer, " with the id as `%s`", operation->batch_id);
    buffer_add_text(buffer, operation->batch_type != NULL ? ".\n" : "\n");
    add_fields(buffer, "query", operation->query, operation->query_count);
    add_fields(buffer, "body", operation->body, operation->body_count);
    add_answer(buffer, operation);
    add_refusals(buffer, operation);
}

// Chapters in the order in which the table first names them.
static void add_chapters(struct buffer *buffer) {
    for (unsigned first = 0; first < OPERATION_COUNT; first++) {
        const char *tag = operation_at(first)->tag;
        bool is_new = true;
        for (unsigned earlier = 0; earlier < first; earlier++)
            is_new = is_new && strcmp(operation_at(earlier)->tag, tag) != 0;
        if (!is_new)
            continue;
        buffer_add_format(buffer, "\n## %s\n", tag);
        for (unsigned code = first; code < OPERATION_COUNT; code++)
            if (strcmp(operation_at(code)->tag, tag) == 0)
                add_operation(buffer, operation_at(code));
    }
}

static const char batch_rules[] =
    "\n"
    "## Batches\n\n"
    "Each operation of a batch is the body of its endpoint plus `type`, an optional\n"
    "`idempotency_key`, and the path's `{id}` as a field. Operations are decided in order, each\n"
    "seeing those before it and under its own permission; a result is what the operation alone\n"
    "would have answered, with `\"replayed\":true` for a replay. Pointers in `errors` are\n"
    "relative to the operation. Keys of operations and of the header share one space.\n\n"
    "- Not atomic: one operation's refusal changes nothing for the others. The batch's own\n"
    "  `Idempotency-Key` gives each operation without a key one of its own, so a retry finishes\n"
    "  the rest.\n"
    "- Queued (`Prefer: respond-async`, see [kafka.md](kafka.md)): a batch that is not atomic\n"
    "  goes as its operations, with the same keys, and answers 202; each result has the `id` of\n"
    "  its operation and its `location`, or the problem for which it was refused at once. An\n"
    "  atomic one is one operation.\n"
    "- Atomic: all or nothing. The first operation that is refused undoes all, and its problem is\n"
    "  the answer, with its index as `operation`.\n";

static const struct object_type *type_find(const char *name) {
    uint32_t count;
    const struct object_type *types = object_types(&count);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

static void add_member_type(struct buffer *buffer, const char *name) {
    if (strncmp(name, "[]", 2) == 0) {
        BUFFER_ADD(buffer, "array: ");
        name += 2;
    }
    const struct object_type *type = type_find(name);
    if (type != NULL)
        buffer_add_text(buffer, type->words);
    else
        add_link(buffer, name);
}

static void add_objects(struct buffer *buffer) {
    uint32_t count;
    const struct object *all = objects(&count);
    BUFFER_ADD(buffer, "\n## Objects\n\nMembers stand in this order; those marked *optional* are "
                       "left out when they have no value.\n");
    for (uint32_t i = 0; i < count; i++) {
        buffer_add_format(buffer, "\n### %s\n\n%s\n\n| member | | |\n|---|---|---|\n", all[i].name,
                          all[i].sentence);
        for (uint32_t j = 0; j < all[i].member_count; j++) {
            const struct object_member *member = &all[i].members[j];
            buffer_add_format(buffer, "| `%s` | ", member->name);
            add_member_type(buffer, member->type);
            buffer_add_format(buffer, " | %s%s%s |\n", member->optional ? "*optional*" : "",
                              member->optional && member->sentence[0] != 0 ? ": " : "",
                              member->sentence);
        }
    }
}

static bool is_first_with_permission(unsigned code) {
    for (unsigned earlier = 0; earlier < code; earlier++)
        if (strcmp(operation_at(earlier)->permission, operation_at(code)->permission) == 0)
            return false;
    return true;
}

static void add_permission(struct buffer *buffer, const struct docs_roles *roles,
                           const char *permission) {
    buffer_add_format(buffer, "\n| `%s` |", permission);
    for (uint32_t i = 0; i < roles->count; i++) {
        bool allowed = roles->allows(roles->roles[i].number, permission);
        buffer_add_text(buffer, !allowed ? " |" : roles->roles[i].bound ? " own |" : " yes |");
    }
}

static const char bound_rules[] =
    "\n\n"
    "`own`: the role is bound to the key's `owner`.\n\n"
    "- Wallets of others, and whatever has none of the owner's wallets on one of its sides, look\n"
    "  like what does not exist: the same `not_found`, in single requests, batches and lists.\n"
    "- Who pays must be the owner's wallet; of refunds, captures and voids the merchant's side\n"
    "  must be. Seen but not his to do is `forbidden`. If-Match of a capture or void speaks of\n"
    "  the merchant's wallet.\n"
    "- `balance` and `version` of a transaction stand on the owner's own side only, and\n"
    "  `initiated_by` only where it is the asker himself or nobody else has a side.\n"
    "- What another's wallet refuses is told as `cannot_receive` or `cannot_pay`, whatever the\n"
    "  reason, also when there is no such wallet.\n"
    "- A field that needs a permission which the role lacks is `invalid_request`.\n";

static void add_permissions(struct buffer *buffer, const struct docs_roles *roles) {
    BUFFER_ADD(buffer, "\n## Permissions\n\n");
    for (uint32_t i = 0; i < roles->count; i++)
        buffer_add_format(buffer, "- `%s`: %s\n", roles->roles[i].name, roles->roles[i].sentence);
    BUFFER_ADD(buffer, "\n| |");
    for (uint32_t i = 0; i < roles->count; i++)
        buffer_add_format(buffer, " %s |", roles->roles[i].name);
    BUFFER_ADD(buffer, "\n|---|");
    for (uint32_t i = 0; i < roles->count; i++)
        BUFFER_ADD(buffer, "---|");
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const char *permission = operation_at(code)->permission;
        if (strcmp(permission, "none") == 0 || !is_first_with_permission(code))
            continue;
        add_permission(buffer, roles, permission);
    }
    for (int guard = GUARD_NONE + 1; guard < GUARD_COUNT; guard++) {
        const char *permission = field_guard_permission((enum field_guard)guard);
        bool is_new = true;
        for (unsigned code = 0; code < OPERATION_COUNT; code++)
            is_new = is_new && strcmp(operation_at(code)->permission, permission) != 0;
        if (is_new)
            add_permission(buffer, roles, permission);
    }
    buffer_add_text(buffer, bound_rules);
}

void docs_render_api(struct buffer *buffer, const struct docs_roles *roles) {
    buffer_add_text(buffer, api_beginning);
    add_permissions(buffer, roles);
    add_chapters(buffer);
    buffer_add_text(buffer, batch_rules);
    add_objects(buffer);
}

// ---- docs/errors.md ----

static const char errors_beginning[] =
    "# Refusals\n\n" GENERATED
    "Every refusal is a problem document (RFC 9457, `application/problem+json`) with a stable\n"
    "`code`, a `detail` for people and the ids and amounts that it speaks of for programs:\n\n"
    "```json\n"
    "{\"type\":\"/problems/insufficient_funds\",\"title\":\"The wallet cannot pay that "
    "much.\",\"status\":422,\n"
    " \"code\":\"insufficient_funds\",\"detail\":\"Wallet wallet_01kakq… can spend 12.50 USD, and "
    "20.00 USD was asked.\n"
    " Deposit at least 7.50 USD first, or ask for less.\",\n"
    " \"wallet\":\"wallet_01kakq…\",\"currency\":\"USD\",\"spendable\":1250,\"asked\":2000}\n"
    "```\n\n"
    "`invalid_request` has `errors`, up to 20 of `{\"pointer\",\"detail\"}`; the problem of an\n"
    "atomic batch has `operation`, the index of the operation that undid it.\n\n"
    "A request is asked these questions in this order, and the first no is the answer: the key\n"
    "(`unauthenticated`), how often it asks (`rate_limited`), the path (`not_found`,\n"
    "`method_not_allowed`), the permission (`forbidden`), the body (`request_too_large`,\n"
    "`unsupported_media_type`, `invalid_request`), the idempotency key, and then the ledger's,\n"
    "from `not_found` down.\n\n"
    "A refusal that is *remembered* is answered again to the same idempotency key, whatever has\n"
    "happened since; any other leaves the key unused.\n\n"
    "| code | HTTP | | what to do | remembered |\n"
    "|---|---|---|---|---|\n";

static bool is_answer(enum status status) {
    return status != STATUS_ok && status != STATUS_disk_failed && status != STATUS_damaged &&
           status != STATUS_end && status != STATUS_fenced && status != STATUS_out_of_place;
}

void docs_render_errors(struct buffer *buffer) {
    buffer_add_text(buffer, errors_beginning);
    for (int i = 0; i < STATUS_COUNT; i++) {
        enum status status = (enum status)i;
        if (is_answer(status))
            buffer_add_format(buffer, "| `%s` | %d | %s | %s | %s |\n", status_name(status),
                              status_http(status), status_sentence(status), problem_advice(status),
                              status_is_remembered(status) ? "yes" : "");
    }
}

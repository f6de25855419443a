// SPDX-License-Identifier: MIT
// The router. Paths have one shape, /v1/COLLECTION[/{id}[/ACTION]], so three comparisons find one;
// the few paths outside /v1 are compared whole. An owner's name may have slashes of its own.
#include "wire/operations.h"

#include <stddef.h>

#include "wire/operations_table.h"

// Operations of a collection are neighbours in the table.
struct collection {
    struct slice word;
    uint8_t first;
    uint8_t last;
};

#define WORD(text)                                                                                 \
    { (const uint8_t *)(text), sizeof(text) - 1 }

static const struct collection collections[] = {
    {WORD("transfers"), OPERATION_TRANSFER, OPERATION_TRANSFER},
    {WORD("wallets"), OPERATION_WALLET_OPEN, OPERATION_WALLET_INTEGRITY},
    {WORD("deposits"), OPERATION_DEPOSIT, OPERATION_DEPOSIT},
    {WORD("withdrawals"), OPERATION_WITHDRAWAL, OPERATION_FAIL},
    {WORD("purchases"), OPERATION_PURCHASE, OPERATION_PURCHASE},
    {WORD("refunds"), OPERATION_REFUND, OPERATION_REFUND},
    {WORD("holds"), OPERATION_HOLD, OPERATION_VOID},
    {WORD("batches"), OPERATION_BATCH, OPERATION_BATCH},
    {WORD("transactions"), OPERATION_TRANSACTION_LIST, OPERATION_TRANSACTION_READ},
    {WORD("adjustments"), OPERATION_ADJUSTMENT, OPERATION_ADJUSTMENT},
    {WORD("approvals"), OPERATION_APPROVAL_LIST, OPERATION_REJECT},
    {WORD("anomalies"), OPERATION_ANOMALY_LIST, OPERATION_ANOMALY_DISMISS},
    {WORD("keys"), OPERATION_KEY_CREATE, OPERATION_KEY_ROTATE},
    {WORD("owners"), OPERATION_ERASE, OPERATION_ERASE},
    {WORD("me"), OPERATION_ME, OPERATION_ME},
    {WORD("audit"), OPERATION_AUDIT_LIST, OPERATION_AUDIT_LIST},
    {WORD("queue"), OPERATION_QUEUE_READ, OPERATION_QUEUE_SKIP},
    {WORD("dead-letters"), OPERATION_LETTER_LIST, OPERATION_LETTER_RETRY},
    {WORD("webhooks"), OPERATION_WEBHOOK_LIST, OPERATION_WEBHOOK_REPLAY},
    {WORD("operations"), OPERATION_OPERATION_READ, OPERATION_OPERATION_READ},
};
#define COLLECTION_COUNT (sizeof(collections) / sizeof(collections[0]))

static const char *const method_names[METHOD_COUNT] = {
    [METHOD_GET] = "GET",
    [METHOD_POST] = "POST",
    [METHOD_PATCH] = "PATCH",
    [METHOD_DELETE] = "DELETE",
};

// By a set of bits 1 << enum operation_method. Whatever answers GET answers HEAD.
static const char *const allow_lists[1 << METHOD_COUNT] = {
    "",
    "GET, HEAD",
    "POST",
    "GET, HEAD, POST",
    "PATCH",
    "GET, HEAD, PATCH",
    "POST, PATCH",
    "GET, HEAD, POST, PATCH",
    "DELETE",
    "GET, HEAD, DELETE",
    "POST, DELETE",
    "GET, HEAD, POST, DELETE",
    "PATCH, DELETE",
    "GET, HEAD, PATCH, DELETE",
    "POST, PATCH, DELETE",
    "GET, HEAD, POST, PATCH, DELETE",
};

const struct operation *operation_at(enum operation_code code) {
    CHECK((unsigned)code < OPERATION_COUNT);
    CHECK(operations_table[code].code == code);
    return &operations_table[code];
}

const char *field_guard_permission(enum field_guard guard) {
    static const char *const words[GUARD_COUNT] = {"none", "wallets:freeze", "wallets:credit",
                                                   "withdrawals:settle"};
    CHECK((unsigned)guard < GUARD_COUNT);
    return words[guard];
}

const char *operation_method_name(enum operation_method method) {
    CHECK((unsigned)method < METHOD_COUNT);
    return method_names[method];
}

const struct operation *operation_of_command(enum command_type type) {
    static const uint8_t codes[COMMAND_TYPE_COUNT] = {
        [COMMAND_NONE] = OPERATION_COUNT,
        [COMMAND_WALLET_OPEN] = OPERATION_WALLET_OPEN,
        [COMMAND_DEPOSIT] = OPERATION_DEPOSIT,
        [COMMAND_WITHDRAWAL] = OPERATION_WITHDRAWAL,
        [COMMAND_SETTLE] = OPERATION_SETTLE,
        [COMMAND_FAIL] = OPERATION_FAIL,
        [COMMAND_PURCHASE] = OPERATION_PURCHASE,
        [COMMAND_REFUND] = OPERATION_REFUND,
        [COMMAND_TRANSFER] = OPERATION_TRANSFER,
        [COMMAND_HOLD] = OPERATION_HOLD,
        [COMMAND_CAPTURE] = OPERATION_CAPTURE,
        [COMMAND_VOID] = OPERATION_VOID,
        [COMMAND_WALLET_CHANGE] = OPERATION_WALLET_CHANGE,
        [COMMAND_KEY_CREATE] = OPERATION_KEY_CREATE,
        [COMMAND_KEY_REVOKE] = OPERATION_KEY_REVOKE,
        [COMMAND_EXPIRE] = OPERATION_COUNT,
        [COMMAND_ADJUSTMENT] = OPERATION_ADJUSTMENT,
        [COMMAND_APPROVE] = OPERATION_APPROVE,
        [COMMAND_REJECT] = OPERATION_REJECT,
        [COMMAND_READ_APPROVAL] = OPERATION_APPROVAL_READ,
        [COMMAND_FINDING] = OPERATION_COUNT,
        [COMMAND_ANOMALY_APPROVE] = OPERATION_ANOMALY_APPROVE,
        [COMMAND_ANOMALY_REJECT] = OPERATION_ANOMALY_REJECT,
        [COMMAND_ANOMALY_DISMISS] = OPERATION_ANOMALY_DISMISS,
        [COMMAND_READ_ANOMALY] = OPERATION_ANOMALY_READ,
        [COMMAND_RULES] = OPERATION_COUNT,
        [COMMAND_ALARM] = OPERATION_COUNT,
        [COMMAND_READ_WALLET] = OPERATION_WALLET_READ,
        [COMMAND_READ_TRANSACTION] = OPERATION_TRANSACTION_READ,
        [COMMAND_READ_HOLD] = OPERATION_HOLD_READ,
        [COMMAND_READ_WITHDRAWAL] = OPERATION_WITHDRAWAL_READ,
        [COMMAND_INVALID] = OPERATION_COUNT,
        [COMMAND_NOTE] = OPERATION_COUNT,
        [COMMAND_CURSOR_CLAIM] = OPERATION_COUNT,
        [COMMAND_CURSOR_MOVE] = OPERATION_COUNT,
        [COMMAND_CURSOR_RESET] = OPERATION_COUNT,
        [COMMAND_READ_CURSOR] = OPERATION_COUNT,
        [COMMAND_KEY_ROTATE] = OPERATION_KEY_ROTATE,
        [COMMAND_OWNER_FORGET] = OPERATION_ERASE,
        [COMMAND_READ_OPERATION] = OPERATION_OPERATION_READ,
    };
    CHECK(command_type_is_known(type));
    return codes[type] == OPERATION_COUNT ? NULL : &operations_table[codes[type]];
}

static bool word_is(const char *word, struct slice text) {
    return strlen(word) == text.size && memcmp(word, text.bytes, text.size) == 0;
}

const struct operation *operation_of_batch_type(struct slice type) {
    // In the order in which batches mostly have them.
    static const uint8_t codes[] = {
        OPERATION_TRANSFER,   OPERATION_PURCHASE, OPERATION_DEPOSIT, OPERATION_WALLET_OPEN,
        OPERATION_WITHDRAWAL, OPERATION_HOLD,     OPERATION_CAPTURE, OPERATION_REFUND,
        OPERATION_SETTLE,     OPERATION_FAIL,     OPERATION_VOID,
    };
    for (size_t i = 0; i < sizeof(codes); i++) {
        const struct operation *operation = &operations_table[codes[i]];
        if (word_is(operation->batch_type, type))
            return operation;
    }
    return NULL;
}

const struct operation *operation_of_queue_type(struct slice type) {
    const struct operation *change = &operations_table[OPERATION_WALLET_CHANGE];
    return word_is(change->queue_type, type) ? change : operation_of_batch_type(type);
}

const struct field *operation_batch_id_field(const struct operation *operation) {
    CHECK(operation->batch_id != NULL);
    switch ((enum id_type)operation->id_type) {
    case ID_HOLD: return &operations_hold_field;
    case ID_WITHDRAWAL: return &operations_withdrawal_field;
    default: CHECK(operation->id_type == ID_WALLET); return &operations_wallet_field;
    }
}

#define MAY(status) STATUS_BIT(STATUS_##status)

status_set operation_statuses(const struct operation *operation) {
    status_set statuses = operation->refusals | MAY(internal);
    // A query parameter that nobody reads is refused everywhere but at the doors of monitors.
    if (!operation->is_public)
        statuses |= MAY(unauthenticated) | MAY(rate_limited) | MAY(busy) | MAY(invalid_request);
    if (operation->loopback_only)
        statuses |= MAY(unauthenticated) | MAY(rate_limited);
    if (strcmp(operation->permission, "none") != 0)
        statuses |= MAY(forbidden);
    if (operation->is_write)
        statuses |= MAY(request_too_large) | MAY(unsupported_media_type) |
                    MAY(idempotency_key_reused) | MAY(storage_full) |
                    MAY(payments_stopped);
    if (operation->batch_type != NULL || operation->queue_type != NULL ||
        operation->code == OPERATION_BATCH)
        statuses |= MAY(unconfirmed);
    return statuses;
}

// METHOD_COUNT when Florin never answers it.
static enum operation_method method_of(struct slice method) {
    if (slice_equal(method, SLICE("POST")))
        return METHOD_POST;
    if (slice_equal(method, SLICE("GET")) || slice_equal(method, SLICE("HEAD")))
        return METHOD_GET;
    if (slice_equal(method, SLICE("PATCH")))
        return METHOD_PATCH;
    return slice_equal(method, SLICE("DELETE")) ? METHOD_DELETE : METHOD_COUNT;
}

// Takes what stands before the next "/" off `rest`, and the "/" too. False at the end of the path.
static bool path_next(struct slice *rest, struct slice *ret_segment) {
    if (rest->bytes == NULL)
        return false;
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->bytes, '/', rest->size);
    if (end == NULL) {
        *ret_segment = *rest;
        *rest = (struct slice){0};
        return true;
    }
    size_t size = (size_t)(end - rest->bytes);
    *ret_segment = slice_of(rest->bytes, size);
    *rest = slice_of(end + 1, rest->size - size - 1);
    return true;
}

// Of what stands behind "owners/": the name of an owner goes as far as the last slash.
static void path_next_owner(struct slice *rest, struct slice *ret_owner) {
    const uint8_t *end =
        rest->bytes == NULL || rest->size == 0 ? NULL : memrchr(rest->bytes, '/', rest->size);
    if (end == NULL) {
        (void)path_next(rest, ret_owner);
        return;
    }
    size_t size = (size_t)(end - rest->bytes);
    *ret_owner = slice_of(rest->bytes, size);
    *rest = slice_of(end + 1, rest->size - size - 1);
}

// Among the operations of one path, the one with that method.
static enum status choose(enum operation_method method, unsigned allowed,
                          const struct operation *chosen, struct route *ret_route) {
    if (allowed == 0)
        return STATUS_not_found;
    if (chosen == NULL) {
        ret_route->allow = allow_lists[allowed];
        return STATUS_method_not_allowed;
    }
    CHECK(chosen->method == method);
    ret_route->operation = chosen;
    return STATUS_ok;
}

static enum status find_outside(enum operation_method method, struct slice path,
                                struct route *ret_route) {
    static const uint8_t codes[] = {OPERATION_CHECK_INTEGRITY, OPERATION_RESUME_PAYMENTS,
                                    OPERATION_HEALTH, OPERATION_READY, OPERATION_METRICS,
                                    OPERATION_OPENAPI};
    for (size_t i = 0; i < sizeof(codes); i++) {
        const struct operation *operation = &operations_table[codes[i]];
        if (word_is(operation->path, path))
            return choose(method, 1u << operation->method,
                          operation->method == method ? operation : NULL, ret_route);
    }
    return STATUS_not_found;
}

static const struct collection *find_collection(struct slice word) {
    for (size_t i = 0; i < COLLECTION_COUNT; i++)
        if (slice_equal(collections[i].word, word))
            return &collections[i];
    return NULL;
}

// Whether a text is the id of anything.
static bool kind_of(struct slice text, enum id_type *ret_type) {
    struct id id;
    for (int type = 0; type < ID_TYPE_COUNT; type++)
        if (operation_parse_id((enum id_type)type, text, &id)) {
            *ret_type = (enum id_type)type;
            return true;
        }
    return false;
}

enum status operation_find(struct slice method_text, struct slice path, struct route *ret_route) {
    enum operation_method method = method_of(method_text);
    if (path.size < 4 || memcmp(path.bytes, "/v1/", 4) != 0)
        return find_outside(method, path, ret_route);
    struct slice rest = slice_of(path.bytes + 4, path.size - 4);
    struct slice word, id_text = SLICE(""), action = SLICE(""), surplus;
    bool has_word = path_next(&rest, &word);
    CHECK(has_word);
    const struct collection *collection = find_collection(word);
    bool is_owner = collection != NULL && operations_table[collection->first].id_is_owner;
    bool has_id = rest.bytes != NULL;
    if (is_owner)
        path_next_owner(&rest, &id_text);
    else
        (void)path_next(&rest, &id_text);
    bool has_action = path_next(&rest, &action);
    bool has_gap = (has_id && id_text.size == 0) || (has_action && action.size == 0);
    if (collection == NULL || has_gap || path_next(&rest, &surplus))
        return STATUS_not_found;
    unsigned allowed = 0;
    const struct operation *chosen = NULL;
    for (unsigned code = collection->first; code <= collection->last; code++) {
        const struct operation *operation = &operations_table[code];
        if (operation->has_id != has_id || !word_is(operation->action, action))
            continue;
        allowed |= 1u << operation->method;
        if (operation->method == method)
            chosen = operation;
    }
    enum status status = choose(method, allowed, chosen, ret_route);
    if (status == STATUS_ok && (chosen->id_is_token || chosen->id_is_owner))
        ret_route->token = id_text;
    else if (status == STATUS_ok && has_id &&
        !operation_parse_id(chosen->id_type, id_text, &ret_route->id)) {
        ret_route->operation = NULL;
        ret_route->almost = chosen;
        ret_route->is_other = kind_of(id_text, &ret_route->other);
        return STATUS_not_found;
    }
    return status;
}

// The value of a digit of Crockford's base32 in lower case; 32 or more for anything else.
static unsigned digit_value(uint8_t digit) {
    static const char digits[33] = "0123456789abcdefghjkmnpqrstvwxyz";
    const char *found = digit == 0 ? NULL : strchr(digits, digit);
    return found == NULL ? 32 : (unsigned)(found - digits);
}

const char *operation_thing(enum id_type type) {
    static const char *const things[ID_TYPE_COUNT] = {
        [ID_WALLET] = "a wallet", [ID_TRANSACTION] = "a transaction", [ID_HOLD] = "a hold",
        [ID_WITHDRAWAL] = "a withdrawal", [ID_KEY] = "an API key",
        [ID_APPROVAL] = "an approval", [ID_ANOMALY] = "an anomaly"};
    return things[type];
}

bool operation_parse_id(enum id_type type, struct slice text, struct id *ret_id) {
    if (id_parse(type, text, ret_id))
        return true;
    const char *prefix = id_prefix(type);
    size_t prefix_size = strlen(prefix);
    if (text.size != prefix_size + 1 + ID_DIGITS || text.bytes[prefix_size] != '_' ||
        memcmp(text.bytes, prefix, prefix_size) != 0 || text.bytes[prefix_size + 1] > '7')
        return false;
    unsigned __int128 bits = 0;
    for (size_t i = 0; i < ID_DIGITS; i++) {
        unsigned value = digit_value(text.bytes[prefix_size + 1 + i]);
        if (value >= 32)
            return false;
        bits = bits << 5 | value;
    }
    for (int i = 15; i >= 0; i--, bits >>= 8)
        ret_id->bytes[i] = (uint8_t)bits;
    return true;
}

static bool permission_begins(const struct operation *operation, const char *word) {
    return strncmp(operation->permission, word, strlen(word)) == 0;
}

uint8_t operation_classes(const struct operation *operation) {
    unsigned classes = 0;
    switch ((enum answer_kind)operation->answer) {
    case ANSWER_WALLETS:
    case ANSWER_TRANSACTIONS:
    case ANSWER_WITHDRAWALS:
    case ANSWER_HOLDS:
    case ANSWER_APPROVALS:
    case ANSWER_KEYS:
    case ANSWER_AUDIT: classes |= CLASS_LISTS; break;
    default: break;
    }
    if (permission_begins(operation, "keys:"))
        classes |= CLASS_KEYS;
    else if (permission_begins(operation, "audit:"))
        classes |= CLASS_AUDIT;
    else if (permission_begins(operation, "books:"))
        classes |= CLASS_BOOKS;
    else if (permission_begins(operation, "wallets:"))
        classes |= (classes & CLASS_LISTS) == 0 ? CLASS_WALLETS : 0;
    else if (operation->is_write)
        classes |= CLASS_MONEY;
    return (uint8_t)classes;
}

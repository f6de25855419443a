// SPDX-License-Identifier: MIT
// The list of statuses as tables; status.def is the only place where they are written down.
#include "base/status.h"

#include "base/check.h"

struct status_facts {
    const char *name;
    const char *sentence;
    enum status_class class;
    int http;
};

static const struct status_facts status_table[STATUS_COUNT] = {
#define STATUS(status_name_, class_, http_, sentence_)                                         \
    [STATUS_##status_name_] = {                                                                \
        .name = #status_name_,                                                                 \
        .sentence = sentence_,                                                                 \
        .class = STATUS_CLASS_##class_,                                                        \
        .http = http_},
#include "base/status.def"
#undef STATUS
};

static const struct status_facts *status_look_up(enum status status) {
    CHECK((unsigned)status < STATUS_COUNT);
    return &status_table[status];
}

const char *status_name(enum status status) {
    return status_look_up(status)->name;
}

enum status_class status_class(enum status status) {
    return status_look_up(status)->class;
}

int status_http(enum status status) {
    return status_look_up(status)->http;
}

const char *status_sentence(enum status status) {
    return status_look_up(status)->sentence;
}

bool status_is_remembered(enum status status) {
    if (status == STATUS_ok)
        return true;
    // A reused key already remembers something else, and that answer stays.
    if (status == STATUS_idempotency_key_reused)
        return false;
    int http = status_http(status);
    return http == 404 || http == 409 || http == 422;
}

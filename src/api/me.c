// SPDX-License-Identifier: MIT
// GET /v1/me: who asks and what it may do, so that a client (the operator's page is one) can
// offer only what will be allowed. Answered at the door, without the engine.
#include "api/answers.h"
#include "api/door.h"
#include "api/loop.h"
#include "api/requests.h"

static void add_permissions(struct buffer *body, const struct role_table *roles, uint8_t role) {
    const char *separator = "";
    BUFFER_ADD(body, ",\"permissions\":[");
    for (uint32_t i = PERMISSION_NONE + 1; i < PERMISSION_COUNT; i++) {
        if (!roles_allow(roles, role, (enum permission)i))
            continue;
        buffer_add_text(body, separator);
        json_write_text(body, slice_of_text(permission_name((enum permission)i)));
        separator = ",";
    }
    BUFFER_ADD(body, "]");
}

static void add_currency(struct buffer *body, const struct currency *currency) {
    if (body->bytes[body->size - 1] != '[')
        BUFFER_ADD(body, ",");
    BUFFER_ADD(body, "{\"currency\":");
    json_write_text(body, currency_code(currency));
    BUFFER_ADD(body, ",\"exponent\":");
    buffer_add_u64(body, currency->exponent);
    BUFFER_ADD(body, "}");
}

// What a client has to know to write amounts with their point: currencies of this server's own,
// and those of ISO 4217 that do not have two digits behind it.
static void add_currencies(struct buffer *body, const struct wire_currencies *currencies) {
    struct currency currency;
    BUFFER_ADD(body, ",\"currencies\":[");
    for (uint32_t i = 0; i < currencies->custom_count; i++)
        add_currency(body, &currencies->customs[i]);
    for (uint32_t i = 0; currency_iso_at(i, &currency); i++)
        if (currency.exponent != 2)
            add_currency(body, &currency);
    BUFFER_ADD(body, "]");
}

void me_request(struct asking *asking) {
    struct buffer *body = http_body_out(asking->request);
    const struct role_table *roles = &asking->loop->api->roles;
    const struct role_row *role = roles_at(roles, asking->principal.role);
    CHECK(role != NULL); // else the door had not permitted it
    char key[ID_TEXT_BYTES_MAX];
    buffer_reset(body);
    BUFFER_ADD(body, "{\"id\":");
    json_write_text(body, asker_principal(asking, key));
    BUFFER_ADD(body, ",\"role\":");
    json_write_text(body, slice_of_text(role->name));
    add_permissions(body, roles, asking->principal.role);
    add_currencies(body, &asking->loop->api->currencies);
    BUFFER_ADD(body, "}");
    answers_send(asking->loop, asking->request, asking->operation, asking->started_ns, 200,
                 "application/json", buffer_slice(body));
}

// SPDX-License-Identifier: MIT
// The components of the OpenAPI document: schemas of requests and answers, headers, parameters, the
// security scheme. For this folder only.
#pragma once
#include "base/buffer.h"
#include "wire/decode.h"
#include "wire/operations.h"

// The name of the schema of an id.
const char *openapi_id_type(enum id_type type);
// {"$ref":"#/components/schemas/NAME"}
void openapi_write_reference(struct buffer *buffer, const char *name);
// The reference to the schema of an operation's body.
void openapi_write_request_reference(struct buffer *buffer, const struct operation *operation);
// The schema of one field of a body, or of a query except that lists know any currency.
void openapi_write_field(struct buffer *buffer, const struct field *field);
void openapi_write_components(struct buffer *buffer, const struct wire_currencies *currencies,
                              const struct wire_roles *roles);

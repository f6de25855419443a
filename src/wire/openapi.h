// SPDX-License-Identifier: MIT
// The OpenAPI 3.1 document, printed from the operations table. It depends on nothing that happens,
// so it is made once, at start.
#pragma once
#include "base/buffer.h"
#include "wire/decode.h"

#define OPENAPI_CONTENT_TYPE "application/json"

// Appends the document as JSON. `version` is Florin's, such as "0.1.0"; currencies and roles are
// the configuration's, and stand there with the house's. Thread: any.
void openapi_render(struct buffer *buffer, const char *version,
                    const struct wire_currencies *currencies, const struct wire_roles *roles);

// SPDX-License-Identifier: MIT
// The OpenAPI 3.1 document, printed from the operations table. Made once at start; it never changes while running.
#pragma once
#include "base/buffer.h"

// Appends the document as JSON. `version` is Florin's. Thread: any.
void openapi_render(struct buffer *buffer, const char *version);

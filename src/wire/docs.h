// SPDX-License-Identifier: MIT
// The reference pages docs/api.md and docs/errors.md, printed from the operations table and the
// list of statuses. A test holds the committed pages against what this prints.
#pragma once
#include "base/buffer.h"

// Append Markdown. Thread: any.
void docs_render_api(struct buffer *buffer);
void docs_render_errors(struct buffer *buffer);

// SPDX-License-Identifier: MIT
// Private to the PostgreSQL engine: what crossings and resolvers share.
#pragma once
#include "base/buffer.h"

// Two statements, at the deciding shard: an abort unless something is decided already, and what
// stands then, t or f. `gid` is of plain characters.
void legs_decide_query(struct buffer *query, const char *gid);

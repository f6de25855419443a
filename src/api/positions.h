// SPDX-License-Identifier: MIT
// What each key has written last, so that its reads elsewhere see it. Threads: any; waits for
// nobody long.
#pragma once
#include "base/id.h"
#include "engine/engine.h"

struct positions;

struct positions *positions_open(void);
void positions_close(struct positions *positions); // accepts NULL
void positions_note(struct positions *positions, struct id key, const struct standing *standing);
// Adds to `standing` what the key has written; nothing when it never has. False: it has no room.
bool positions_get(struct positions *positions, struct id key, struct standing *standing);

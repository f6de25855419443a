// SPDX-License-Identifier: MIT
// Rounds: what callers of either engine share.
#include "engine/engine.h"

#define ROUND_ARENA_BYTES 4096

void round_init(struct round *round) {
    *round = (struct round){0};
    arena_init(&round->arena, ROUND_ARENA_BYTES);
}

void round_release(struct round *round) {
    arena_reset(&round->arena);
    round->first = NULL;
    round->command_count = 0;
}

void round_done(struct round *round) {
    arena_done(&round->arena);
}

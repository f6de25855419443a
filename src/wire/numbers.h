// SPDX-License-Identifier: MIT
// Numbers that JSON allows and the parser does not hold. For this folder only.
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

// Copies a text (and padding for the parser) with every well-formed number outside strings that is
// too large for 64 bits, or has a fraction or exponent, replaced by 0.5 and spaces, so that
// everything stays at its place. False: there was none, or
// the text does not look like JSON. Thread: the arena's.
bool numbers_tame(struct arena *arena, struct slice text, struct slice *ret_tamed);

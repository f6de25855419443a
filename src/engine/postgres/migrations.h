// SPDX-License-Identifier: MIT
// The files of sql/ as they were when this program was built; the source is generated.
#pragma once
#include <stdint.h>

struct migration {
    uint32_t number; // grows from one to the next
    const char *name;
    const char *text; // SQL
};

const struct migration *migrations_all(uint32_t *ret_count); // at least one; static storage

// SPDX-License-Identifier: MIT
// The names that an import file gives to what its lines make (`as`), and the ids behind them. A
// name is known by its 128-bit hash, so that a million names cost 72 MB however long they are.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum import_name_state {
    IMPORT_NAME_WAITING, // its line has not been answered yet
    IMPORT_NAME_OPENING, // neither, but it is a wallet, which its window sends before all else
    IMPORT_NAME_MADE,    // the id stands
    IMPORT_NAME_REFUSED, // its line was refused, so there is no id
};

#define IMPORT_NO_NAME UINT32_MAX

struct import_names;

// Thread: one at a time.
struct import_names *import_names_open(void);
void import_names_close(struct import_names *names); // accepts NULL

// IMPORT_NO_NAME when no line has made it so far.
uint32_t import_names_find(const struct import_names *names, struct slice name);
// Adds a name that is not there yet, made by that line of the file: waiting, or opening.
uint32_t import_names_add(struct import_names *names, struct slice name, uint64_t line,
                          bool is_wallet);
// False: that is no id, and nothing has changed.
bool import_names_set_made(struct import_names *names, uint32_t name, struct slice id);
void import_names_set_refused(struct import_names *names, uint32_t name);

enum import_name_state import_names_state(const struct import_names *names, uint32_t name);
struct slice import_names_id(const struct import_names *names, uint32_t name); // of a made one
uint64_t import_names_line(const struct import_names *names, uint32_t name);

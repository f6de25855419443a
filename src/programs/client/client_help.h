// SPDX-License-Identifier: MIT
// Help for the client's sub-commands, made from their table.
#pragma once
#include <stdio.h>

#include "programs/client/client_table.h"

// "florin wallet create OWNER CURRENCY [options]" and every field with its meaning.
void client_help_verb(const struct client_verb *verb, FILE *file);
// What can stand behind a noun: a line per verb.
void client_help_noun(const char *noun, FILE *file);

// SPDX-License-Identifier: MIT
// Answers for people: things as fields below each other, pages as tables, refusals as sentences.
#pragma once
#include "programs/client/client_connection.h"
#include "programs/client/client_table.h"

struct client_view {
    const struct client_verb *verb;
    const char *subject;                  // the wallet whose history it is
    bool with_titles;                     // of a table's columns
    bool tells_more;                      // says how to see the next page
    struct client_connection *connection; // asks for the currency of things that do not name it
};

// Prints the body of a success on stdout. Returns what the process should say to its shell: books
// that are not consistent are a refusal.
enum client_exit client_print_answer(const struct client_view *view, struct slice body);
// Prints a problem document, or whatever else came with that status, on stderr.
void client_print_problem(int http, struct slice body);

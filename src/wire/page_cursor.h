// SPDX-License-Identifier: MIT
// Where the next page of a list begins, as text. A place alone would be followed in any list, and
// lead to a page that is nobody's answer; so the text says of which list it is: of which operation,
// of which thing, with which filters, for whom. Only how much is on a page may change on the way.
//
//   13 digits  the place, sealed (base/id.h)
//   13 digits  the first 64 bits of a SHA-256 over the list and the place, sealed: whoever does not
//              have the books' seal can neither make one nor change one
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/id.h"
#include "wire/operations.h"

#define WIRE_CURSOR_BYTES (2 * ID_TOKEN_BYTES)

// What a cursor that is of another list, or was changed, is told.
#define WIRE_CURSOR_EXPECTED                                                                       \
    "must be the next_cursor of a page of this list, asked for with the same filters; cursors "    \
    "end when books move to another engine, or a version of Florin makes other ones: begin with "  \
    "the first page"

struct wire_query;

struct wire_cursor {
    uint64_t place; // 0: none, from the newest
    uint64_t mark;  // the 64 bits
};

// What a list is. `of` is the thing of the path, `bound_to` the owner whom the asker is bound to.
// Thread: any, as of all here.
struct sha256 wire_list_digest(const struct operation *operation, struct id of,
                               const struct wire_query *query, struct slice bound_to);

void wire_cursor_format(const struct id_seal *seal, const struct sha256 *list, uint64_t place,
                        char ret_text[WIRE_CURSOR_BYTES]);
// False: it has not the form of a cursor.
MUST_CHECK bool wire_cursor_parse(const struct id_seal *seal, struct slice text,
                                  struct wire_cursor *ret_cursor);
MUST_CHECK bool wire_cursor_is_of(const struct wire_cursor *cursor, const struct sha256 *list);

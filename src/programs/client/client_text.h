// SPDX-License-Identifier: MIT
// Texts on a terminal: cleaned of control characters, so that no reference or metadata can move
// somebody's cursor, and aligned by characters rather than by bytes.
#pragma once
#include <stdbool.h>

#include "base/buffer.h"
#include "base/slice.h"

// Adds UTF-8 with every control character replaced by "?".
void client_text_add(struct buffer *buffer, struct slice text);
// Adds spaces until what begins at `from` is `width` characters wide.
void client_text_pad(struct buffer *buffer, size_t from, size_t width);
// Adds 1234567 as "1,234,567".
void client_text_add_count(struct buffer *buffer, uint64_t count);

// A table: cells are written into `text` one after another, row by row, each closed with
// client_grid_end_cell. Starts zeroed.
#define CLIENT_GRID_COLUMNS_MAX 8
struct client_grid {
    struct buffer text;
    struct buffer ends; // where each cell ends in `text`, as size_t
    size_t cell_count;
    size_t column_count;
    const char *titles[CLIENT_GRID_COLUMNS_MAX];
    bool to_the_right[CLIENT_GRID_COLUMNS_MAX];
};

void client_grid_add_column(struct client_grid *grid, const char *title, bool to_the_right);
void client_grid_end_cell(struct client_grid *grid);
// Adds the rows, aligned, two spaces between columns. Columns without any text are left out.
void client_grid_add_to(const struct client_grid *grid, bool with_titles, struct buffer *out);
void client_grid_done(struct client_grid *grid);

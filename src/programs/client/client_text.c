// SPDX-License-Identifier: MIT
// Widths count code points. That is wrong for wide and combining characters, and right for nearly
// every name that stands in these tables; a terminal's own idea of widths is not worth a library.
#include "programs/client/client_text.h"

#include "base/check.h"

void client_text_add(struct buffer *buffer, struct slice text) {
    for (size_t at = 0; at < text.size; at++) {
        uint8_t byte = text.bytes[at];
        // C1 control characters are 0xC2 followed by 0x80 to 0x9F.
        bool is_c1 = byte == 0xc2 && at + 1 < text.size && text.bytes[at + 1] < 0xa0;
        if (is_c1)
            at++;
        if (byte < 0x20 || byte == 0x7f || is_c1)
            BUFFER_ADD(buffer, "?");
        else
            buffer_add(buffer, &byte, 1);
    }
}

static size_t width_of(struct slice text) {
    size_t width = 0;
    for (size_t at = 0; at < text.size; at++)
        width += (text.bytes[at] & 0xc0) != 0x80;
    return width;
}

static void add_spaces(struct buffer *buffer, size_t count) {
    memset(buffer_room(buffer, count), ' ', count);
    buffer->size += count;
}

void client_text_pad(struct buffer *buffer, size_t from, size_t width) {
    CHECK(from <= buffer->size);
    size_t used = width_of(slice_of(buffer->bytes + from, buffer->size - from));
    if (used < width)
        add_spaces(buffer, width - used);
}

void client_text_add_count(struct buffer *buffer, uint64_t count) {
    uint64_t unit = 1;
    while (count / unit >= 1000)
        unit *= 1000;
    buffer_add_u64(buffer, count / unit);
    for (unit /= 1000; unit > 0; unit /= 1000)
        buffer_add_format(buffer, ",%03u", (unsigned)(count / unit % 1000));
}

void client_grid_add_column(struct client_grid *grid, const char *title, bool to_the_right) {
    CHECK(grid->column_count < CLIENT_GRID_COLUMNS_MAX);
    grid->titles[grid->column_count] = title;
    grid->to_the_right[grid->column_count] = to_the_right;
    grid->column_count++;
}

void client_grid_end_cell(struct client_grid *grid) {
    buffer_add(&grid->ends, &grid->text.size, sizeof(grid->text.size));
    grid->cell_count++;
}

static struct slice grid_cell(const struct client_grid *grid, size_t cell) {
    size_t begin = 0;
    size_t end;
    memcpy(&end, grid->ends.bytes + cell * sizeof(end), sizeof(end));
    if (cell > 0)
        memcpy(&begin, grid->ends.bytes + (cell - 1) * sizeof(begin), sizeof(begin));
    return slice_of(grid->text.bytes + begin, end - begin);
}

static void grid_add_cell(struct buffer *out, struct slice text, size_t width, bool to_the_right,
                          bool is_first, bool is_last) {
    if (!is_first)
        BUFFER_ADD(out, "  ");
    size_t used = width_of(text);
    if (to_the_right)
        add_spaces(out, width - used);
    buffer_add_slice(out, text);
    if (!to_the_right && !is_last)
        add_spaces(out, width - used);
}

void client_grid_add_to(const struct client_grid *grid, bool with_titles, struct buffer *out) {
    CHECK(grid->column_count > 0);
    CHECK(grid->cell_count % grid->column_count == 0);
    size_t widths[CLIENT_GRID_COLUMNS_MAX] = {0};
    size_t last = 0;
    for (size_t cell = 0; cell < grid->cell_count; cell++) {
        size_t width = width_of(grid_cell(grid, cell));
        if (width > widths[cell % grid->column_count])
            widths[cell % grid->column_count] = width;
    }
    for (size_t column = 0; column < grid->column_count; column++) {
        if (widths[column] == 0)
            continue;
        last = column;
        if (with_titles && strlen(grid->titles[column]) > widths[column])
            widths[column] = strlen(grid->titles[column]);
    }
    size_t rows = grid->cell_count / grid->column_count;
    for (size_t row = with_titles ? 0 : 1; row <= rows; row++) {
        bool is_first = true;
        for (size_t column = 0; column < grid->column_count; column++) {
            if (widths[column] == 0)
                continue;
            struct slice text = row == 0 ? slice_of_text(grid->titles[column])
                                         : grid_cell(grid, (row - 1) * grid->column_count + column);
            grid_add_cell(out, text, widths[column], grid->to_the_right[column], is_first,
                          column == last);
            is_first = false;
        }
        while (out->size > 0 && out->bytes[out->size - 1] == ' ') // of cells without a text
            out->size--;
        BUFFER_ADD(out, "\n");
    }
}

void client_grid_done(struct client_grid *grid) {
    buffer_done(&grid->text);
    buffer_done(&grid->ends);
}

// SPDX-License-Identifier: MIT
// Items are read in the order of their digest.
#include "watch/opening_rows.h"

#include <inttypes.h>
#include <stdio.h>

void opening_rows_archive(struct rows_link *link, struct cursor *ret_archive) {
    struct rows rows;
    *ret_archive = (struct cursor){.kind = CURSOR_ARCHIVE};
    rows_open(&rows, link, "archive",
              "SELECT next, checksum, source, epoch, partitions FROM cursors "
              "WHERE slot = 0 AND kind = 3");
    if (rows.is_there)
        *ret_archive = (struct cursor){.kind = CURSOR_ARCHIVE,
                                       .next = (uint64_t)rows_number(&rows, 0),
                                       .checksum = (uint64_t)rows_number(&rows, 1),
                                       .source = (uint64_t)rows_number(&rows, 2),
                                       .epoch = (uint64_t)rows_number(&rows, 3),
                                       .partitions = (uint32_t)rows_number(&rows, 4)};
    rows_close(&rows);
}

bool opening_rows_take(struct rows_link *link, uint64_t line, struct tally *tally,
                       struct tally_map *numbers, struct opening_frame *frame,
                       struct sha256_context *sha) {
    bool fits = true;
    for (int is_kept = 0; is_kept < 2 && fits; is_kept++) {
        struct rows rows;
        char select[256];
        (void)snprintf(select, sizeof(select),
                       is_kept == 1 ? "SELECT 10::bigint, slot::bigint, number, bytes FROM "
                                      "kept_records WHERE number < %" PRIu64
                                      " ORDER BY slot, number"
                                    : "SELECT what::bigint, slot::bigint, number, bytes FROM "
                                      "openings WHERE line = %" PRIu64
                                      " ORDER BY what, slot, number",
                       line);
        rows_open(&rows, link, "items", select);
        while (fits && rows.is_there) {
            const struct opening_item item = {.what = (uint8_t)rows_number(&rows, 0),
                                              .slot = (uint16_t)rows_number(&rows, 1),
                                              .number = (uint64_t)rows_number(&rows, 2),
                                              .bytes = rows_bytes(&rows, 3)};
            opening_hash(sha, &item);
            fits = opening_take(tally, numbers, frame, &item);
            if (fits)
                rows_next(&rows);
        }
        rows_close(&rows);
    }
    return fits;
}

// SPDX-License-Identifier: MIT
// Of large books the check takes many minutes: records first, then what stands now.
#include "programs/commands/verify_told.h"

#include <inttypes.h>
#include <stdio.h>

static void show(void *context, const struct verify_postgres_progress *told) {
    struct client_progress *progress = context;
    char words[96];
    progress->total = told->record_total;
    if (told->rows == NULL)
        (void)snprintf(words, sizeof(words), "%" PRIu64 " records", told->record_count);
    else
        (void)snprintf(words, sizeof(words), "%" PRIu64 " records, then %s: %" PRIu64,
                       told->record_count, told->rows, told->row_count);
    client_progress_show(progress, told->record_count, words);
}

enum status verify_postgres_telling(const char *url, struct verify_postgres_report *ret_report) {
    struct client_progress progress;
    client_progress_begin(&progress, "Checking", 0);
    enum status status = verify_postgres(url, show, &progress, ret_report);
    client_progress_end(&progress);
    return status;
}

// SPDX-License-Identifier: MIT
// The third promise: what was decided is durable before anybody hears of it. A round that cannot be
// made durable cannot be taken back either, so a failure ends the process.
#include "base/check.h"
#include "base/log.h"
#include "engine/embedded/books.h"

void books_commit(struct books *books) {
    if (!journal_round_is_open(books->journal))
        return;
    enum status status = journal_commit(books->journal);
    if (status != STATUS_ok) {
        log_line(LOG_ERROR, "journal",
                 "a round could not be made durable (%s); stopping, nothing of it was "
                 "acknowledged",
                 status_name(status));
        UNREACHABLE("the journal failed");
    }
    index_settle(books->index);
}

void books_make_room(struct books *books, size_t bytes) {
    if (journal_round_is_open(books->journal) && !journal_round_fits(books->journal, bytes))
        books_commit(books);
    if (!journal_round_is_open(books->journal))
        journal_round_begin(books->journal, books->now_ms, bytes);
}

// SPDX-License-Identifier: MIT
// The third promise: what was decided is durable before anybody hears of it. A round that cannot be
// made durable cannot be taken back either, so a failure ends the process.
#include "base/check.h"
#include "base/log.h"
#include "engine/embedded/books.h"

static void must(enum status status) {
    if (status == STATUS_ok)
        return;
    log_line(LOG_ERROR, "journal",
             "a round could not be made durable (%s); stopping, nothing of it was acknowledged",
             status_name(status));
    UNREACHABLE("the journal failed");
}

// A data key is durable before the first record that needs it, and destroyed after the record that
// says so: a crash between leaves a key that nobody needs, or one that the replay destroys.
static void keys_must(enum status status) {
    if (status == STATUS_ok)
        return;
    log_line(LOG_ERROR, "vault",
             "the file data_keys could not be written (%s); stopping, nothing was acknowledged",
             status_name(status));
    UNREACHABLE("the data keys failed");
}

void books_commit(struct books *books) {
    if (!journal_round_is_open(books->journal))
        return;
    keys_must(data_keys_flush(books->data_keys));
    must(journal_commit(books->journal));
    index_settle(books->index);
    keys_must(data_keys_settle(books->data_keys));
}

bool books_commit_begin(struct books *books, size_t bytes_min) {
    if (!journal_round_is_open(books->journal) ||
        journal_round_buffer(books->journal)->size < bytes_min)
        return false;
    keys_must(data_keys_flush(books->data_keys));
    must(journal_commit_begin(books->journal));
    // If the round fails the process ends, so nothing of it will ever be taken back.
    index_settle(books->index);
    return true;
}

void books_commit_wait(struct books *books) {
    must(journal_commit_wait(books->journal));
    // Nothing that is decided meanwhile is on its way yet, so a destruction may wait for its own.
    if (!journal_round_is_open(books->journal))
        keys_must(data_keys_settle(books->data_keys));
}

void books_make_room(struct books *books, size_t bytes) {
    if (journal_round_is_open(books->journal) && !journal_round_fits(books->journal, bytes))
        books_commit(books);
    if (!journal_round_is_open(books->journal))
        journal_round_begin(books->journal, books->now_ms, bytes);
}

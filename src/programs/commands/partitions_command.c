// SPDX-License-Identifier: MIT
// `florin partitions --postgres URL [detach --before MONTH [--dry-run]]`: shows the partitions of
// the books, or lets old ones go. Before they do, what the books had come to is verified, written,
// read back and verified again up to now, and recorded; whatever it breaks off at, the same command
// goes on from there.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/postgres/archive.h"
#include "engine/postgres/postgres.h"
#include "engine/wait.h"
#include "programs/commands.h"
#include "programs/serve/serve_options.h"
#include "watch/verify_postgres.h"

#define TIME_SHIFT      17 // of a record's number
#define SHOW_BYTES      (UINT64_C(4) << 20)
#define LOCK_WAIT_NS    UINT64_C(10000000000) // for a row that somebody has locked
#define LOCK_PAUSE_NS   UINT64_C(100000000)

struct wish {
    const char *url, *month, *verb;
    bool is_dry;
};

struct work {
    const struct wish *wish;
    struct archive *archive;
    struct archive_stand stand;
    struct archive_plan plan;
    uint64_t line;
    bool is_written;
    char why[ARCHIVE_WHY_BYTES];
};

static int complain(const struct work *work) {
    fprintf(stderr, "florin partitions: %s\n", work->why);
    return 1;
}

// 0: it is none.
static uint64_t month_of(const char *text) {
    char first[32];
    uint64_t month_ms;
    if (strlen(text) != strlen("2026-03"))
        return 0;
    (void)snprintf(first, sizeof(first), "%s-01T00:00:00.000Z", text);
    return clock_parse(slice_of_text(first), &month_ms) ? month_ms : 0;
}

static const char *time_of(uint64_t line, char text[CLOCK_TEXT_BYTES + 1]) {
    clock_format(line >> TIME_SHIFT, text);
    text[CLOCK_TEXT_BYTES] = '\0';
    return text;
}

static void step(const char *what) {
    printf("%s\n", what);
    (void)fflush(stdout);
}

static int show(struct work *work) {
    char *text = memory_take_zeroed(SHOW_BYTES);
    char time[CLOCK_TEXT_BYTES + 1];
    if (archive_show(work->archive, text, SHOW_BYTES, work->why) != STATUS_ok) {
        memory_free(text);
        return complain(work);
    }
    printf("%-30s%10s  %12s  %s\n%s\n", "partition", "size", "rows, about", "records of", text);
    if (work->stand.recorded != 0)
        printf("History before %s is archived.\n", time_of(work->stand.recorded, time));
    memory_free(text);
    return 0;
}

// ---- the record ---------------------------------------------------------------------------------

// `*ret_aside`: somebody has locked the row that it changes, and nothing was done.
static enum status submit_patiently(struct engine *engine, struct command *command,
                                    bool *ret_aside) {
    struct engine_wait wait;
    struct signal_gate never;
    uint64_t until_ns = clock_monotonic_ns() + LOCK_WAIT_NS;
    enum status status;
    bool is_told = false;
    engine_wait_init(&wait, engine);
    signal_gate_init(&never, 0, 0);
    while (true) {
        status = engine_wait_command(&wait, command, ret_aside);
        if (!*ret_aside || clock_monotonic_ns() > until_ns)
            break;
        if (!is_told)
            step("Somebody has locked the row of cursors that this changes; waiting ...");
        is_told = true;
        (void)signal_gate_wait(&never, 1, LOCK_PAUSE_NS);
    }
    engine_wait_done(&wait);
    return status;
}

// From the commit of this record on history begins at the line.
static enum status record_line(struct work *work, const uint64_t digest[2]) {
    struct engine *engine;
    // The record has no text, so nobody needs the key of those that are encrypted.
    const struct postgres_options options = {.url = work->wish->url, .without_texts = true};
    const struct cursor_wish wish = {.cursor = {.kind = CURSOR_ARCHIVE,
                                                .next = work->line * 8,
                                                .checksum = digest[0],
                                                .source = digest[1]}};
    struct command command = {.type = COMMAND_CURSOR_RESET,
                              .cursor = &wish,
                              .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    if (postgres_open(&options, work->why, sizeof(work->why), &engine) != STATUS_ok)
        return STATUS_busy;
    bool is_aside;
    enum status status = submit_patiently(engine, &command, &is_aside);
    engine->port->close(engine);
    if (is_aside)
        (void)snprintf(work->why, sizeof(work->why),
                       "Somebody has locked the row of cursors that says where history begins, so "
                       "nothing was detached: end his transaction (" ARCHIVE_LOCK_HOLDER "), then "
                       "run this again.");
    else if (status != STATUS_ok)
        (void)snprintf(work->why, sizeof(work->why),
                       "The record could not be written (%s); run this again.",
                       status_sentence(status));
    return status;
}

// ---- carrying over ------------------------------------------------------------------------------

static bool write_item(void *context, const struct opening_item *item) {
    struct work *work = context;
    work->is_written = archive_write(work->archive, item);
    return work->is_written;
}

// STATUS_ok: the stretch is right.
static enum status verify(struct work *work, const struct verify_postgres_span *span,
                          uint64_t *ret_digest) {
    struct verify_postgres_report report;
    enum status status = verify_postgres_span(work->wish->url, span, &report);
    if (status != STATUS_ok || !report.books.consistent) {
        (void)snprintf(work->why, sizeof(work->why),
                       "The books could not be verified, so nothing was detached: %.300s",
                       report.books.message);
        status = STATUS_damaged;
    }
    if (ret_digest != NULL)
        memcpy(ret_digest, report.opening, sizeof(report.opening));
    verify_postgres_done(&report);
    return status;
}

static enum status carry_over(struct work *work) {
    struct archive *archive = work->archive;
    uint64_t digest[2];
    const struct verify_postgres_span before = {.from = VERIFY_FROM_ARCHIVE,
                                                .until = work->line,
                                                .each = write_item,
                                                .context = work};
    const struct verify_postgres_span after = {.from = work->line};
    enum status status = archive_announce(archive, work->line, work->why);
    if (status == STATUS_ok)
        status = archive_write_begin(archive, work->wish->url, work->line, work->why);
    if (status == STATUS_ok) {
        step("Verifying what is to go, and writing opening balances ...");
        work->is_written = true;
        status = verify(work, &before, NULL);
    }
    if (status == STATUS_ok)
        status = archive_write_end(archive, work->why);
    if (status == STATUS_ok && !work->is_written)
        status = STATUS_busy;
    if (status == STATUS_ok) {
        step("Keeping the records that are still needed ...");
        status = archive_keep(archive, work->line, work->why);
    }
    if (status == STATUS_ok) {
        step("Comparing opening balances with postings, and verifying from them up to now ...");
        status = archive_compare(archive, work->line, work->why);
    }
    if (status == STATUS_ok)
        status = verify(work, &after, digest);
    if (status == STATUS_ok)
        status = record_line(work, digest);
    if (status == STATUS_ok)
        step("Recorded. Checks of the books begin there from now on.");
    return status;
}

static int let_go(struct work *work) {
    char name[ARCHIVE_NAME_BYTES], time[CLOCK_TEXT_BYTES + 1];
    uint32_t count = 0;
    while (true) {
        if (archive_detach(work->archive, work->line, name, work->why) != STATUS_ok)
            return complain(work);
        if (name[0] == '\0')
            break;
        count++;
        printf("Detached florin.%s\n", name);
        (void)fflush(stdout);
    }
    if (archive_forget(work->archive, work->line, work->why) != STATUS_ok)
        return complain(work);
    printf("%u partition%s detached: history before %s is archived.\n"
           "The tables are still there: dump each, for instance with pg_dump -t florin.NAME, and "
           "drop it.\n",
           count, count == 1 ? "" : "s", time_of(work->line, time));
    return 0;
}

// ---- deciding -----------------------------------------------------------------------------------

static void say_what_comes(const struct work *work) {
    char time[CLOCK_TEXT_BYTES + 1];
    time_of(work->line, time);
    printf("%u partition%s with %" PRIu64 " MB go: everything before %s.\n"
           "Then are refused, as history_archived: refunds of purchases of before, and reads of "
           "transactions, of ended holds, withdrawals and approvals, and of balances of before. "
           "Lists and the audit end there and say so.\n"
           "Stay: all balances, open holds, pending withdrawals and approvals, idempotency keys "
           "for their %u days, and bank ids for ever.\n",
           work->plan.partition_count, work->plan.partition_count == 1 ? "" : "s",
           work->plan.bytes >> 20, time, work->stand.days);
    (void)fflush(stdout); // what comes may have to wait
}

static int detach(struct work *work) {
    char time[CLOCK_TEXT_BYTES + 1];
    uint64_t month_ms = month_of(work->wish->month);
    if (month_ms == 0) {
        fprintf(stderr, "florin partitions: --before is a month such as 2026-03.\n");
        return 2;
    }
    if (archive_plan(work->archive, &work->stand, month_ms, &work->plan, work->why) != STATUS_ok)
        return complain(work);
    bool is_begun = work->stand.announced > work->stand.recorded;
    work->line = is_begun ? work->stand.announced : work->plan.line;
    if (is_begun && work->plan.line != work->stand.announced)
        printf("Detaching everything before %s was begun and not finished; this goes on with that "
               "first.\n",
               time_of(work->line, time));
    // What was recorded, and then broke off, is finished.
    if (!is_begun && work->plan.partition_count != 0 && work->plan.line < work->stand.recorded)
        work->line = work->stand.recorded;
    if (work->line == 0 || (work->plan.partition_count == 0 && !is_begun)) {
        printf("There is no partition before that month.\n");
        return 0;
    }
    say_what_comes(work);
    if (work->wish->is_dry) {
        printf("Nothing was done.\n");
        return 0;
    }
    if (work->line > work->stand.recorded && carry_over(work) != STATUS_ok)
        return complain(work);
    return let_go(work);
}

static bool read_wish(int argc, char **argv, struct wish *wish) {
    const struct serve_option options[] = {
        {"--postgres", &wish->url}, {"--before", &wish->month}, {0}};
    int kept = 0;
    for (int i = 0; i < argc; i++) { // the one option without a value
        if (strcmp(argv[i], "--dry-run") == 0)
            wish->is_dry = true;
        else
            argv[kept++] = argv[i];
    }
    if (!serve_options_read(kept, argv, options, &wish->verb))
        return false;
    bool detaches = wish->verb != NULL && strcmp(wish->verb, "detach") == 0;
    if (wish->url == NULL || (wish->verb != NULL && !detaches) ||
        detaches != (wish->month != NULL) || (wish->is_dry && !detaches)) {
        fprintf(stderr, "florin partitions: say --postgres URL, and to let old ones go, "
                        "detach --before MONTH.\n");
        return false;
    }
    return true;
}

int partitions_run(int argc, char **argv) {
    struct wish wish = {.is_dry = false};
    struct work work = {.wish = &wish};
    if (!read_wish(argc, argv, &wish))
        return 2;
    bool is_alone = wish.verb != NULL && !wish.is_dry;
    if (archive_open(wish.url, is_alone, work.why, &work.archive) != STATUS_ok)
        return complain(&work);
    int result;
    if (archive_stand(work.archive, &work.stand, work.why) != STATUS_ok)
        result = complain(&work);
    else
        result = wish.verb == NULL ? show(&work) : detach(&work);
    archive_close(work.archive);
    return result;
}

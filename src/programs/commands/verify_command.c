// SPDX-License-Identifier: MIT
// `florin verify DIR`: examines the books of a stopped server, `florin verify --postgres URL` those
// in a database, whose servers may run, and prints what watch/ found. Exit
// status 0: the books are right; 1: they are wrong, and the first difference is printed; 2: they
// could not be examined.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "programs/commands.h"
#include "programs/commands/reading_lock.h"
#include "programs/commands/verify_told.h"
#include "programs/serve/serve_options.h"
#include "watch/verify.h"

static void show_progress(void *context, const struct verify_progress *progress) {
    (void)context;
    uint64_t percent =
        progress->bytes_total == 0 ? 100 : progress->bytes_done * 100 / progress->bytes_total;
    fprintf(stderr, "\r%3" PRIu64 " %%  %" PRIu64 " records", percent, progress->record_count);
}

static void print_currency(const struct integrity_currency *currency) {
    struct buffer line = {0};
    struct slice code = currency_code(&currency->currency);
    buffer_add_format(&line, "  %-12.*s ", (int)code.size, (const char *)code.bytes);
    buffer_add_i128(&line, currency->wallet_balances);
    buffer_add_format(&line, " in %" PRIu32 " wallets = deposits ", currency->wallet_count);
    buffer_add_i128(&line, currency->deposits);
    BUFFER_ADD(&line, " - withdrawals ");
    buffer_add_i128(&line, currency->withdrawals);
    if (currency->difference != 0) {
        BUFFER_ADD(&line, ", DIFFERENCE ");
        buffer_add_i128(&line, currency->difference);
    }
    printf("%.*s (minor units)\n", (int)line.size, (const char *)line.bytes);
    buffer_done(&line);
}

static void print_chain(const struct sha256 *chain, const char *name) {
    printf("  %-12s ", name);
    for (size_t i = 0; i < sizeof(chain->bytes); i++)
        printf("%02x", chain->bytes[i]);
    printf("\n");
}

static void print_checks(const struct integrity_report *books) {
    for (uint32_t i = 0; i < books->check_count; i++)
        if (books->checks[i].name != NULL)
            printf("  %-12s %" PRIu64 " looked at, %" PRIu64 " wrong: %s\n", books->checks[i].name,
               books->checks[i].count, books->checks[i].differences, books->checks[i].sentence);
    for (uint32_t i = 0; i < books->currency_count; i++)
        print_currency(&books->currencies[i]);
}

static void print_report(const char *folder, const struct verify_report *report) {
    const struct integrity_report *books = &report->books;
    char time[CLOCK_TEXT_BYTES];
    clock_format(report->last_time_ms, time);
    printf("%s: %s\n", folder, books->message);
    printf("  journal      %" PRIu64 " records in %" PRIu64 " rounds and %" PRIu64
           " segments, %" PRIu64 " bytes\n",
           books->record_count, report->round_count, report->segment_count, report->journal_bytes);
    printf("  until        %.*s, %s\n", CLOCK_TEXT_BYTES, time,
           report->is_closed ? "stopped cleanly" : "not stopped cleanly");
    if (report->unfinished_bytes != 0)
        printf("  unfinished   %" PRIu64
               " bytes of a round that nobody was answered for; the next start cuts them\n",
               report->unfinished_bytes);
    if (report->goes_on)
        print_chain(&report->first_chain, "goes on from");
    print_chain(&report->chain, "chain");
    print_checks(books);
}

// Who adds up shards that were verified one by one sees by this whether each slot is in the sum.
static void print_slots(const struct verify_postgres_report *report) {
    if (!report->is_shard)
        return;
    printf("  slots        %" PRIu32 " of %d are here; of all shards together %d, or one is on its "
           "way between two and not counted\n",
           report->slot_count, LIMIT_SLOTS, LIMIT_SLOTS);
    if (report->let_go[0] != '\0')
        printf("  let go       slots %s: not counted here, what stood in them is not deleted yet\n",
               report->let_go);
}

static int verify_database(const char *url) {
    struct verify_postgres_report report;
    int result = 2;
    if (verify_postgres_telling(url, &report) == STATUS_ok) {
        printf("%s\n  rows         %" PRIu64 " records in %" PRIu64 " rounds, %" PRIu64
               " postings, %" PRIu64 " idempotency keys\n",
               report.books.message, report.books.record_count, report.round_count,
               report.posting_count, report.key_count);
        if (report.begins_ms != 0) {
            char time[CLOCK_TEXT_BYTES];
            clock_format(report.begins_ms, time);
            printf("  archived     everything before %.*s; counted from opening balances\n",
                   CLOCK_TEXT_BYTES, time);
        }
        if (report.moved_from[0] != '\0') {
            printf("  moved from   %s\n", report.moved_from);
            print_chain(&report.first_chain, "goes on from");
        }
        print_slots(&report);
        print_chain(&report.chain, "chain");
        print_checks(&report.books);
        result = report.books.consistent ? 0 : 1;
    } else {
        fprintf(stderr, "florin verify: %s\n", report.books.message);
    }
    verify_postgres_done(&report);
    return result;
}

int verify_run(int argc, char **argv) {
    const char *url = NULL;
    const struct serve_option options[] = {{"--postgres", &url}, {0}};
    const char *folder = NULL;
    if (!serve_options_read(argc, argv, options, &folder))
        return 2;
    if ((folder == NULL) == (url == NULL)) {
        fprintf(stderr, "florin verify: say which folder, or --postgres URL.\n");
        return 2;
    }
    if (url != NULL)
        return verify_database(url);
    int lock = reading_lock(folder);
    if (lock == READING_LOCK_TAKEN) {
        fprintf(stderr,
                "florin verify: a server runs on %s; stop it, or ask it for /check-integrity.\n",
                folder);
        return 2;
    }
    bool is_watched = isatty(STDERR_FILENO) == 1;
    struct verify_report report;
    memset(&report, 0, sizeof(report));
    enum status status = verify_folder(folder, is_watched ? show_progress : NULL, NULL, &report);
    if (is_watched)
        fprintf(stderr, "\r%40s\r", "");
    int result = 2;
    if (status == STATUS_ok) {
        print_report(folder, &report);
        result = report.books.consistent ? 0 : 1;
    } else {
        const char *message = report.books.message;
        fprintf(stderr, "florin verify: %s: %s\n", folder,
                message[0] != '\0' ? message : status_sentence(status));
    }
    verify_report_done(&report);
    if (lock >= 0)
        close(lock);
    return result;
}

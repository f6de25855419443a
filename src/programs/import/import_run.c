// SPDX-License-Identifier: MIT
// `florin import FILE`: hashes the file, then sends its lines in windows, each answered before the
// next is begun, so that the order of the lines is the order of the books. Whatever is interrupted
// can be started again: the keys of the lines are the same then, and what was done answers with its
// first answer, ids included.
#include "programs/import/import_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "programs/client/client_arguments.h"
#include "programs/client/client_connection.h"
#include "programs/client/client_progress.h"
#include "programs/client/client_text.h"
#include "programs/import/import_csv.h"
#include "programs/import/import_line.h"
#include "programs/import/import_send.h"
#include "programs/import/import_source.h"

#define IMPORT_PATIENCE_S 120
#define IMPORT_UNSETTLED_MAX 1000 // refusals that are kept in memory

// Set by SIGINT and SIGTERM; the batch that is on its way is still waited for.
static volatile sig_atomic_t is_interrupted;

struct options {
    struct client_options client;
    const char *path;
    const char *refused_path;
    const char *format; // NULL: guessed
    bool queues, help;
};

struct job {
    struct options options;
    enum import_format format;
    struct client_connection *connection;
    struct import_source *source;
    struct import_names *names;
    struct import_csv *csv;
    struct json_parser *line_parser;
    struct json_parser *answer_parser;
    struct import_window *window;
    struct import_lines lines;
    struct import_sender sender;
    struct import_report report;
    struct client_progress progress;
    struct buffer row; // a CSV row as JSON
    uint64_t last_line;
};

static void interrupt(int number) {
    (void)number;
    is_interrupted = 1;
}

static void print_help(FILE *file) {
    fputs("florin import FILE [options]\n"
          "  Loads operations of any number from NDJSON or CSV (RFC 4180, with a header row), in\n"
          "  the order of the file, and can be interrupted and started again without doing\n"
          "  anything twice.\n\n"
          "  A line is what an operation of POST /v1/batches is: a `type` (wallet, deposit,\n"
          "  withdrawal, settle, fail, purchase, refund, transfer, hold, capture, void) and the\n"
          "  fields of its endpoint. CSV has a column for each field, and metadata.NAME.\n"
          "  Lines that make something may carry `as`, a name of the file's own; later lines\n"
          "  write @name where its id stands. Lines without an `idempotency_key` get one from\n"
          "  the file's hash and their number: start the same file again unchanged, with the\n"
          "  same API key, within 7 days. Amounts are in minor units.\n\n"
          "  --format ndjson|csv              else the name's end or the first byte decides\n"
          "  --queue                          through the server's queue, where it has one\n"
          "  --refused PATH                   where refused lines go (FILE.refused)\n"
          "  --url URL                        where the server is (FLORIN_URL)\n"
          "  --key KEY                        the API key (FLORIN_KEY)\n"
          "  --data DIR                       else DIR/admin.key (./florin-data/admin.key)\n",
          file);
}

static bool take_word(struct options *options, int argc, char **argv, int *at) {
    const char *word = argv[*at];
    bool ok = true;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        options->help = true;
    } else if (strcmp(word, "--queue") == 0) {
        options->queues = true;
    } else if (client_option_take(argc, argv, at, "refused", &options->refused_path)) {
        ok = options->refused_path != NULL;
    } else if (client_option_take(argc, argv, at, "format", &options->format)) {
        ok = options->format != NULL &&
             (strcmp(options->format, "csv") == 0 || strcmp(options->format, "ndjson") == 0);
    } else if (client_option_take_common(argc, argv, at, &options->client, &ok)) {
        return ok; // it has complained itself
    } else if (word[0] != '-' && options->path == NULL) {
        options->path = word;
    } else {
        ok = false;
    }
    if (!ok)
        fprintf(stderr, "florin: this is not understood: %s\n", word);
    return ok;
}

static bool options_parse(struct options *options, int argc, char **argv) {
    for (int at = 1; at < argc; at++) {
        if (!take_word(options, argc, argv, &at))
            return false;
        if (options->help)
            return true;
    }
    if (options->path == NULL)
        fprintf(stderr, "florin: which file is to be imported?\n");
    return options->path != NULL;
}

static bool tell_hashing(void *context, uint64_t done_bytes) {
    struct job *job = context;
    client_progress_show(&job->progress, done_bytes, "");
    return !is_interrupted;
}

static void tell_importing(struct job *job) {
    char words[160];
    uint64_t ms = (clock_monotonic_ns() - job->progress.begun_ns) / 1000000;
    struct buffer text = {0};
    client_text_add_count(&text, job->report.line_count);
    BUFFER_ADD(&text, " lines, ");
    if (job->report.kept_count > 0) {
        client_text_add_count(&text, job->report.kept_count);
        BUFFER_ADD(&text, " kept, ");
    }
    client_text_add_count(&text, job->report.refused_count);
    BUFFER_ADD(&text, " refused, ");
    client_text_add_count(&text, ms == 0 ? 0 : job->report.line_count * 1000 / ms);
    BUFFER_ADD(&text, " lines/s");
    (void)snprintf(words, sizeof(words), "%.*s", (int)text.size, (const char *)text.bytes);
    buffer_done(&text);
    client_progress_show(&job->progress, import_source_done_bytes(job->source), words);
}

static enum client_exit exit_of(enum import_sent sent) {
    switch (sent) {
    case IMPORT_SENT_OK: return CLIENT_EXIT_OK;
    case IMPORT_SENT_REFUSED: return CLIENT_EXIT_REFUSED;
    case IMPORT_SENT_NO_ANSWER: return CLIENT_EXIT_NO_CONNECTION;
    case IMPORT_SENT_INTERRUPTED: return CLIENT_EXIT_INTERRUPTED;
    }
    UNREACHABLE("every result of sending is above");
}

static enum client_exit send_window(struct job *job) {
    enum client_exit result = exit_of(import_sender_send(&job->sender, job->window));
    tell_importing(job);
    return result;
}

// Adds one record to the window, and sends the window when it is full or must be sent first.
static enum client_exit take_record(struct job *job, struct slice record, uint64_t line) {
    struct slice json = record;
    const char *why = NULL;
    if (job->format == IMPORT_CSV) {
        bool ok = import_csv_row(job->csv, record, &job->row, &why);
        memset(buffer_room(&job->row, JSON_PADDING), 0, JSON_PADDING);
        json = buffer_slice(&job->row);
        if (!ok) {
            job->report.line_count++;
            import_report_refuse(&job->report, line, SLICE("invalid_request"), slice_of_text(why),
                                 record, false);
            return CLIENT_EXIT_OK;
        }
    }
    enum import_line_result result = import_lines_add(&job->lines, json, line);
    if (result == IMPORT_LINE_NOT_YET) {
        enum client_exit sent = send_window(job);
        if (sent != CLIENT_EXIT_OK)
            return sent;
        result = import_lines_add(&job->lines, json, line);
        CHECK(result != IMPORT_LINE_NOT_YET);
    }
    if (result != IMPORT_LINE_EMPTY)
        job->report.line_count++;
    if (result == IMPORT_LINE_REFUSED)
        import_report_refuse(&job->report, line, slice_of_text(job->lines.code),
                             buffer_slice(&job->lines.detail), json, job->lines.is_object);
    if (import_batch_is_full(&job->window->wallets) || import_batch_is_full(&job->window->others) ||
        import_report_unsettled(&job->report) >= IMPORT_UNSETTLED_MAX)
        return send_window(job);
    return CLIENT_EXIT_OK;
}

static enum client_exit import_all(struct job *job) {
    struct slice record;
    uint64_t line;
    while (!is_interrupted) {
        enum client_exit result = CLIENT_EXIT_OK;
        switch (import_source_next(job->source, job->format, &record, &line)) {
        case IMPORT_READ_RECORD:
            job->last_line = line;
            result = take_record(job, record, line);
            break;
        case IMPORT_READ_TOO_LONG:
            job->report.line_count++;
            import_report_refuse(&job->report, line, SLICE("request_too_large"),
                                 SLICE("The line is longer than 1 MiB."), record, false);
            break;
        case IMPORT_READ_UNCLOSED:
            job->report.line_count++;
            import_report_refuse(&job->report, line, SLICE("invalid_request"),
                                 SLICE("A quoted field does not end; nothing behind was read."),
                                 SLICE(""), false);
            return send_window(job);
        case IMPORT_READ_FAILED: result = CLIENT_EXIT_USAGE; break;
        case IMPORT_READ_END: return send_window(job);
        }
        if (result != CLIENT_EXIT_OK)
            return result;
    }
    return CLIENT_EXIT_INTERRUPTED;
}

static bool format_find(struct job *job) {
    struct slice header;
    uint64_t line;
    job->format = import_source_guess(job->source, job->options.path);
    if (job->options.format != NULL)
        job->format = strcmp(job->options.format, "csv") == 0 ? IMPORT_CSV : IMPORT_NDJSON;
    if (job->format == IMPORT_NDJSON)
        return true;
    if (import_source_next(job->source, job->format, &header, &line) != IMPORT_READ_RECORD) {
        fprintf(stderr, "florin: %s has no header row.\n", job->options.path);
        return false;
    }
    return import_csv_open(header, &job->csv);
}

static void wire_up(struct job *job, const struct sha256 *hash) {
    job->names = import_names_open();
    job->line_parser = json_open();
    job->answer_parser = json_open();
    job->window = memory_take_zeroed(sizeof(*job->window));
    import_lines_init(&job->lines, hash);
    job->lines.parser = job->line_parser;
    job->lines.names = job->names;
    job->lines.window = job->window;
    job->sender = (struct import_sender){.connection = job->connection,
                                         .names = job->names,
                                         .report = &job->report,
                                         .progress = &job->progress,
                                         .is_interrupted = &is_interrupted,
                                         .parser = job->answer_parser,
                                         .queues = job->options.queues,
                                         .patience_s = IMPORT_PATIENCE_S};
    import_report_init(&job->report, job->options.path, job->options.refused_path);
}

// What is left to say when the lines are through or the import has stopped early.
static enum client_exit finish(struct job *job, enum client_exit result, uint64_t begun_ns) {
    client_progress_end(&job->progress);
    import_report_finish(&job->report, (clock_monotonic_ns() - begun_ns) / 1000000);
    if (import_source_changed(job->source))
        fprintf(stderr,
                "florin: %s changed while it was imported. Started again, it is another "
                "file: lines without a key would be done again.\n",
                job->options.path);
    if (result != CLIENT_EXIT_OK)
        fprintf(stderr,
                "Stopped near line %llu. The same command goes on where it stopped; nothing is "
                "done twice.\n",
                (unsigned long long)job->last_line);
    else if (job->report.refused_count > 0)
        result = CLIENT_EXIT_REFUSED;
    return result;
}

static enum client_exit run(struct job *job) {
    uint64_t begun_ns = clock_monotonic_ns();
    struct sha256 hash;
    if (!import_source_open(job->options.path, &job->source) ||
        !client_connection_open(&job->options.client, &job->connection))
        return CLIENT_EXIT_USAGE;
    client_progress_begin(&job->progress, "hashing", import_source_bytes(job->source));
    bool is_hashed = import_source_hash(job->source, tell_hashing, job, &hash);
    client_progress_end(&job->progress);
    if (!is_hashed)
        return is_interrupted ? CLIENT_EXIT_INTERRUPTED : CLIENT_EXIT_USAGE;
    if (!format_find(job))
        return CLIENT_EXIT_USAGE;
    wire_up(job, &hash);
    client_progress_begin(&job->progress, "importing", import_source_bytes(job->source));
    return finish(job, import_all(job), begun_ns);
}

static void job_done(struct job *job) {
    import_lines_done(&job->lines);
    import_sender_done(&job->sender);
    import_report_done(&job->report);
    import_names_close(job->names);
    import_csv_close(job->csv);
    import_source_close(job->source);
    client_connection_close(job->connection);
    if (job->line_parser != NULL)
        json_close(job->line_parser);
    if (job->answer_parser != NULL)
        json_close(job->answer_parser);
    if (job->window != NULL) {
        buffer_done(&job->window->wallets.text);
        buffer_done(&job->window->others.text);
        memory_free(job->window);
    }
    buffer_done(&job->row);
    memory_free(job);
}

int import_run(int argc, char **argv) {
    struct job *job = memory_take_zeroed(sizeof(*job));
    enum client_exit result = CLIENT_EXIT_USAGE;
    // The second time the default holds, so that nobody is kept by a server that hangs.
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    CHECK(sigaction(SIGTERM, &action, NULL) == 0);
    if (!options_parse(&job->options, argc, argv)) {
        fprintf(stderr, "Try: florin import --help\n");
    } else if (job->options.help) {
        print_help(stdout);
        result = CLIENT_EXIT_OK;
    } else {
        result = run(job);
    }
    job_done(job);
    return result;
}

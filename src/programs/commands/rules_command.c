// SPDX-License-Identifier: MIT
// `florin rules test FILE`: tries a file of rules on the history of a stopped server (florin-data,
// or what `--data DIR` says), or with `--postgres URL` on that of a database whose servers may run.
// Prints, rule by rule, how many payments it would have flagged, held or refused, with examples.
// Nothing is written. Exit status 0: it was tried; 1: the rules or the books are wrong; 2: it could
// not be tried.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "programs/commands.h"
#include "programs/commands/reading_lock.h"
#include "programs/serve/serve_options.h"
#include "watch/backtest.h"
#include "watch/journal_reader.h"
#include "watch/rule_file.h"

struct wish {
    const char *file, *folder, *postgres, *from, *to;
    uint64_t from_ms, to_ms;
    bool json;
};

static int complain(const char *sentence) {
    fprintf(stderr, "florin rules test: %s\n", sentence);
    return 2;
}

// ---- words --------------------------------------------------------------------------------------

// Takes --json, which has no value, out of the words. Returns how many are left.
static int take_json(int argc, char **argv, bool *ret_json) {
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            *ret_json = true;
        else
            argv[kept++] = argv[i];
    }
    return kept;
}

static bool read_time(const char *name, const char *text, uint64_t *ret_time_ms) {
    if (text == NULL || clock_parse(slice_of(text, strlen(text)), ret_time_ms))
        return true;
    fprintf(stderr,
            "florin rules test: %s: \"%s\" is no time; write 2026-11-22 or 2026-11-22T18:28:43Z.\n",
            name, text);
    return false;
}

static bool read_wish(int argc, char **argv, struct wish *wish) {
    static char name[] = "rules test";
    const struct serve_option options[] = {
        {"--data", &wish->folder}, {"--postgres", &wish->postgres}, {"--from", &wish->from},
        {"--to", &wish->to},       {0}};
    if (argc < 2 || strcmp(argv[1], "test") != 0) {
        (void)complain("the words are: florin rules test FILE [--data DIR | --postgres URL] "
                       "[--from TIME] [--to TIME] [--json].");
        return false;
    }
    argv[1] = name;
    argc = take_json(argc - 1, ++argv, &wish->json);
    if (!serve_options_read(argc, argv, options, &wish->file))
        return false;
    if (wish->file == NULL || (wish->folder != NULL && wish->postgres != NULL)) {
        (void)complain("say which file of rules, and --data DIR of a stopped server (florin-data "
                       "when it is left out) or --postgres URL.");
        return false;
    }
    if (wish->folder == NULL && wish->postgres == NULL)
        wish->folder = SERVE_FOLDER_DEFAULT;
    wish->to_ms = UINT64_MAX;
    if (!read_time("--from", wish->from, &wish->from_ms) ||
        !read_time("--to", wish->to, &wish->to_ms))
        return false;
    if (wish->from_ms >= wish->to_ms) {
        (void)complain("--from must lie before --to.");
        return false;
    }
    return true;
}

// ---- for people ---------------------------------------------------------------------------------

static void add_id(struct buffer *out, enum id_type type, struct id id) {
    char text[ID_TEXT_BYTES_MAX];
    buffer_add(out, text, id_format(type, id, text));
}

static void add_time(struct buffer *out, uint64_t time_ms) {
    char text[CLOCK_TEXT_BYTES];
    clock_format(time_ms, text);
    buffer_add(out, text, sizeof(text));
}

static void add_rule(struct buffer *out, const struct rule *rule,
                     const struct backtest_rule *tried) {
    static const char *const done[] = {"", "flagged", "held", "refused"};
    struct slice name = rule_name(rule);
    buffer_add_format(out, "%.*s: %" PRIu64 " hit", (int)name.size, (const char *)name.bytes,
                      tried->hits);
    if (rule->shadow != 0)
        buffer_add_format(out, ", in the shadow (else: %s)\n", done[rule->action]);
    else
        buffer_add_format(out, ", %" PRIu64 " %s by it\n", tried->decided, done[rule->action]);
    for (uint32_t i = 0; i < tried->example_count; i++) {
        const struct backtest_example *example = &tried->examples[i];
        BUFFER_ADD(out, "  ");
        add_time(out, example->time_ms);
        BUFFER_ADD(out, "  ");
        add_id(out, (enum id_type)example->subject_type, example->subject);
        BUFFER_ADD(out, "  ");
        add_id(out, ID_WALLET, example->wallet);
        BUFFER_ADD(out, "  ");
        buffer_add_slice(out, buffer_slice(&example->sentence));
        BUFFER_ADD(out, "\n");
    }
}

static void add_text(struct buffer *out, const struct backtest *tried) {
    buffer_add_format(out, "%" PRIu64 " payments", tried->payment_count);
    if (tried->payment_count != 0) {
        BUFFER_ADD(out, " from ");
        add_time(out, tried->first_ms);
        BUFFER_ADD(out, " to ");
        add_time(out, tried->last_ms);
    }
    buffer_add_format(out,
                      ": %" PRIu64 " flagged, %" PRIu64 " held, %" PRIu64 " refused.\n",
                      tried->outcomes[RULE_FLAG], tried->outcomes[RULE_HOLD],
                      tried->outcomes[RULE_REFUSE]);
    for (uint32_t i = 0; i < tried->set->count; i++)
        add_rule(out, &tried->set->rules[i], &tried->rules[i]);
}

// ---- for programs -------------------------------------------------------------------------------

static void add_example_json(struct buffer *out, const struct backtest_example *example) {
    static const char *const types[] = {
        [ID_TRANSACTION] = "transaction", [ID_HOLD] = "hold", [ID_WITHDRAWAL] = "withdrawal"};
    buffer_add_format(out, "{\"%s\":\"", types[example->subject_type]);
    add_id(out, (enum id_type)example->subject_type, example->subject);
    BUFFER_ADD(out, "\",\"wallet\":\"");
    add_id(out, ID_WALLET, example->wallet);
    BUFFER_ADD(out, "\",\"amount\":");
    buffer_add_i64(out, example->amount);
    BUFFER_ADD(out, ",\"currency\":");
    json_write_text(out, currency_code(&example->currency));
    BUFFER_ADD(out, ",\"created_at\":\"");
    add_time(out, example->time_ms);
    BUFFER_ADD(out, "\",\"sentence\":");
    json_write_text(out, buffer_slice(&example->sentence));
    BUFFER_ADD(out, "}");
}

static void add_json(struct buffer *out, const struct backtest *tried) {
    buffer_add_format(out,
                      "{\"payments\":%" PRIu64 ",\"flagged\":%" PRIu64 ",\"held\":%" PRIu64
                      ",\"refused\":%" PRIu64 ",\"rules\":[",
                      tried->payment_count, tried->outcomes[RULE_FLAG],
                      tried->outcomes[RULE_HOLD], tried->outcomes[RULE_REFUSE]);
    for (uint32_t i = 0; i < tried->set->count; i++) {
        const struct rule *rule = &tried->set->rules[i];
        buffer_add_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_write_text(out, rule_name(rule));
        buffer_add_format(out,
                          ",\"action\":\"%s\",\"shadow\":%s,\"hits\":%" PRIu64
                          ",\"decided\":%" PRIu64 ",\"examples\":[",
                          rule_action_name((enum rule_action)rule->action),
                          rule->shadow != 0 ? "true" : "false", tried->rules[i].hits,
                          tried->rules[i].decided);
        for (uint32_t k = 0; k < tried->rules[i].example_count; k++) {
            buffer_add_text(out, k == 0 ? "" : ",");
            add_example_json(out, &tried->rules[i].examples[k]);
        }
        BUFFER_ADD(out, "]}");
    }
    BUFFER_ADD(out, "]}\n");
}

// ---- all of it ----------------------------------------------------------------------------------

static enum status try_folder(const char *folder, struct backtest *tried, char *ret_why) {
    struct disk *disk;
    enum status status = disk_posix_open(folder, &disk);
    if (status != STATUS_ok) {
        (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES, "%s",
                       status == STATUS_not_found ? "there is no such folder"
                                                  : status_sentence(status));
        return status;
    }
    status = backtest_read(tried, disk, ret_why);
    disk->driver->done(disk);
    return status;
}

static int try_rules(const struct wish *wish, const struct rule_set *set) {
    char why[JOURNAL_READER_WHY_BYTES] = "";
    int lock = wish->folder == NULL ? READING_LOCK_NONE : reading_lock(wish->folder);
    if (lock == READING_LOCK_TAKEN) {
        fprintf(stderr, "florin rules test: a server runs on %s; stop it, or try a copy.\n",
                wish->folder);
        return 2;
    }
    struct backtest *tried = memory_take_zeroed(sizeof(*tried));
    struct buffer out = {0};
    backtest_init(tried, set, wish->from_ms, wish->to_ms);
    enum status status = wish->folder == NULL ? backtest_read_postgres(tried, wish->postgres, why)
                                              : try_folder(wish->folder, tried, why);
    if (status != STATUS_ok) {
        // The URL may hold a password.
        fprintf(stderr, "florin rules test: %s: %s\n",
                wish->folder == NULL ? "--postgres" : wish->folder,
                why[0] != '\0' ? why : status_sentence(status));
    } else {
        if (wish->json)
            add_json(&out, tried);
        else
            add_text(&out, tried);
        (void)fwrite(out.bytes, 1, out.size, stdout);
    }
    buffer_done(&out);
    backtest_done(tried);
    memory_free(tried);
    if (lock >= 0)
        close(lock);
    return status == STATUS_ok ? 0 : status == STATUS_damaged ? 1 : 2;
}

int rules_run(int argc, char **argv) {
    struct wish wish = {0};
    struct rule_file_patterns patterns = {0}; // not tried: they look behind the feed
    char why[512] = "";
    if (!read_wish(argc, argv, &wish))
        return 2;
    struct rule_set *set = memory_take_zeroed(sizeof(*set));
    int result = 0;
    enum status status = rule_file_load(wish.file, set, &patterns, why, sizeof(why));
    if (status != STATUS_ok) {
        fprintf(stderr, "florin rules test: %s: %s\n", wish.file, why);
        result = status == STATUS_not_found ? 2 : 1;
    } else {
        result = try_rules(&wish, set);
    }
    memory_free(set);
    return result;
}

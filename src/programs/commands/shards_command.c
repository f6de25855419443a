// SPDX-License-Identifier: MIT
// `florin shards --config FILE`: how slots, load and size are spread over the servers of the
// setting `shards`. `florin shards prepare --config FILE` makes shards of them, as a start does.
// `florin shards move SLOT[-SLOT] --to SHARD --config FILE` moves slots while payments go on, and
// `florin shards balance [--dry-run] --config FILE` as many as it takes to spread them evenly.
// `florin shards reconcile --config FILE` compares what they did together, before one that was
// restored serves. `florin shards forget NAME ... --config FILE` takes shards that were in the list
// by mistake out of what the others know.
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "programs/commands.h"
#include "programs/config/config.h"
#include "programs/serve/serve_options.h"
#include "programs/commands/shards_moves.h"
#include "watch/reconcile.h"

#define WHY_BYTES 512

static void say(void *context, const char *sentence) {
    FILE *to = context;
    fprintf(to, "%s\n", sentence);
}

static int show(const struct shard_place *places, uint32_t count) {
    char line[SHARD_SHOWN_BYTES];
    int result = 0;
    printf("%-16s%6s  %10s  %12s  %10s  %10s  %s\n", "shard", "slots", "wallets", "records",
           "last 60 s", "size", "which slots");
    for (uint32_t i = 0; i < count; i++) {
        if (shard_show(&places[i], line) == STATUS_ok) {
            printf("%s\n", line);
            continue;
        }
        fprintf(stderr, "florin shards: %s: %s\n", places[i].name, line);
        result = 1;
    }
    if (result == 0)
        shards_print_spread(places, count);
    for (uint32_t i = 0; i < count; i++)
        shard_judge_servers(&places[i], say, stderr);
    return result;
}

static int compare(const struct shard_place *places, uint32_t count) {
    struct reconcile_place each[SHARDS_MAX];
    struct reconcile_report report;
    for (uint32_t i = 0; i < count; i++)
        each[i] = (struct reconcile_place){.name = places[i].name, .url = places[i].url};
    if (reconcile(each, count, say, stdout, &report) != STATUS_ok) {
        fprintf(stderr, "florin shards: %s\n", report.why);
        return 2;
    }
    printf("%llu payments between shards and %llu bank transactions: ",
           (unsigned long long)report.payments, (unsigned long long)report.bank_ids);
    if (report.halves == 0)
        printf("each is whole.\n");
    else
        printf("%llu halves. No node should serve these shards before they are mended.\n",
               (unsigned long long)report.halves);
    if (report.in_doubt != 0)
        printf("%llu legs are in doubt; any node finishes them.\n",
               (unsigned long long)report.in_doubt);
    return report.halves == 0 ? 0 : 1;
}

static int prepare(const struct shard_place *places, uint32_t count) {
    char why[WHY_BYTES] = "";
    if (shards_prepare(places, count, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin shards: %s\n", why);
        return 1;
    }
    return show(places, count);
}

// What stands behind `florin shards`.
struct asked {
    const char *path, *target;
    struct slot_range range;
    const char *names[SHARDS_MAX]; // to be forgotten
    uint32_t name_count;
    bool prepares, moves, balances, compares, forgets, is_plan_only;
};

static int forget(const struct asked *asked, const struct shard_place *places, uint32_t count) {
    char why[WHY_BYTES] = "";
    if (shards_forget(places, count, asked->names, asked->name_count, say, stdout, why,
                      sizeof(why)) != STATUS_ok) {
        (void)fflush(stdout);
        fprintf(stderr, "florin shards: %s.\n", why);
        return 1;
    }
    return 0;
}

static bool has_word(int argc, char **argv, const char *word) {
    return argc > 1 && strcmp(argv[1], word) == 0;
}

// A word without a value, wherever it stands; it is taken out.
static bool take_flag(int *argc, char **argv, const char *flag) {
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], flag) != 0)
            continue;
        memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i - 1) * sizeof(*argv));
        (*argc)--;
        return true;
    }
    return false;
}

// The words behind `forget` up to the first option; false: there is none, or too many.
static bool take_names(int argc, char **argv, struct asked *asked) {
    for (int i = 2; i < argc && argv[i][0] != '-' && asked->name_count < SHARDS_MAX; i++)
        asked->names[asked->name_count++] = argv[i];
    if (asked->name_count == 0)
        fprintf(stderr, "florin shards: say which shards: forget NAME --config FILE.\n");
    return asked->name_count != 0;
}

static bool read_words(int argc, char **argv, struct asked *asked) {
    asked->prepares = has_word(argc, argv, "prepare");
    asked->moves = has_word(argc, argv, "move");
    asked->balances = has_word(argc, argv, "balance");
    asked->compares = has_word(argc, argv, "reconcile");
    asked->forgets = has_word(argc, argv, "forget");
    asked->is_plan_only = asked->balances && take_flag(&argc, argv, "--dry-run");
    if (asked->moves && (argc < 3 || !slot_range_read(argv[2], &asked->range))) {
        fprintf(stderr, "florin shards: say which slots, 1 to 1023: move 5 --to NAME, or 5-9.\n");
        return false;
    }
    if (asked->forgets && !take_names(argc, argv, asked))
        return false;
    const struct serve_option plain[] = {{"--config", &asked->path}, {0}};
    const struct serve_option moving[] = {
        {"--config", &asked->path}, {"--to", &asked->target}, {0}};
    int skipped = asked->moves     ? 2
                  : asked->forgets ? 1 + (int)asked->name_count
                                   : asked->prepares || asked->balances || asked->compares;
    argv[skipped] = argv[0]; // by which what is wrong is told
    if (!serve_options_read(argc - skipped, argv + skipped, asked->moves ? moving : plain, NULL))
        return false;
    if (asked->moves && asked->target == NULL)
        fprintf(stderr, "florin shards: say --to NAME, the shard that gets them.\n");
    else if (asked->path == NULL)
        fprintf(stderr, "florin shards: say --config FILE, the one that florin serve reads.\n");
    return asked->path != NULL && (!asked->moves || asked->target != NULL);
}

static int act(const struct asked *asked, const struct shard_place *places, uint32_t count) {
    if (asked->moves)
        return shards_move_slots(places, count, &asked->range, asked->target);
    if (asked->balances)
        return shards_balance(places, count, asked->is_plan_only);
    if (asked->compares)
        return compare(places, count);
    if (asked->forgets)
        return forget(asked, places, count);
    return asked->prepares ? prepare(places, count) : show(places, count);
}

int shards_run(int argc, char **argv) {
    struct asked asked = {0};
    if (!read_words(argc, argv, &asked))
        return 2;
    char why[WHY_BYTES];
    struct config *config = memory_take_zeroed(sizeof(*config));
    struct shard_place places[SHARDS_MAX];
    int result = 2;
    config_set_defaults(config);
    if (config_load(asked.path, config, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin shards: %s: %s\n", asked.path, why);
    } else if (config->shards.count < 2) {
        fprintf(stderr, "florin shards: %s has no setting shards with two or more.\n", asked.path);
    } else {
        config_shard_places(&config->shards, places);
        result = act(&asked, places, config->shards.count);
    }
    memory_free(config);
    return result;
}

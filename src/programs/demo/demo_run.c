// SPDX-License-Identifier: MIT
// `florin demo`: plays the day, shows what happened, and compares the books.
#include "programs/demo/demo_run.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "programs/client/client_amount.h"
#include "programs/client/client_arguments.h"
#include "programs/client/client_text.h"
#include "programs/demo/demo_check.h"
#include "programs/demo/demo_day.h"

#define DEMO_CUSTOMERS_DEFAULT 300
#define DEMO_CUSTOMERS_MIN 10
#define DEMO_CUSTOMERS_MAX 5000
#define DEMO_EMPLOYERS 3

struct options {
    struct client_options client;
    uint64_t seed;
    uint64_t customers;
    bool help;
};

struct hour {
    const char *time;
    const char *what;
    void (*play)(struct demo *demo);
};

static const struct hour hours[] = {
    {"06:00", "wallets are opened", demo_day_open},
    {"07:00", "salaries are paid, in batches", demo_day_pay_salaries},
    {"08:00", "customers top up", demo_day_top_up},
    {"09:00", "customers shop", demo_day_shop},
    {"15:00", "purchases are sent back", demo_day_give_back},
    {"17:00", "friends give gifts", demo_day_give_gifts},
    {"18:00", "mistakes are made", demo_day_make_mistakes},
    {"20:00", "money is paid out", demo_day_pay_out},
};

static void print_help(FILE *file) {
    fputs("florin demo [options]\n"
          "  Plays a shop's day against a running server: salaries, top-ups, baskets, holds and\n"
          "  captures, refunds, gifts, withdrawals and mistakes, then compares every wallet with\n"
          "  what its own arithmetic says. The wallets stay; each run opens new ones.\n\n"
          "  --customers N                    10 to 5000 (300)\n"
          "  --seed N                         another day (1); the same number, the same day\n"
          "  --url URL                        where the server is (FLORIN_URL)\n"
          "  --key KEY                        the API key (FLORIN_KEY)\n"
          "  --data DIR                       else DIR/admin.key (./florin-data/admin.key)\n",
          file);
}

static bool number_parse(const char *text, uint64_t *ret_number) {
    uint64_t number = 0;
    size_t size = text == NULL ? 0 : strlen(text);
    if (size == 0 || size > 18)
        return false;
    for (size_t at = 0; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[at] - '0');
    }
    *ret_number = number;
    return true;
}

static bool options_parse(struct options *options, int argc, char **argv) {
    *options = (struct options){.seed = 1, .customers = DEMO_CUSTOMERS_DEFAULT};
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        const char *value = NULL;
        bool ok = true;
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            return options->help = true;
        if (client_option_take_common(argc, argv, &at, &options->client, &ok)) {
            if (!ok)
                return false; // it has complained itself
            continue;
        }
        if (client_option_take(argc, argv, &at, "seed", &value))
            ok = number_parse(value, &options->seed);
        else if (client_option_take(argc, argv, &at, "customers", &value))
            ok = number_parse(value, &options->customers) &&
                 options->customers >= DEMO_CUSTOMERS_MIN &&
                 options->customers <= DEMO_CUSTOMERS_MAX;
        else
            ok = false;
        if (!ok) {
            fprintf(stderr, "florin: this is not understood: %s\n", word);
            return false;
        }
    }
    return true;
}

static void add_cell_count(struct client_grid *grid, uint64_t count) {
    if (count > 0)
        client_text_add_count(&grid->text, count);
    client_grid_end_cell(grid);
}

static void print_verbs(const struct demo *demo, struct buffer *out) {
    static const char *const names[DEMO_VERB_COUNT] = {[DEMO_OPENING] = "wallets opened",
                                                       [DEMO_DEPOSIT] = "deposits",
                                                       [DEMO_TRANSFER] = "transfers",
                                                       [DEMO_PURCHASE] = "purchases",
                                                       [DEMO_HOLD] = "holds",
                                                       [DEMO_CAPTURE] = "captures",
                                                       [DEMO_VOID] = "holds voided",
                                                       [DEMO_REFUND] = "refunds",
                                                       [DEMO_WITHDRAWAL] = "withdrawals",
                                                       [DEMO_SETTLE] = "withdrawals settled",
                                                       [DEMO_FAIL] = "withdrawals failed",
                                                       [DEMO_CHANGE] = "wallets changed"};
    struct client_grid grid = {0};
    client_grid_add_column(&grid, "", false);
    client_grid_add_column(&grid, "done", true);
    client_grid_add_column(&grid, "refused", true);
    client_grid_add_column(&grid, "money", true);
    for (size_t verb = 0; verb < DEMO_READING; verb++) {
        const struct demo_tally *tally = &demo->tallies[verb];
        client_text_add(&grid.text, slice_of_text(names[verb]));
        client_grid_end_cell(&grid);
        add_cell_count(&grid, tally->done);
        add_cell_count(&grid, tally->refused);
        if (tally->amount > 0)
            client_amount_add(&grid.text, tally->amount, SLICE(DEMO_CURRENCY));
        client_grid_end_cell(&grid);
    }
    client_grid_add_to(&grid, true, out);
    client_grid_done(&grid);
}

static void print_refusals(const struct demo *demo, struct buffer *out) {
    struct client_grid grid = {0};
    client_grid_add_column(&grid, "refused, as it must be", false);
    client_grid_add_column(&grid, "", true);
    for (uint32_t at = 0; at < demo->code_count; at++) {
        client_text_add(&grid.text, slice_of_text(demo->codes[at].name));
        client_grid_end_cell(&grid);
        add_cell_count(&grid, demo->codes[at].count);
    }
    if (grid.cell_count > 0)
        client_grid_add_to(&grid, true, out);
    client_grid_done(&grid);
}

static void print_summary(const struct demo *demo, uint32_t wallets, bool is_consistent,
                          uint64_t took_ms) {
    struct buffer out = {0};
    BUFFER_ADD(&out, "\n");
    print_verbs(demo, &out);
    BUFFER_ADD(&out, "\n");
    print_refusals(demo, &out);
    buffer_add_format(&out, "\nRetries answered with the first answer: %llu.\n",
                      (unsigned long long)demo->replay_count);
    buffer_add_format(&out, "The server's own check: the books are %s.\n",
                      is_consistent ? "consistent" : "NOT consistent");
    if (demo->difference_count == 0)
        buffer_add_format(
            &out, "All %u wallets have exactly what the demo's own arithmetic says.\n", wallets);
    else
        buffer_add_format(&out, "%llu things are NOT as the demo expected.\n",
                          (unsigned long long)demo->difference_count);
    buffer_add_format(&out, "Took %llu.%llu s.\n", (unsigned long long)(took_ms / 1000),
                      (unsigned long long)(took_ms / 100 % 10));
    (void)fwrite(out.bytes, 1, out.size, stdout); // a closed pipe is the reader's wish
    buffer_done(&out);
}

static enum client_exit play(struct demo *demo) {
    uint64_t begun_ns = clock_monotonic_ns();
    client_progress_begin(&demo->progress, "playing", 0);
    for (size_t at = 0; at < sizeof(hours) / sizeof(hours[0]) && !demo->is_over; at++) {
        printf("%s  %s\n", hours[at].time, hours[at].what);
        (void)fflush(stdout); // so that the hours are seen as they pass
        hours[at].play(demo);
    }
    if (!demo->is_over)
        printf("23:59  the books are checked\n");
    demo_check_expiry(demo);
    uint32_t wallets = demo_check_wallets(demo);
    bool is_consistent = demo_check_books(demo);
    if (demo->is_over)
        return demo->over_exit;
    print_summary(demo, wallets, is_consistent, (clock_monotonic_ns() - begun_ns) / 1000000);
    return demo->difference_count == 0 && is_consistent ? CLIENT_EXIT_OK : CLIENT_EXIT_REFUSED;
}

static void demo_set_up(struct demo *demo, const struct options *options) {
    uint32_t run;
    random_fill(&run, sizeof(run));
    (void)snprintf(demo->run, sizeof(demo->run), "demo-%08x", run);
    demo->parser = json_open();
    demo->random.state = options->seed;
    demo->world.employer_count = DEMO_EMPLOYERS;
    demo->world.customer_count = (uint32_t)options->customers;
    demo->world.merchant_count = 3 + (uint32_t)options->customers / 25;
}

static void demo_done(struct demo *demo) {
    if (demo->parser != NULL)
        json_close(demo->parser);
    client_connection_close(demo->connection);
    demo_world_done(&demo->world);
    buffer_done(&demo->body);
    buffer_done(&demo->path);
    buffer_done(&demo->answer);
    memory_free(demo);
}

int demo_run(int argc, char **argv) {
    struct options options;
    struct demo *demo = memory_take_zeroed(sizeof(*demo));
    enum client_exit result = CLIENT_EXIT_USAGE;
    if (!options_parse(&options, argc, argv)) {
        fprintf(stderr, "Try: florin demo --help\n");
    } else if (options.help) {
        print_help(stdout);
        result = CLIENT_EXIT_OK;
    } else if (client_connection_open(&options.client, &demo->connection)) {
        demo_set_up(demo, &options);
        result = play(demo);
    }
    demo_done(demo);
    return result;
}

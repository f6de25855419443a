// SPDX-License-Identifier: MIT
// `florin queue status|reset|skip`: what a person decides when workers stop (docs/kafka.md). It
// opens the books itself, as `florin keys create` does: those of a database while its servers run,
// those of a folder while none does. Each decision is told in a sentence before it happens, and is
// in the audit.
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/embedded/embedded.h"
#include "engine/postgres/postgres.h"
#include "programs/commands.h"
#include "programs/config/config.h"
#include "programs/serve/serve_options.h"
#include "programs/serve/serve_shards.h"
#include "queue/console.h"

#define WHY_BYTES 512

struct wish {
    const char *folder, *postgres, *config_path, *brokers;
    const char *partition, *to, *record, *reason, *topic, *verb;
    bool yes;
    struct console_topic queue; // that of --topic, or the common one
    struct config config;
    struct kafka_access access;
    struct wire_currencies currencies;
    struct engine *engine;
    struct decision *decision;
    char who[64];
};

static int complain(const char *sentence) {
    fprintf(stderr, "florin queue: %s\n", sentence);
    return 2;
}

// ---- words ------------------------------------------------------------------------------------

// Takes --yes, which has no value, out of the words. Returns how many are left.
static int take_yes(int argc, char **argv, bool *ret_yes) {
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--yes") == 0)
            *ret_yes = true;
        else
            argv[kept++] = argv[i];
    }
    return kept;
}

static bool read_wish(int argc, char **argv, struct wish *wish) {
    const struct serve_option options[] = {{"--data", &wish->folder},
                                           {"--postgres", &wish->postgres},
                                           {"--config", &wish->config_path},
                                           {"--kafka", &wish->brokers},
                                           {"--partition", &wish->partition},
                                           {"--to", &wish->to},
                                           {"--record", &wish->record},
                                           {"--reason", &wish->reason},
                                           {"--topic", &wish->topic},
                                           {0}};
    char why[WHY_BYTES] = "";
    argc = take_yes(argc, argv, &wish->yes);
    if (!serve_options_read(argc, argv, options, &wish->verb))
        return false;
    config_set_defaults(&wish->config);
    if (wish->config_path != NULL &&
        config_load(wish->config_path, &wish->config, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin queue: %s: %s\n", wish->config_path, why);
        return false;
    }
    if (wish->brokers != NULL && !config_kafka_set_brokers(&wish->config.kafka, wish->brokers)) {
        (void)complain("--kafka needs \"host:port,host:port\".");
        return false;
    }
    if (wish->config.kafka.brokers[0] == '\0' ||
        (wish->folder == NULL && wish->postgres == NULL && !serve_has_shards(&wish->config))) {
        (void)complain("say --data DIR or --postgres URL, and --config FILE with the server's "
                       "settings of Kafka; of books on shards the file says where they are.");
        return false;
    }
    int number = wish->topic == NULL ? 0
                                     : config_kafka_topic_find(&wish->config.kafka,
                                                               slice_of_text(wish->topic));
    if (number < 0) {
        (void)complain("--topic is no topic of commands in the configuration.");
        return false;
    }
    wish->queue = config_kafka_topic_at(&wish->config.kafka, (uint32_t)number);
    if (!config_kafka_access(&wish->config.kafka, &wish->access, why, sizeof(why))) {
        (void)complain(why);
        return false;
    }
    return true;
}

// ---- books ------------------------------------------------------------------------------------

static bool open_books(struct wish *wish) {
    char why[WHY_BYTES] = "";
    enum status status;
    const struct postgres_options in_postgres = {
        .url = wish->postgres,
        .without_texts = true,
        .currencies = wish->config.currencies,
        .currency_count = wish->config.currency_count,
        .idempotency_days = (uint32_t)wish->config.idempotency_days};
    if (wish->postgres != NULL) {
        status = postgres_open(&in_postgres, why, sizeof(why), &wish->engine);
    } else if (wish->folder == NULL) {
        status = serve_shards_open(&wish->config, &in_postgres, why, sizeof(why), &wish->engine);
    } else {
        const struct embedded_options options = {
            .folder = wish->folder,
            .without_texts = true,
            .currencies = wish->config.currencies,
            .currency_count = wish->config.currency_count,
            .idempotency_days = (uint32_t)wish->config.idempotency_days,
            .free_bytes_min = wish->config.storage_free_bytes_min};
        if (access(wish->folder, F_OK) != 0) {
            (void)complain("there is no such folder.");
            return false;
        }
        status = embedded_open(&options, why, sizeof(why), &wish->engine);
        if (status == STATUS_busy) {
            (void)complain("a server runs on these books. Ask it (GET /v1/queue, and docs/kafka.md "
                           "for what it decides), or stop it.");
            return false;
        }
    }
    if (status == STATUS_ok)
        return true;
    fprintf(stderr, "florin queue: cannot open the books: %s\n",
            why[0] != '\0' ? why : status_sentence(status));
    return false;
}

static bool open_decision(struct wish *wish) {
    char why[WHY_BYTES] = "";
    const struct passwd *user = getpwuid(getuid());
    (void)snprintf(wish->who, sizeof(wish->who), "console:%s",
                   user == NULL ? "somebody" : user->pw_name);
    wish->currencies = (struct wire_currencies){.customs = wish->config.currencies,
                                                .custom_count = wish->config.currency_count};
    const struct decision_options options = {
        .engine = wish->engine,
        .access = &wish->access,
        .commands = wish->queue.name,
        .dead_letters = wish->config.kafka.dead_letter_topic,
        .partitions = wish->queue.partitions,
        .places = wish->queue.places,
        .principal = wish->queue.principal,
        .currencies = &wish->currencies,
        .who = {.principal = slice_of_text(wish->who),
                .request_id = slice_of_text(wish->reason == NULL ? "" : wish->reason),
                .role = ROLE_SYSTEM},
    };
    if (decision_open(&options, why, sizeof(why), &wish->decision) == STATUS_ok)
        return true;
    fprintf(stderr, "florin queue: %s\n", why);
    return false;
}

// ---- status -----------------------------------------------------------------------------------

static int show_status(struct wish *wish) {
    uint64_t behind = 0;
    printf("partition  books stand at        log has               state\n");
    for (uint32_t i = 0; i < wish->queue.partitions; i++) {
        struct decision_place place;
        char books[48], log[48] = "?";
        enum status status = decision_look(wish->decision, i, &place);
        if (status != STATUS_ok) {
            (void)complain(status_sentence(status));
            return 1;
        }
        (void)snprintf(books, sizeof(books), "%" PRIu64 " to %" PRIu64, place.first, place.last);
        if (place.has_log) {
            (void)snprintf(log, sizeof(log), "%" PRId64 " to %" PRId64, place.low, place.high);
            behind += place.high > (int64_t)place.last ? (uint64_t)place.high - place.last : 0;
        }
        printf("%9u  %-20s  %-20s  %s\n", i, books, log, console_state(&place));
    }
    printf("%" PRIu64 " commands wait\n", behind);
    return 0;
}

// ---- decisions --------------------------------------------------------------------------------

// The sentence has been printed.
static bool is_agreed(const struct wish *wish) {
    char line[16] = "";
    if (wish->yes)
        return true;
    printf("Type yes to go on: ");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "yes\n") == 0)
        return true;
    printf("Nothing was changed.\n");
    return false;
}

static bool has_reason(const struct wish *wish) {
    size_t size = wish->reason == NULL ? 0 : strlen(wish->reason);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)wish->reason[i] < 0x20 || (unsigned char)wish->reason[i] > 0x7e)
            size = 0;
    return size >= 1 && size <= DECISION_REASON_BYTES_MAX;
}

static bool place_wanted(const struct wish *wish, const struct decision_place *place,
                         uint64_t *ret_next) {
    if (strcmp(wish->to, "beginning") == 0)
        *ret_next = (uint64_t)place->low;
    else if (strcmp(wish->to, "end") == 0)
        *ret_next = (uint64_t)place->high;
    else if (!serve_number_read(wish->to, INT64_MAX, ret_next))
        return false;
    return (int64_t)*ret_next >= place->low && (int64_t)*ret_next <= place->high;
}

static int reset_one(struct wish *wish, uint32_t partition) {
    struct decision_place place;
    uint64_t next;
    enum status status = decision_look(wish->decision, partition, &place);
    if (status != STATUS_ok || !place.has_log) {
        (void)complain(status != STATUS_ok ? status_sentence(status)
                                           : "no broker tells what its log has: it is away, or the "
                                             "topic was made a moment ago. Ask again.");
        return 1;
    }
    if (!place_wanted(wish, &place, &next)) {
        fprintf(stderr,
                "florin queue: --to is beginning, end, or an offset from %" PRId64 " to %" PRId64
                " of partition %u.\n",
                place.low, place.high, partition);
        return 2;
    }
    printf("Partition %u, where the books stand at %" PRIu64 " to %" PRIu64
           ", goes on at %" PRIu64 " of the log, which has %" PRId64 " to %" PRId64
           ". What lies before %" PRIu64 " is not carried out any more; what lies behind it is, "
           "once more if its idempotency key is forgotten.\n",
           partition, place.first, place.last, next, place.low, place.high, next);
    if (!is_agreed(wish))
        return 1;
    status = decision_reset(wish->decision, partition, next);
    if (status != STATUS_ok)
        (void)complain(status_sentence(status));
    else
        printf("Partition %u goes on at %" PRIu64 ".\n", partition, next);
    return status == STATUS_ok ? 0 : 1;
}

static int reset(struct wish *wish) {
    uint64_t partition = 0, count = wish->queue.partitions;
    bool all = wish->partition != NULL && strcmp(wish->partition, "all") == 0;
    if (wish->to == NULL || !has_reason(wish) ||
        (!all && !serve_number_read(wish->partition, count - 1, &partition)))
        return complain("reset needs --partition NUMBER (or all), --to beginning, end or an "
                        "offset, and --reason TEXT of up to 64 plain characters.");
    int result = 0;
    for (uint64_t i = all ? 0 : partition; i < (all ? count : partition + 1) && result == 0; i++)
        result = reset_one(wish, (uint32_t)i);
    return result;
}

static int skip(struct wish *wish) {
    char why[WHY_BYTES] = "";
    uint64_t partition, record;
    if (!serve_number_read(wish->partition, wish->queue.partitions - 1, &partition) ||
        !serve_number_read(wish->record, INT64_MAX, &record) || !has_reason(wish))
        return complain("skip needs --partition NUMBER, --record OFFSET, and --reason TEXT of up "
                        "to 64 plain characters.");
    printf("Record %" PRIu64 " of partition %" PRIu64
           " becomes a dead letter, is never carried out, and its operation ends as refused.\n",
           record, partition);
    if (!is_agreed(wish))
        return 1;
    bool is_replayed; // nothing is, without a key
    enum status status = decision_skip(wish->decision, (uint32_t)partition, (int64_t)record,
                                       &is_replayed, why, sizeof(why));
    if (status != STATUS_ok)
        fprintf(stderr, "florin queue: record %" PRIu64 " stays: %s.\n", record,
                why[0] != '\0' ? why : status_sentence(status));
    else
        printf("Record %" PRIu64 " is sent off.\n", record);
    return status == STATUS_ok ? 0 : 1;
}

int queue_run(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(struct wish *wish);
    } verbs[] = {{"status", show_status}, {"reset", reset}, {"skip", skip}};
    static struct wish wish; // large
    int result = 2;
    if (!read_wish(argc, argv, &wish))
        return result;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (wish.verb == NULL || strcmp(verbs[i].name, wish.verb) != 0)
            continue;
        result = 1;
        if (open_books(&wish) && open_decision(&wish))
            result = verbs[i].run(&wish);
        decision_close(wish.decision);
        if (wish.engine != NULL)
            wish.engine->port->close(wish.engine);
        return result;
    }
    return complain("say status, reset or skip.");
}

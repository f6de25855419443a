// SPDX-License-Identifier: MIT
// `florin`: the first word says which sub-command, and the tables in commands.h know them all.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "programs/commands.h"
#include "programs/config/config.h"
#include "programs/version.h"

#define HEAD_COLUMNS 42

static int help_run(int argc, char **argv);

static int version_run(int argc, char **argv) {
    (void)argc;
    (void)argv;
    printf("florin %s\n", version_text());
    return 0;
}

static const struct subcommand server_subcommands[] = {
    {"serve", "[--data DIR] [--listen HOST:PORT] [--config FILE] [--postgres URL] "
     "[--kafka BROKERS]",
     "Serves the API until SIGTERM or SIGINT", serve_run},
    {"work", "[--data DIR] [--config FILE] [--postgres URL] [--kafka BROKERS] [--listen HOST:PORT]",
     "Carries queued commands out, without the API; --listen is for health and metrics alone",
     work_run},
    {"queue", "status|reset|skip --data DIR | --postgres URL, --config FILE",
     "Shows how far the queue is carried out, and decides when workers stop", queue_run},
    {"dead-letter", "list | show PLACE | retry PLACE, --kafka BROKERS | --config FILE",
     "Shows queued commands that could never succeed, and sends one again", dead_letter_run},
    {"verify", "DIR | --postgres URL", "Checks the books of a stopped server, or in a database",
     verify_run},
    {"state-hash", "DIR | --postgres URL [--ignore names]", "Prints one hash of all that books are",
     state_hash_run},
    {"rules", "test FILE [--data DIR | --postgres URL] [--from TIME] [--to TIME] [--json]",
     "Tries a file of rules on the payments of a stopped server, or in a database",
     rules_run},
    {"migrate", "--postgres URL [--serving ROLE] [--verifying ROLE]",
     "Brings a database's schema up to date", migrate_run},
    {"migrate-engine", "--from-data DIR --to-postgres URL | --from-postgres URL --to-data DIR",
     "Moves the books of a stopped server into a database, or back into a folder",
     migrate_engine_run},
    {"partitions", "--postgres URL [detach --before MONTH [--dry-run]]",
     "Shows a database's partitions, or lets old ones go", partitions_run},
    {"shards", "[prepare|balance|reconcile|move SLOTS --to SHARD|forget SHARD...] --config FILE",
     "Shows, makes and compares the servers of books on several, and moves slots", shards_run},
    {"help", "[COMMAND]", "Says what there is", help_run},
    {"version", "", "Says which Florin this is", version_run},
    {0},
};

static const struct subcommand *find_in(const struct subcommand *rows, const char *name) {
    for (; rows->name != NULL; rows++)
        if (strcmp(rows->name, name) == 0)
            return rows;
    return NULL;
}

static const struct subcommand *find(const char *name) {
    const struct subcommand *row = find_in(server_subcommands, name);
    return row != NULL ? row : find_in(client_subcommands(), name);
}

// What is too long to have its sentence beside it has it below.
static void print_row(FILE *file, const struct subcommand *row) {
    char head[160];
    int size = snprintf(head, sizeof(head), "%s %s", row->name, row->arguments);
    if (size > HEAD_COLUMNS)
        fprintf(file, "  %s\n  %-*s %s\n", head, HEAD_COLUMNS, "", row->help);
    else
        fprintf(file, "  %-*s %s\n", HEAD_COLUMNS, head, row->help);
}

static void print_help(FILE *file) {
    fprintf(file, "Florin %s: digital wallets on double-entry books.\n\nServer:\n", version_text());
    for (const struct subcommand *row = server_subcommands; row->name != NULL; row++)
        print_row(file, row);
    print_row(file, &(struct subcommand){.name = "keys create",
                                         .arguments = "--data DIR | --postgres URL | --config FILE "
                                                      "[--role ROLE] [--name NAME]",
                                         .help = "Makes a key in the books themselves"});
    fprintf(file, "\nClient (a server that runs):\n");
    for (const struct subcommand *row = client_subcommands(); row->name != NULL; row++)
        print_row(file, row);
}

static void print_settings(void) {
    struct buffer text = {0};
    config_describe(&text);
    printf("\nSettings, in the JSON object of the configuration file:\n%.*s", (int)text.size,
           (const char *)text.bytes);
    buffer_done(&text);
}

static int help_run(int argc, char **argv) {
    const struct subcommand *row = argc > 1 ? find(argv[1]) : NULL;
    if (argc > 1 && row == NULL) {
        fprintf(stderr, "florin: there is no command \"%s\".\n", argv[1]);
        return 2;
    }
    if (row != NULL && find_in(server_subcommands, argv[1]) == NULL) {
        // Of the client's each says itself what it takes.
        char help[] = "--help";
        char *words[] = {argv[1], help, NULL};
        return row->run(2, words);
    }
    if (row == NULL)
        print_help(stdout);
    else
        printf("florin %s %s\n  %s\n", row->name, row->arguments, row->help);
    if (row != NULL && row->run == serve_run)
        print_settings();
    return 0;
}

// `keys create` with a data folder, a database or a configuration opens the books itself; all other
// words of `keys` go to a running server.
static bool is_offline_key(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[0], "keys") != 0 || strcmp(argv[1], "create") != 0)
        return false;
    static const char *const places[] = {"--data", "--postgres", "--config"};
    for (int i = 2; i < argc; i++)
        for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
            size_t size = strlen(places[k]);
            if (strncmp(argv[i], places[k], size) == 0 &&
                (argv[i][size] == '\0' || argv[i][size] == '='))
                return true;
        }
    return false;
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (is_offline_key(argc - 1, argv + 1) && !asks_for_help(argc - 1, argv + 1))
        return keys_create_run(argc - 1, argv + 1);
    const struct subcommand *row = find(name);
    if (row == NULL) {
        fprintf(stderr, "florin: there is no command \"%s\"; see florin help.\n", name);
        return 2;
    }
    if (find_in(server_subcommands, name) != NULL && asks_for_help(argc - 1, argv + 1))
        return help_run(2, (char *[]){argv[0], argv[1], NULL});
    return row->run(argc - 1, argv + 1);
}

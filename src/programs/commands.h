// SPDX-License-Identifier: MIT
// The sub-commands of `florin`. Each is a row: a name, what comes behind it, one line of help, and
// a function that gets the words from its own name on (argv[0] is the name) and returns the
// process's exit status. main.c joins the two tables below and finds rows by name, so a command is
// added by adding its row.
#pragma once

struct subcommand {
    const char *name;
    const char *arguments; // as the help shows them: "DIR", "[--json] WALLET"; "" for none
    const char *help;      // one line without a full stop
    int (*run)(int argc, char **argv);
};

// The client's rows (commands/client_command.c): wallet, deposit, ..., keys, check-integrity,
// import, demo. A row without a name ends them. Static storage.
const struct subcommand *client_subcommands(void);

// The server's own rows: serve/serve.c has two, commands/ a file for each other.
int serve_run(int argc, char **argv);
int work_run(int argc, char **argv);
int verify_run(int argc, char **argv);
int migrate_run(int argc, char **argv);
int migrate_engine_run(int argc, char **argv);
int queue_run(int argc, char **argv);
int dead_letter_run(int argc, char **argv);
int partitions_run(int argc, char **argv);
int shards_run(int argc, char **argv);
int rules_run(int argc, char **argv);
int state_hash_run(int argc, char **argv);
// `florin keys create --data DIR ...`, for a server that does not run. main.c sends `keys create`
// here when the words hold --data, and everything else of `keys` to the client's row.
int keys_create_run(int argc, char **argv);

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

// The client's rows (client_*.c, import_*.c, demo_*.c): wallet, deposit, ..., keys,
// check-integrity, import, demo. A row without a name ends them. Static storage.
const struct subcommand *client_subcommands(void);

// The server's own rows.
int serve_run(int argc, char **argv);   // serve.c
int verify_run(int argc, char **argv);  // verify_command.c
int migrate_run(int argc, char **argv); // migrate_command.c
int work_run(int argc, char **argv);        // serve.c
int queue_run(int argc, char **argv);       // queue_command.c
int migrate_engine_run(int argc, char **argv); // migrate_engine_command.c
int partitions_run(int argc, char **argv); // partitions_command.c
int dead_letter_run(int argc, char **argv); // dead_letter_command.c
int state_hash_run(int argc, char **argv); // state_hash_command.c
int shards_run(int argc, char **argv);     // shards_command.c
int rules_run(int argc, char **argv);      // rules_command.c
// keys_create.c: `florin keys create --data DIR ...`, for a server that does not run. main.c sends
// `keys create` here when the words hold --data, and everything else of `keys` to the client's row.
int keys_create_run(int argc, char **argv);

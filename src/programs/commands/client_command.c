// SPDX-License-Identifier: MIT
// Runs one sub-command: words to a request, the request to the server, the answer to people or
// programs.
#include <stdio.h>

#include "base/buffer.h"
#include "base/json.h"
#include "programs/client/client_arguments.h"
#include "programs/client/client_connection.h"
#include "programs/client/client_help.h"
#include "programs/client/client_json.h"
#include "programs/client/client_print.h"
#include "programs/client/client_table.h"
#include "programs/commands.h"
#include "programs/demo/demo_run.h"
#include "programs/import/import_run.h"

static bool is_success(int http) {
    return http >= 200 && http < 300;
}

// For programs: the bytes as they are, and a line's end so that answers can be read line by line.
static void print_json(struct slice body) {
    (void)fwrite(body.bytes, 1, body.size, stdout); // a closed pipe is the reader's wish
    if (body.size != 0)
        (void)fputc('\n', stdout);
}

static enum client_exit tell_lost(const struct client_connection *connection,
                                  const struct client_arguments *arguments) {
    client_connection_complain(connection);
    if (arguments->idempotency_key != NULL)
        fprintf(stderr,
                "Whether it took effect is not known. The same command with\n"
                "  --idempotency-key %s\n"
                "finds out, and never does it twice.\n",
                arguments->idempotency_key);
    return CLIENT_EXIT_NO_CONNECTION;
}

// Takes the cursor of the next page out of an answer. False: this was the last one.
static bool take_cursor(struct slice body, struct buffer *ret_cursor) {
    struct json_parser *parser = json_open();
    struct json_value document;
    const char *why;
    buffer_reset(ret_cursor);
    if (json_parse(parser, body, &document, &why))
        buffer_add_slice(ret_cursor, client_json_text(document, "next_cursor"));
    bool is_more = ret_cursor->size != 0;
    BUFFER_ADD(ret_cursor, "\0");
    json_close(parser);
    return is_more;
}

// A rule or the need of an approval has kept it back: no success, and no refusal either.
static void tell_kept(struct slice body) {
    struct json_parser *parser = json_open();
    struct json_value document;
    const char *why;
    if (json_parse(parser, body, &document, &why) && client_json_is_kept(document) &&
        slice_equal(client_json_text(document, "status"), SLICE("pending"))) {
        struct slice id = client_json_text(document, "id");
        const char *verb = id.bytes[1] == 'n' ? "anomalies" : "approval";
        fprintf(stderr,
                "Nothing has moved yet: somebody else has to decide. Why, and what becomes of it:\n"
                "  florin %s show %.*s\n",
                verb, (int)id.size, (const char *)id.bytes);
    }
    json_close(parser);
}

static enum client_exit show_answer(const struct client_arguments *arguments,
                                    const struct client_view *view,
                                    const struct client_answer *answer) {
    if (arguments->json)
        print_json(answer->body);
    if (!is_success(answer->http)) {
        if (!arguments->json)
            client_print_problem(answer->http, answer->body);
        return CLIENT_EXIT_REFUSED;
    }
    if (!arguments->json) {
        if (answer->replayed)
            fprintf(stderr, "This was done before under the same key; nothing was done now.\n");
        if (answer->http == 202)
            tell_kept(answer->body);
        return client_print_answer(view, answer->body);
    }
    if (view->verb->shape != CLIENT_SHOW_INTEGRITY)
        return CLIENT_EXIT_OK;
    struct json_parser *parser = json_open();
    struct json_value document;
    const char *why;
    bool consistent = json_parse(parser, answer->body, &document, &why) &&
                      client_json_bool(document, "consistent", false);
    json_close(parser);
    return consistent ? CLIENT_EXIT_OK : CLIENT_EXIT_REFUSED;
}

static enum client_exit talk(const struct client_verb *verb,
                             const struct client_arguments *arguments,
                             struct client_connection *connection) {
    struct client_view view = {.verb = verb,
                               .subject = arguments->subject,
                               .with_titles = true,
                               .tells_more = !arguments->all,
                               .connection = connection};
    struct buffer path = {0};
    struct buffer cursor = {0};
    enum client_exit result;
    bool goes_on;
    buffer_add_slice(&path, buffer_slice(&arguments->path));
    do {
        struct client_request request = {.method = verb->method,
                                         .path = (const char *)path.bytes,
                                         .body = buffer_slice(&arguments->body),
                                         .idempotency_key = arguments->idempotency_key,
                                         .if_version = arguments->if_version,
                                         .takes_long = verb->shape == CLIENT_SHOW_INTEGRITY};
        struct client_answer answer;
        enum client_reach reach = client_connection_send(connection, &request, &answer);
        if (reach != CLIENT_ANSWERED) {
            if (reach == CLIENT_LOST)
                result = tell_lost(connection, arguments);
            else
                client_connection_complain(connection), result = CLIENT_EXIT_NO_CONNECTION;
            break;
        }
        // The cursor is taken first, because showing may ask for more on the same connection.
        goes_on = arguments->all && is_success(answer.http) && take_cursor(answer.body, &cursor);
        result = show_answer(arguments, &view, &answer);
        view.with_titles = false;
        if (goes_on) {
            buffer_reset(&path);
            buffer_add_text(&path, (const char *)arguments->path.bytes);
            buffer_add_format(&path, "%scursor=%s",
                              strchr((char *)arguments->path.bytes, '?') != NULL ? "&" : "?",
                              (const char *)cursor.bytes);
            BUFFER_ADD(&path, "\0");
        }
    } while (goes_on && result == CLIENT_EXIT_OK);
    buffer_done(&path);
    buffer_done(&cursor);
    return result;
}

static enum client_exit run_verb(const struct client_verb *verb, int argc, char **argv) {
    struct client_arguments arguments;
    struct client_connection *connection = NULL;
    enum client_exit result = CLIENT_EXIT_USAGE;
    if (!client_arguments_parse(verb, argc, argv, &arguments)) {
        fprintf(stderr, "Try: florin %s%s%s --help\n", verb->noun, verb->verb != NULL ? " " : "",
                verb->verb != NULL ? verb->verb : "");
    } else if (arguments.help) {
        client_help_verb(verb, stdout);
        result = CLIENT_EXIT_OK;
    } else if (client_connection_open(&arguments.options, &connection)) {
        result = talk(verb, &arguments, connection);
    }
    client_connection_close(connection);
    client_arguments_done(&arguments);
    return result;
}

static bool asks_for_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static bool has_one_verb(const char *noun) {
    size_t count;
    const struct client_verb *table = client_table(&count);
    size_t found = 0;
    for (size_t at = 0; at < count; at++)
        found += strcmp(table[at].noun, noun) == 0;
    return found == 1;
}

static int client_run(int argc, char **argv) {
    CHECK(argc >= 1);
    const char *noun = argv[0];
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!has_one_verb(noun) && (word == NULL || asks_for_help(word))) {
        client_help_noun(noun, word == NULL ? stderr : stdout);
        return word == NULL ? CLIENT_EXIT_USAGE : CLIENT_EXIT_OK;
    }
    const struct client_verb *verb = client_table_find(noun, word);
    if (verb == NULL) {
        fprintf(stderr, "florin: there is no \"%s %s\". There is:\n", noun, word);
        client_help_noun(noun, stderr);
        return CLIENT_EXIT_USAGE;
    }
    int skipped = verb->verb != NULL ? 1 : 0;
    return run_verb(verb, argc - skipped, argv + skipped);
}

const struct subcommand *client_subcommands(void) {
    static const struct subcommand rows[] = {
        {"wallet", "create|show|list|freeze|close|...", "Opens, shows and changes wallets",
         client_run},
        {"deposit", "WALLET AMOUNT BANK_TRANSACTION_ID", "Books money that came in by bank",
         client_run},
        {"withdraw", "WALLET AMOUNT | settle|fail|...", "Pays money out by bank", client_run},
        {"purchase", "WALLET MERCHANT AMOUNT", "Pays a merchant", client_run},
        {"refund", "PURCHASE [AMOUNT]", "Gives back a purchase, all or in part", client_run},
        {"transfer", "FROM TO AMOUNT", "Moves money between wallets", client_run},
        {"hold", "WALLET MERCHANT AMOUNT | show|list", "Sets money aside for a merchant",
         client_run},
        {"capture", "HOLD [AMOUNT]", "Pays the merchant out of a hold", client_run},
        {"void", "HOLD", "Frees what a hold still holds", client_run},
        {"adjust", "WALLET DIRECTION AMOUNT REASON", "Asks to put a wallet right", client_run},
        {"anomalies", "list|show|approve|reject|dismiss", "What rules found in payments",
         client_run},
        {"approval", "show|list|approve|reject", "What waits for a second person", client_run},
        {"transaction", "show|list", "Shows transactions", client_run},
        {"history", "WALLET", "Lists a wallet's transactions", client_run},
        {"keys", "create|list|rotate|revoke", "Makes, lists and ends API keys", client_run},
        {"webhooks", "list|resume|pause|skip|replay", "Endpoints that are told what happens",
         client_run},
        {"audit", "[FILTERS]", "Who did what, and what was refused", client_run},
        {"check-integrity", "", "Adds up all the books", client_run},
        {"import", "FILE", "Loads operations from NDJSON or CSV, of any size", import_run},
        {"demo", "", "Plays a shop's day against a running server", demo_run},
        {NULL, NULL, NULL, NULL},
    };
    return rows;
}

// SPDX-License-Identifier: MIT
// One generic way to show a thing (its members in the server's order) and one to show a page
// (columns by what the page lists), so that a new field of the API is seen without a change here.
#include "programs/client/client_print.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "programs/client/client_amount.h"
#include "programs/client/client_json.h"
#include "programs/client/client_text.h"

// Members that are amounts in the currency of the thing.
static const char *const amount_names[] = {"amount",   "balance",   "held",     "available",
                                           "captured", "remaining", "refunded", "credit_limit"};

struct printer {
    const struct client_view *view;
    struct json_parser *parser; // owned
    struct buffer
        document; // the answer, kept apart because asking for a currency reads another one
    struct buffer currency_of;    // whose currency was asked for last: a wallet's id
    struct buffer currency_asked; // and what it was
};

static bool is_amount(struct slice name) {
    for (size_t at = 0; at < sizeof(amount_names) / sizeof(amount_names[0]); at++)
        if (slice_equal(name, slice_of_text(amount_names[at])))
            return true;
    return false;
}

// Asks for the wallet that a hold is on; holds do not name a currency.
static void currency_ask(struct printer *printer, struct slice wallet) {
    buffer_reset(&printer->currency_asked);
    buffer_reset(&printer->currency_of);
    buffer_add_slice(&printer->currency_of, wallet);
    struct buffer path = {0};
    BUFFER_ADD(&path, "/v1/wallets/");
    buffer_add_slice(&path, wallet);
    BUFFER_ADD(&path, "\0");
    const struct client_request request = {.method = "GET", .path = (const char *)path.bytes};
    struct client_answer answer;
    struct json_parser *parser = json_open();
    struct json_value document;
    const char *why;
    if (client_connection_send(printer->view->connection, &request, &answer) == CLIENT_ANSWERED &&
        answer.http == 200 && json_parse(parser, answer.body, &document, &why))
        buffer_add_slice(&printer->currency_asked, client_json_text(document, "currency"));
    json_close(parser);
    buffer_done(&path);
}

static struct slice currency_of(struct printer *printer, struct json_value thing) {
    struct slice currency = client_json_text(thing, "currency");
    struct slice wallet = client_json_text(thing, "wallet");
    if (currency.size != 0 || wallet.size == 0)
        return currency;
    if (!slice_equal(buffer_slice(&printer->currency_of), wallet))
        currency_ask(printer, wallet);
    return buffer_slice(&printer->currency_asked);
}

static void add_plain(struct buffer *out, struct json_value value) {
    int64_t integer;
    switch (json_kind(value)) {
    case JSON_TEXT: client_text_add(out, json_text(value)); break;
    case JSON_BOOL: buffer_add_text(out, json_bool(value) ? "yes" : "no"); break;
    case JSON_INTEGER:
        if (json_integer(value, &integer))
            buffer_add_i64(out, integer);
        break;
    default: BUFFER_ADD(out, "-"); break;
    }
}

// Of an array its items, one behind another.
static void add_value(struct buffer *out, struct json_value value) {
    if (json_kind(value) != JSON_ARRAY) {
        add_plain(out, value);
        return;
    }
    struct json_cursor cursor = json_items(value);
    struct json_value item;
    for (bool first = true; json_next_item(&cursor, &item); first = false) {
        buffer_add_text(out, first ? "" : ", ");
        add_plain(out, item);
    }
}

static void add_amount_or_value(struct buffer *out, struct slice name, struct json_value value,
                                struct slice currency) {
    int64_t integer;
    if (is_amount(name) && json_kind(value) == JSON_INTEGER && json_integer(value, &integer))
        client_amount_add(out, integer, currency);
    else
        add_value(out, value);
}

// "debit" and "credit": account, and what it had afterwards.
static void add_side(struct buffer *out, struct json_value side, struct slice currency) {
    client_text_add(out, client_json_text(side, "account"));
    struct json_value balance;
    int64_t integer;
    if (client_json_find(side, "balance", &balance) && json_kind(balance) == JSON_INTEGER &&
        json_integer(balance, &integer)) {
        BUFFER_ADD(out, ", then has ");
        client_amount_add(out, integer, currency);
    }
}

static void add_line_begin(struct buffer *out, struct slice before, struct slice name,
                           size_t width) {
    size_t from = out->size;
    BUFFER_ADD(out, "  ");
    client_text_add(out, before);
    client_text_add(out, name);
    client_text_pad(out, from, width + 4);
}

static size_t widest_name(struct json_value thing) {
    size_t widest = 0;
    struct json_cursor cursor = json_members(thing);
    struct slice name;
    struct json_value value;
    while (json_next_member(&cursor, &name, &value)) {
        if (name.size > widest)
            widest = name.size;
        if (json_kind(value) != JSON_OBJECT || client_json_text(value, "account").size != 0)
            continue;
        struct json_cursor inner = json_members(value);
        struct slice inner_name;
        struct json_value ignored;
        while (json_next_member(&inner, &inner_name, &ignored))
            if (name.size + 1 + inner_name.size > widest)
                widest = name.size + 1 + inner_name.size;
    }
    return widest;
}

// The members of an object inside a thing, each on its line: "metadata.colour   red".
static void add_inner(struct buffer *out, struct slice outer, struct json_value object,
                      size_t width) {
    struct buffer before = {0};
    buffer_add_slice(&before, outer);
    BUFFER_ADD(&before, ".");
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    while (json_next_member(&cursor, &name, &value)) {
        add_line_begin(out, buffer_slice(&before), name, width);
        add_value(out, value);
        BUFFER_ADD(out, "\n");
    }
    buffer_done(&before);
}

static void print_object(struct printer *printer, struct json_value thing, struct buffer *out) {
    struct slice currency = currency_of(printer, thing);
    size_t width = widest_name(thing);
    struct slice id = client_json_text(thing, "id");
    if (id.size != 0) {
        client_text_add(out, id);
        BUFFER_ADD(out, "\n");
    }
    struct json_cursor cursor = json_members(thing);
    struct slice name;
    struct json_value value;
    while (json_next_member(&cursor, &name, &value)) {
        if (slice_equal(name, SLICE("id")))
            continue;
        bool is_object = json_kind(value) == JSON_OBJECT;
        if (is_object && client_json_text(value, "account").size == 0) {
            add_inner(out, name, value, width);
            continue;
        }
        add_line_begin(out, SLICE(""), name, width);
        if (is_object)
            add_side(out, value, currency);
        else
            add_amount_or_value(out, name, value, currency);
        BUFFER_ADD(out, "\n");
    }
}

enum column_kind {
    COLUMN_TEXT,
    COLUMN_AMOUNT,
    COLUMN_SIGNED,
    COLUMN_OTHER_SIDE,
    COLUMN_OWN_BALANCE
};

struct column {
    const char *title;
    const char *path;
    enum column_kind kind;
};

#define COLUMNS_MAX 8
struct table {
    const char *noun;
    struct column columns[COLUMNS_MAX + 1]; // one without a title ends them
};

static const struct table tables[] = {
    {"wallet",
     {{"id", "id", 0},
      {"owner", "owner", 0},
      {"kind", "kind", 0},
      {"status", "status", 0},
      {"balance", "balance", COLUMN_AMOUNT},
      {"available", "available", COLUMN_AMOUNT}}},
    {"transaction",
     {{"time", "created_at", 0},
      {"id", "id", 0},
      {"type", "type", 0},
      {"amount", "amount", COLUMN_AMOUNT},
      {"debit", "debit.account", 0},
      {"credit", "credit.account", 0},
      {"order", "order", 0},
      {"reference", "reference", 0}}},
    {"history",
     {{"time", "created_at", 0},
      {"id", "id", 0},
      {"type", "type", 0},
      {"amount", "amount", COLUMN_SIGNED},
      {"balance", "", COLUMN_OWN_BALANCE},
      {"with", "", COLUMN_OTHER_SIDE},
      {"order", "order", 0},
      {"reference", "reference", 0}}},
    {"hold",
     {{"time", "created_at", 0},
      {"id", "id", 0},
      {"status", "status", 0},
      {"amount", "amount", COLUMN_AMOUNT},
      {"captured", "captured", COLUMN_AMOUNT},
      {"remaining", "remaining", COLUMN_AMOUNT},
      {"wallet", "wallet", 0},
      {"order", "order", 0}}},
    {"withdraw",
     {{"time", "created_at", 0},
      {"id", "id", 0},
      {"status", "status", 0},
      {"amount", "amount", COLUMN_AMOUNT},
      {"wallet", "wallet", 0},
      {"bank transaction", "bank_transaction_id", 0},
      {"reference", "reference", 0}}},
    {"approval",
     {{"time", "created_at", 0},
      {"id", "id", 0},
      {"status", "status", 0},
      {"operation", "operation", 0},
      {"amount", "amount", COLUMN_AMOUNT},
      {"wallet", "wallet", 0},
      {"requested by", "requested_by", 0},
      {"expires", "expires_at", 0}}},
    {"anomalies",
     {{"time", "created_at", 0},
      {"id", "id", 0},
      {"status", "status", 0},
      {"action", "action", 0},
      {"rule", "rule", 0},
      {"score", "score", 0},
      {"wallet", "wallet", 0},
      {"why", "sentence", 0}}},
    {"webhooks",
     {{"name", "name", 0},
      {"state", "state", 0},
      {"waiting", "waiting", 0},
      {"lag s", "lag_seconds", 0},
      {"oldest event", "oldest_event", 0},
      {"url", "url", 0},
      {"last error", "last_error", 0},
      {"at", "last_error_at", 0}}},
    {"audit",
     {{"time", "at", 0},
      {"principal", "principal", 0},
      {"address", "address", 0},
      {"operation", "operation", 0},
      {"resource", "resource", 0},
      {"outcome", "outcome", 0},
      {"count", "count", 0},
      {"request", "request_id", 0}}},
    {"keys",
     {{"id", "id", 0},
      {"name", "name", 0},
      {"role", "role", 0},
      {"owner", "owner", 0},
      {"created", "created_at", 0},
      {"expires", "expires_at", 0},
      {"last used", "last_used_at", 0}}},
};

static const struct table *table_of(const char *noun) {
    for (size_t at = 0; at < sizeof(tables) / sizeof(tables[0]); at++)
        if (strcmp(tables[at].noun, noun) == 0)
            return &tables[at];
    UNREACHABLE("every noun with a list has a table");
}

static void add_cell(struct printer *printer, const struct column *column, struct json_value item,
                     struct buffer *out) {
    struct slice subject =
        slice_of_text(printer->view->subject != NULL ? printer->view->subject : "");
    bool pays = slice_equal(client_json_text(item, "debit.account"), subject);
    struct json_value value;
    switch (column->kind) {
    case COLUMN_TEXT:
        if (client_json_find(item, column->path, &value))
            add_value(out, value);
        break;
    case COLUMN_AMOUNT:
        client_amount_add(out, client_json_integer(item, column->path, 0),
                          currency_of(printer, item));
        break;
    case COLUMN_SIGNED:
        buffer_add_text(out, pays ? "-" : "+");
        client_amount_add(out, client_json_integer(item, column->path, 0),
                          currency_of(printer, item));
        break;
    case COLUMN_OTHER_SIDE:
        client_text_add(out, client_json_text(item, pays ? "credit.account" : "debit.account"));
        break;
    case COLUMN_OWN_BALANCE:
        client_amount_add(out,
                          client_json_integer(item, pays ? "debit.balance" : "credit.balance", 0),
                          currency_of(printer, item));
        break;
    }
}

static void print_page(struct printer *printer, struct json_value page, struct buffer *out) {
    const struct table *table = table_of(printer->view->verb->noun);
    struct client_grid grid = {0};
    for (size_t at = 0; table->columns[at].title != NULL; at++)
        client_grid_add_column(&grid, table->columns[at].title,
                               table->columns[at].kind != COLUMN_TEXT &&
                                   table->columns[at].kind != COLUMN_OTHER_SIDE);
    struct json_value items;
    if (client_json_find(page, "items", &items) && json_kind(items) == JSON_ARRAY) {
        struct json_cursor cursor = json_items(items);
        struct json_value item;
        while (json_next_item(&cursor, &item))
            for (size_t at = 0; table->columns[at].title != NULL; at++) {
                add_cell(printer, &table->columns[at], item, &grid.text);
                client_grid_end_cell(&grid);
            }
    }
    if (grid.cell_count == 0)
        BUFFER_ADD(out, "nothing found\n");
    else
        client_grid_add_to(&grid, printer->view->with_titles, out);
    client_grid_done(&grid);
    struct slice next = client_json_text(page, "next_cursor");
    if (next.size != 0 && printer->view->tells_more) {
        BUFFER_ADD(out, "there is more: --cursor ");
        client_text_add(out, next);
        BUFFER_ADD(out, ", or --all\n");
    }
}

static enum client_exit print_integrity(struct json_value document, struct buffer *out) {
    bool consistent = client_json_bool(document, "consistent", false);
    client_text_add(out, client_json_text(document, "message"));
    BUFFER_ADD(out, "\n");
    struct client_grid grid = {0};
    client_grid_add_column(&grid, "currency", false);
    client_grid_add_column(&grid, "wallet balances", true);
    client_grid_add_column(&grid, "deposits", true);
    client_grid_add_column(&grid, "withdrawals", true);
    client_grid_add_column(&grid, "difference", true);
    static const char *const sums[] = {"wallet_balances", "deposits", "withdrawals", "difference"};
    struct json_value currencies;
    if (client_json_find(document, "currencies", &currencies) &&
        json_kind(currencies) == JSON_ARRAY) {
        struct json_cursor cursor = json_items(currencies);
        struct json_value item;
        while (json_next_item(&cursor, &item)) {
            struct slice currency = client_json_text(item, "currency");
            client_text_add(&grid.text, currency);
            client_grid_end_cell(&grid);
            for (size_t at = 0; at < sizeof(sums) / sizeof(sums[0]); at++) {
                client_amount_add(&grid.text, client_json_integer(item, sums[at], 0), currency);
                client_grid_end_cell(&grid);
            }
        }
    }
    if (grid.cell_count > 0)
        client_grid_add_to(&grid, true, out);
    client_grid_done(&grid);
    return consistent ? CLIENT_EXIT_OK : CLIENT_EXIT_REFUSED;
}

static void print_limits(struct json_value document, struct buffer *out) {
    static const char *const sums[] = {"limit", "spent", "left"};
    struct slice currency = client_json_text(document, "currency");
    struct client_grid grid = {0};
    struct json_value limits, item, value;
    client_grid_add_column(&grid, "per", false);
    for (size_t at = 0; at < sizeof(sums) / sizeof(sums[0]); at++)
        client_grid_add_column(&grid, sums[at], true);
    client_grid_add_column(&grid, "until", false);
    if (client_json_find(document, "limits", &limits) && json_kind(limits) == JSON_ARRAY) {
        struct json_cursor cursor = json_items(limits);
        while (json_next_item(&cursor, &item)) {
            client_text_add(&grid.text, client_json_text(item, "period"));
            client_grid_end_cell(&grid);
            for (size_t at = 0; at < sizeof(sums) / sizeof(sums[0]); at++) {
                if (client_json_find(item, sums[at], &value))
                    client_amount_add(&grid.text, client_json_integer(item, sums[at], 0), currency);
                client_grid_end_cell(&grid);
            }
            client_text_add(&grid.text, client_json_text(item, "ends_at"));
            client_grid_end_cell(&grid);
        }
    }
    if (grid.cell_count > 0)
        client_grid_add_to(&grid, true, out);
    else
        BUFFER_ADD(out, "no limits: it may spend what it has\n");
    client_grid_done(&grid);
}

enum client_exit client_print_answer(const struct client_view *view, struct slice body) {
    struct printer printer = {.view = view, .parser = json_open()};
    buffer_add_slice(&printer.document, body);
    memset(buffer_room(&printer.document, JSON_PADDING), 0, JSON_PADDING);
    struct buffer out = {0};
    struct json_value document;
    const char *why;
    enum client_exit result = CLIENT_EXIT_OK;
    if (view->verb->shape == CLIENT_SHOW_DONE) {
        BUFFER_ADD(&out, "done\n");
    } else if (!json_parse(printer.parser, buffer_slice(&printer.document), &document, &why) ||
               json_kind(document) != JSON_OBJECT) {
        client_text_add(&out, body); // not what this client knows; better shown than hidden
        BUFFER_ADD(&out, "\n");
    } else if (view->verb->shape == CLIENT_SHOW_INTEGRITY) {
        result = print_integrity(document, &out);
    } else if (view->verb->shape == CLIENT_SHOW_LIMITS) {
        print_limits(document, &out);
    } else if (view->verb->shape == CLIENT_SHOW_OBJECT) {
        print_object(&printer, document, &out);
    } else {
        print_page(&printer, document, &out);
    }
    (void)fwrite(out.bytes, 1, out.size, stdout); // a closed pipe is the reader's wish
    buffer_done(&out);
    buffer_done(&printer.document);
    buffer_done(&printer.currency_of);
    buffer_done(&printer.currency_asked);
    json_close(printer.parser);
    return result;
}

// The list of what is wrong with an invalid request: a JSON pointer and a sentence each. What is
// wrong alone has been told.
static void print_pointers(struct json_value document) {
    struct json_value errors;
    if (!client_json_find(document, "errors", &errors) || json_kind(errors) != JSON_ARRAY ||
        json_item_count(errors) < 2)
        return;
    struct json_cursor cursor = json_items(errors);
    struct json_value item;
    while (json_next_item(&cursor, &item)) {
        struct buffer line = {0};
        BUFFER_ADD(&line, "  ");
        client_text_add(&line, client_json_text(item, "pointer"));
        BUFFER_ADD(&line, ": ");
        client_text_add(&line, client_json_text(item, "detail"));
        fprintf(stderr, "%.*s\n", (int)line.size, (const char *)line.bytes);
        buffer_done(&line);
    }
}

void client_print_problem(int http, struct slice body) {
    struct json_parser *parser = json_open();
    struct json_value document;
    const char *why;
    if (!json_parse(parser, body, &document, &why) || json_kind(document) != JSON_OBJECT) {
        fprintf(stderr, "florin: the server answered with HTTP status %d.\n", http);
        json_close(parser);
        return;
    }
    struct slice sentence = client_json_text(document, "detail");
    if (sentence.size == 0)
        sentence = client_json_text(document, "title");
    struct buffer line = {0};
    client_text_add(&line, sentence);
    BUFFER_ADD(&line, " (");
    client_text_add(&line, client_json_text(document, "code"));
    BUFFER_ADD(&line, ")");
    fprintf(stderr, "florin: %.*s\n", (int)line.size, (const char *)line.bytes);
    print_pointers(document);
    buffer_done(&line);
    json_close(parser);
}

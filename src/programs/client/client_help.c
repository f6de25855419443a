// SPDX-License-Identifier: MIT
// Help is a view of the table, so it cannot say something else than the parser does.
#include "programs/client/client_help.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "programs/client/client_text.h"

#define HELP_COLUMN 34 // where meanings begin

static void add_upper(struct buffer *out, const char *name) {
    for (; *name != '\0'; name++) {
        char letter = (char)toupper((unsigned char)*name);
        buffer_add(out, &letter, 1);
    }
}

static void add_option(struct buffer *out, const struct client_field *field) {
    BUFFER_ADD(out, "--");
    for (const char *at = field->option != NULL ? field->option : field->name; *at != '\0'; at++)
        buffer_add(out, *at == '_' ? "-" : at, 1);
    if (field->kind == CLIENT_FLAG)
        return;
    BUFFER_ADD(out, " ");
    if (field->kind == CLIENT_METADATA)
        BUFFER_ADD(out, "NAME=VALUE");
    else
        add_upper(out, field->name);
}

static void add_usage(struct buffer *out, const struct client_verb *verb) {
    BUFFER_ADD(out, "florin ");
    buffer_add_text(out, verb->noun);
    if (verb->verb != NULL) {
        BUFFER_ADD(out, " ");
        buffer_add_text(out, verb->verb);
    }
    bool has_options = false;
    for (size_t place = 0; verb->fields[place] != NULL; place++) {
        const struct client_field *field = verb->fields[place];
        has_options = has_options || !field->positional;
        if (!field->positional)
            continue;
        buffer_add_text(out, field->required ? " " : " [");
        add_upper(out, field->name);
        buffer_add_text(out, field->required ? "" : "]");
    }
    if (has_options)
        BUFFER_ADD(out, " [options]");
}

static void add_meaning(struct buffer *out, size_t line_begin, const char *meaning) {
    client_text_pad(out, line_begin, HELP_COLUMN);
    BUFFER_ADD(out, " ");
    buffer_add_text(out, meaning);
    BUFFER_ADD(out, "\n");
}

static void add_row(struct buffer *out, const char *what, const char *meaning) {
    size_t begin = out->size;
    BUFFER_ADD(out, "  ");
    buffer_add_text(out, what);
    add_meaning(out, begin, meaning);
}

static void add_common(struct buffer *out, const struct client_verb *verb) {
    if (verb->shape == CLIENT_SHOW_PAGE || verb->shape == CLIENT_SHOW_HISTORY)
        add_row(out, "--all", "all pages, one after another");
    if (strcmp(verb->method, "GET") != 0)
        add_row(out, "--idempotency-key KEY",
                "the same key never does it twice (default: a new one)");
    if (verb->takes_version)
        add_row(out, "--if-version N", "refused unless the wallet has this version");
    add_row(out, "--json", "the server's answer as it is");
    add_row(out, "--url URL", "where the server is (FLORIN_URL; http://127.0.0.1:8080)");
    add_row(out, "--key KEY", "the API key (FLORIN_KEY)");
    add_row(out, "--data DIR", "else DIR/admin.key (./florin-data/admin.key)");
}

void client_help_verb(const struct client_verb *verb, FILE *file) {
    struct buffer out = {0};
    add_usage(&out, verb);
    BUFFER_ADD(&out, "\n  ");
    uint8_t first = (uint8_t)toupper((unsigned char)verb->help[0]);
    buffer_add(&out, &first, 1);
    buffer_add_text(&out, verb->help + 1);
    BUFFER_ADD(&out, ".\n\n");
    for (size_t place = 0; verb->fields[place] != NULL; place++) {
        const struct client_field *field = verb->fields[place];
        size_t begin = out.size;
        BUFFER_ADD(&out, "  ");
        if (field->positional)
            add_upper(&out, field->name);
        else
            add_option(&out, field);
        add_meaning(&out, begin, field->help);
    }
    add_common(&out, verb);
    BUFFER_ADD(
        &out,
        "\nBare words can also be written as options of their names, such as --amount 1250.\n");
    (void)fwrite(out.bytes, 1, out.size, file); // a closed pipe is the reader's wish
    buffer_done(&out);
}

void client_help_noun(const char *noun, FILE *file) {
    struct buffer out = {0};
    size_t count;
    const struct client_verb *table = client_table(&count);
    for (size_t at = 0; at < count; at++) {
        if (strcmp(table[at].noun, noun) != 0)
            continue;
        size_t begin = out.size;
        BUFFER_ADD(&out, "  ");
        add_usage(&out, &table[at]);
        client_text_pad(&out, begin, 58);
        BUFFER_ADD(&out, " ");
        buffer_add_text(&out, table[at].help);
        BUFFER_ADD(&out, "\n");
    }
    BUFFER_ADD(&out, "Add --help to one of them for its options.\n");
    (void)fwrite(out.bytes, 1, out.size, file);
    buffer_done(&out);
}

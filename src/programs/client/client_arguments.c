// SPDX-License-Identifier: MIT
// Two passes: the first finds a value for each field of the verb, the second writes path, query and
// body from them in the table's order. So the order of options never matters, and a field that is
// given twice is noticed.
#include "programs/client/client_arguments.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/limits.h"
#include "programs/client/client_amount.h"

#define ARGUMENTS_METADATA_MAX                                                                     \
    (LIMIT_METADATA_ENTRIES_MAX + 1) // one more, so that the server can refuse it

struct values {
    const char *of[CLIENT_FIELDS_MAX]; // by the field's place in the verb; NULL: not given
    const char *metadata[ARGUMENTS_METADATA_MAX];
    size_t metadata_count;
    bool only_positional; // "--" was seen
};

static bool complain(const char *what, const char *word) {
    fprintf(stderr, "florin: %s: %s\n", what, word);
    return false;
}

bool client_option_take(int argc, char **argv, int *at, const char *name, const char **ret_value) {
    const char *word = argv[*at];
    size_t size = strlen(name);
    if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, size) != 0)
        return false;
    if (word[2 + size] == '=') {
        *ret_value = word + 2 + size + 1;
        return true;
    }
    if (word[2 + size] != '\0')
        return false;
    *ret_value = *at + 1 < argc ? argv[*at + 1] : NULL;
    *at += 1;
    return true;
}

bool client_option_take_common(int argc, char **argv, int *at, struct client_options *options,
                               bool *ret_ok) {
    const char *value = NULL;
    const char *word = argv[*at];
    if (client_option_take(argc, argv, at, "url", &value))
        options->url = value;
    else if (client_option_take(argc, argv, at, "key", &value))
        options->key = value;
    else if (client_option_take(argc, argv, at, "data", &value))
        options->data_folder = value;
    else
        return false;
    *ret_ok = value != NULL || complain("this option needs a value", word);
    return true;
}

// The option's name without dashes: "bank-transaction-id".
static void field_option(const struct client_field *field, char ret_name[64]) {
    (void)snprintf(ret_name, 64, "%s", field->option != NULL ? field->option : field->name);
    for (char *at = ret_name; *at != '\0'; at++)
        if (*at == '_')
            *at = '-';
}

static bool value_set(struct values *values, const struct client_verb *verb, size_t place,
                      const char *value) {
    const struct client_field *field = verb->fields[place];
    if (field->kind == CLIENT_METADATA) {
        if (values->metadata_count == ARGUMENTS_METADATA_MAX)
            return complain("too many metadata entries, from", value);
        values->metadata[values->metadata_count++] = value;
        return true;
    }
    if (values->of[place] != NULL)
        return complain("this field is given twice", field->name);
    values->of[place] = value;
    return true;
}

// Whether the word is the option of one of the verb's fields.
static bool field_take(const struct client_verb *verb, int argc, char **argv, int *at,
                       struct values *values, bool *ret_ok) {
    for (size_t place = 0; verb->fields[place] != NULL; place++) {
        const struct client_field *field = verb->fields[place];
        const char *word = argv[*at];
        char name[64];
        field_option(field, name);
        if (field->kind == CLIENT_FLAG) {
            if (strncmp(word, "--", 2) != 0 || strcmp(word + 2, name) != 0)
                continue;
            *ret_ok = value_set(values, verb, place, field->constant);
            return true;
        }
        const char *value = NULL;
        if (!client_option_take(argc, argv, at, name, &value))
            continue;
        *ret_ok = value != NULL ? value_set(values, verb, place, value)
                                : complain("this option needs a value", word);
        return true;
    }
    return false;
}

static bool positional_take(const struct client_verb *verb, const char *word,
                            struct values *values) {
    for (size_t place = 0; verb->fields[place] != NULL; place++)
        if (verb->fields[place]->positional && values->of[place] == NULL)
            return value_set(values, verb, place, word);
    return complain("there is a word too many", word);
}

static bool key_is_valid(const char *key) {
    size_t size = strlen(key);
    for (size_t at = 0; at < size; at++)
        if ((unsigned char)key[at] < ' ' || key[at] == 0x7f)
            return false;
    return size > 0 && size <= LIMIT_TEXT_BYTES_MAX;
}

static bool version_is_valid(const char *version) {
    return version[0] != '\0' && strlen(version) < 20 &&
           strspn(version, "0123456789") == strlen(version);
}

static bool is_flag(const char *word, const char *name) {
    return strncmp(word, "--", 2) == 0 && strcmp(word + 2, name) == 0;
}

// An option that is about the request and not a field of it.
static bool request_option_take(const struct client_verb *verb, int argc, char **argv, int *at,
                                struct client_arguments *arguments, bool *ret_ok) {
    const char *word = argv[*at];
    const char *value = NULL;
    bool writes = strcmp(verb->method, "GET") != 0;
    bool lists = verb->shape == CLIENT_SHOW_PAGE || verb->shape == CLIENT_SHOW_HISTORY;
    *ret_ok = true;
    if (is_flag(word, "json")) {
        arguments->json = true;
    } else if (is_flag(word, "help") || strcmp(word, "-h") == 0) {
        arguments->help = true;
    } else if (lists && is_flag(word, "all")) {
        arguments->all = true;
    } else if (writes && client_option_take(argc, argv, at, "idempotency-key", &value)) {
        arguments->idempotency_key = value;
        *ret_ok = (value != NULL && key_is_valid(value)) ||
                  complain("this needs 1 to 255 printable characters", word);
    } else if (verb->takes_version && client_option_take(argc, argv, at, "if-version", &value)) {
        arguments->if_version = value;
        *ret_ok = (value != NULL && version_is_valid(value)) ||
                  complain("this needs a version, a number", word);
    } else {
        return client_option_take_common(argc, argv, at, &arguments->options, ret_ok);
    }
    return true;
}

static bool values_collect(const struct client_verb *verb, int argc, char **argv,
                           struct client_arguments *arguments, struct values *values) {
    for (int at = 1; at < argc; at++) {
        bool ok = true;
        const char *word = argv[at];
        bool is_option = !values->only_positional && word[0] == '-' && word[1] != '\0';
        if (is_option && strcmp(word, "--") == 0)
            values->only_positional = true;
        else if (!is_option)
            ok = positional_take(verb, word, values);
        else if (!field_take(verb, argc, argv, &at, values, &ok) &&
                 !request_option_take(verb, argc, argv, &at, arguments, &ok))
            ok = complain(word[1] >= '0' && word[1] <= '9' ? "numbers below zero make no sense here"
                                                           : "there is no such option here",
                          word);
        if (!ok)
            return false;
        if (arguments->help)
            return true;
    }
    for (size_t place = 0; verb->fields[place] != NULL; place++) {
        const struct client_field *field = verb->fields[place];
        if (field->required && values->of[place] == NULL)
            return complain("this is missing", field->name);
    }
    return true;
}

static void percent_encode(struct buffer *buffer, const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || *at == '_' || *at == '-' || *at == '.' ||
                     *at == '~';
        uint8_t escape[3] = {'%', (uint8_t)hex[*at >> 4], (uint8_t)hex[*at & 15]};
        buffer_add(buffer, plain ? at : escape, plain ? 1 : 3);
    }
}

// Writes the path with the value of the field that it names.
static bool path_build(const struct client_verb *verb, const struct values *values,
                       struct client_arguments *arguments) {
    const char *open = strchr(verb->path, '{');
    if (open == NULL) {
        buffer_add_text(&arguments->path, verb->path);
        return true;
    }
    buffer_add(&arguments->path, verb->path, (size_t)(open - verb->path));
    for (size_t place = 0; verb->fields[place] != NULL; place++) {
        if (verb->fields[place]->place != CLIENT_IN_PATH)
            continue;
        arguments->subject = values->of[place];
        if (arguments->subject[0] == '\0')
            return complain("this is empty", verb->fields[place]->name);
        percent_encode(&arguments->path, arguments->subject);
    }
    const char *close = strchr(open, '}');
    CHECK(close != NULL);
    CHECK(arguments->subject != NULL);
    buffer_add_text(&arguments->path, close + 1);
    return true;
}

static void member_begin(struct buffer *body, const char *name) {
    buffer_add_text(body, body->size == 0 ? "{" : ",");
    json_write_text(body, slice_of_text(name));
    BUFFER_ADD(body, ":");
}

static bool number_add(struct buffer *buffer, const char *name, const char *text) {
    size_t size = strlen(text);
    if (size == 0 || size > 18 || strspn(text, "0123456789") != size) {
        fprintf(stderr, "florin: %s must be a whole number, not %s\n", name, text);
        return false;
    }
    while (size > 1 && *text == '0') { // JSON knows no leading zeros
        text++;
        size--;
    }
    buffer_add(buffer, text, size);
    return true;
}

// The place of the verb's field for a currency, or CLIENT_FIELDS_MAX.
static size_t currency_place(const struct client_verb *verb) {
    for (size_t place = 0; verb->fields[place] != NULL; place++)
        if (strcmp(verb->fields[place]->name, "currency") == 0)
            return place;
    return CLIENT_FIELDS_MAX;
}

static bool amount_add(const struct client_verb *verb, const struct values *values,
                       const char *text, struct buffer *body, const char *name) {
    int64_t amount = 0;
    struct currency written;
    const char *why = NULL;
    if (!client_amount_parse(slice_of_text(text), &amount, &written, &why)) {
        fprintf(stderr, "florin: %s: %s\n", text, why);
        return false;
    }
    member_begin(body, name);
    buffer_add_i64(body, amount);
    if (!currency_is_given(&written))
        return true;
    size_t place = currency_place(verb);
    if (place == CLIENT_FIELDS_MAX)
        return complain("here an amount must be in minor units", text);
    struct slice code = currency_code(&written);
    if (values->of[place] == NULL) {
        member_begin(body, "currency");
        json_write_text(body, code);
        return true;
    }
    return slice_equal(code, slice_of_text(values->of[place])) ||
           complain("the currencies differ", text);
}

static bool metadata_add(const struct values *values, struct buffer *body) {
    if (values->metadata_count == 0)
        return true;
    member_begin(body, "metadata");
    for (size_t entry = 0; entry < values->metadata_count; entry++) {
        const char *text = values->metadata[entry];
        const char *equals = strchr(text, '=');
        if (equals == NULL)
            return complain("metadata is written NAME=VALUE, not", text);
        buffer_add_text(body, entry == 0 ? "{" : ",");
        json_write_text(body, slice_of(text, (size_t)(equals - text)));
        BUFFER_ADD(body, ":");
        json_write_text(body, slice_of_text(equals + 1));
    }
    BUFFER_ADD(body, "}");
    return true;
}

static bool body_add(const struct client_verb *verb, const struct values *values, size_t place,
                     struct buffer *body) {
    const struct client_field *field = verb->fields[place];
    const char *value = values->of[place];
    if (field->kind == CLIENT_METADATA)
        return metadata_add(values, body);
    if (value == NULL)
        return true;
    if (field->kind == CLIENT_AMOUNT)
        return amount_add(verb, values, value, body, field->name);
    member_begin(body, field->name);
    if (field->kind == CLIENT_NUMBER)
        return number_add(body, field->name, value);
    if (field->kind == CLIENT_FLAG)
        buffer_add_text(body, value);
    else
        json_write_text(body, slice_of_text(value));
    return true;
}

static bool query_add(const struct client_field *field, const char *value, bool *has_query,
                      struct buffer *path) {
    if (value == NULL)
        return true;
    buffer_add_text(path, *has_query ? "&" : "?");
    *has_query = true;
    percent_encode(path, field->name);
    BUFFER_ADD(path, "=");
    if (field->kind == CLIENT_NUMBER)
        return number_add(path, field->name, value);
    percent_encode(path, value);
    return true;
}

static bool request_build(const struct client_verb *verb, const struct values *values,
                          struct client_arguments *arguments) {
    if (!path_build(verb, values, arguments))
        return false;
    if (verb->constant != NULL) {
        BUFFER_ADD(&arguments->body, "{");
        buffer_add_text(&arguments->body, verb->constant);
    }
    bool has_query = false;
    for (size_t place = 0; verb->fields[place] != NULL; place++) {
        const struct client_field *field = verb->fields[place];
        bool ok = true;
        if (field->place == CLIENT_IN_QUERY)
            ok = query_add(field, values->of[place], &has_query, &arguments->path);
        else if (field->place == CLIENT_IN_BODY)
            ok = body_add(verb, values, place, &arguments->body);
        if (!ok)
            return false;
    }
    BUFFER_ADD(&arguments->path, "\0");
    if (arguments->body.size != 0)
        BUFFER_ADD(&arguments->body, "}");
    else if (strcmp(verb->method, "POST") == 0 || strcmp(verb->method, "PATCH") == 0)
        BUFFER_ADD(&arguments->body, "{}");
    return true;
}

// Every write has a key, so that a lost answer can be asked for again.
static void key_make(struct client_arguments *arguments) {
    uint8_t bytes[12];
    random_fill(bytes, sizeof(bytes));
    int size = snprintf(arguments->made_key, sizeof(arguments->made_key), "cli-");
    CHECK((size_t)size + 2 * sizeof(bytes) < sizeof(arguments->made_key));
    *hex_write(slice_of(bytes, sizeof(bytes)), arguments->made_key + size) = '\0';
    arguments->idempotency_key = arguments->made_key;
}

bool client_arguments_parse(const struct client_verb *verb, int argc, char **argv,
                            struct client_arguments *ret_arguments) {
    CHECK(argc >= 1);
    *ret_arguments = (struct client_arguments){0};
    struct values values = {0};
    if (!values_collect(verb, argc, argv, ret_arguments, &values))
        return false;
    if (ret_arguments->help)
        return true;
    if (strcmp(verb->method, "GET") != 0 && ret_arguments->idempotency_key == NULL)
        key_make(ret_arguments);
    return request_build(verb, &values, ret_arguments);
}

void client_arguments_done(struct client_arguments *arguments) {
    buffer_done(&arguments->path);
    buffer_done(&arguments->body);
}

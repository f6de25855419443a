// SPDX-License-Identifier: MIT
// The desk: one context for all tests of wire/.
#include "support.h"

#include <string.h>

#define BODY_ROOM_BYTES (20u * 1024 * 1024)

static const struct currency customs[] = {
    {.code = "POINTS", .exponent = 0},
    {.code = "GOLD0", .exponent = 3},
};

void desk_open(struct desk *desk) {
    static const uint8_t key[16] = "a key for tests";
    *desk = (struct desk){.currencies = {customs, 2}};
    arena_init(&desk->arena, 64 * 1024);
    desk->seal = id_seal_make(key);
    desk->context = (struct wire_context){
        .parser = json_open(),
        .arena = &desk->arena,
        .currencies = &desk->currencies,
        .seal = &desk->seal,
        .origin = {.principal = SLICE("key_01h455vb4pex5vsknk084sn02q"),
                   .request_id = SLICE("request-1"), .role = ROLE_SERVICE},
        .principal_key = desk_id(desk, 9),
        .allowed_commands = UINT64_MAX,
    };
}

void desk_close(struct desk *desk) {
    json_close(desk->context.parser);
    arena_done(&desk->arena);
    buffer_done(&desk->body_room);
}

struct slice desk_body_slice(struct desk *desk, struct slice body) {
    CHECK(body.size < BODY_ROOM_BYTES);
    buffer_reset(&desk->body_room);
    uint8_t *room = buffer_room(&desk->body_room, body.size + JSON_PADDING);
    if (body.size != 0)
        memcpy(room, body.bytes, body.size);
    memset(room + body.size, ' ', JSON_PADDING);
    return slice_of(room, body.size);
}

struct slice desk_body(struct desk *desk, const char *body) {
    return desk_body_slice(desk, slice_of_text(body));
}

struct id desk_id(const struct desk *desk, uint64_t number) {
    return id_make(&desk->seal, 1767225600000 + number, (uint32_t)(number * 37 % 1024), number);
}

static bool id_type_of_letter(char letter, enum id_type *ret_type) {
    switch (letter) {
    case 'W': *ret_type = ID_WALLET; return true;
    case 'T': *ret_type = ID_TRANSACTION; return true;
    case 'H': *ret_type = ID_HOLD; return true;
    case 'D': *ret_type = ID_WITHDRAWAL; return true;
    case 'K': *ret_type = ID_KEY; return true;
    case 'A': *ret_type = ID_APPROVAL; return true;
    case 'F': *ret_type = ID_ANOMALY; return true;
    default: return false;
    }
}

const char *desk_text(struct desk *desk, const char *format) {
    struct buffer text = {0};
    for (const char *at = format; *at != 0; at++) {
        enum id_type type;
        if (*at == '#' && id_type_of_letter(at[1], &type)) {
            char id[ID_TEXT_BYTES_MAX];
            buffer_add(&text, id, id_format(type, desk_id(desk, (uint64_t)(at[2] - '0')), id));
            at += 2;
        } else {
            buffer_add(&text, *at == '\'' ? "\"" : at, 1);
        }
    }
    buffer_add(&text, "", 1);
    struct slice copy = arena_copy(&desk->arena, buffer_slice(&text));
    buffer_done(&text);
    return (const char *)copy.bytes;
}

enum status desk_decode(struct desk *desk, enum operation_code code, const char *body,
                        const char *key, struct command *ret_command,
                        struct wire_faults *ret_faults) {
    struct wire_headers headers = {.has_idempotency_key = key != NULL};
    if (key != NULL)
        headers.idempotency_key = slice_of_text(key);
    return wire_decode_command(&desk->context, operation_at(code), desk_id(desk, 5), &headers,
                               desk_body(desk, desk_text(desk, body)), ret_command, ret_faults);
}

static size_t word_count(const char *words) {
    size_t count = 0;
    for (const char *at = words; *at != 0; at++)
        count += *at != ' ' && (at[1] == ' ' || at[1] == 0);
    return count;
}

static bool has_word(const char *words, struct slice word) {
    while (*words != 0) {
        size_t size = strcspn(words, " ");
        // "." stands for the empty pointer.
        bool is_empty = size == 1 && words[0] == '.';
        if (slice_equal(is_empty ? SLICE("") : slice_of(words, size), word))
            return true;
        words += size;
        words += strspn(words, " ");
    }
    return false;
}

void expect_pointers(const struct wire_faults *faults, const char *pointers) {
    bool as_expected = faults->count == word_count(pointers);
    for (uint32_t i = 0; i < faults->count; i++)
        as_expected = as_expected && has_word(pointers, faults->items[i].pointer);
    if (as_expected)
        return;
    for (uint32_t i = 0; i < faults->count; i++)
        print_error("\"%.*s\" %.*s\n", (int)faults->items[i].pointer.size,
                    (const char *)faults->items[i].pointer.bytes,
                    (int)faults->items[i].sentence.size,
                    (const char *)faults->items[i].sentence.bytes);
    fail_msg("expected the pointers %s", pointers);
}

void expect_faults(struct desk *desk, enum operation_code code, const char *body,
                   const char *pointers) {
    struct command command;
    struct wire_faults faults;
    enum status status = desk_decode(desk, code, body, NULL, &command, &faults);
    if (status != STATUS_invalid_request)
        fail_msg("expected a refusal of %s", body);
    expect_pointers(&faults, pointers);
}

struct command expect_decoded(struct desk *desk, enum operation_code code, const char *body) {
    struct command command;
    struct wire_faults faults;
    enum status status = desk_decode(desk, code, body, NULL, &command, &faults);
    if (status != STATUS_ok) {
        expect_pointers(&faults, "");
        fail_msg("expected %s to be fine", body);
    }
    assert_int_equal(faults.count, 0);
    return command;
}

void expect_text(struct slice text, const char *expected) {
    if (!slice_equal(text, slice_of_text(expected)))
        fail_msg("expected \"%s\" but it is \"%.*s\"", expected, (int)text.size,
                 (const char *)text.bytes);
}

void expect_buffer(const struct buffer *buffer, const char *expected) {
    expect_text(buffer_slice(buffer), expected);
}

// SPDX-License-Identifier: MIT
// Queries: percent-decoding, then each parameter by its field.
#include "base/buffer.h"
#include "base/clock.h"
#include "base/hex.h"
#include "wire/decode_value.h"
#include "wire/text.h"

#define WORD_NONE (-1)

static const struct field *find_field(const struct operation *operation, struct slice name,
                                      uint32_t *ret_index) {
    for (uint32_t i = 0; i < operation->query_count; i++) {
        const struct field *field = operation->query[i];
        if (field->name_size == name.size && memcmp(field->name, name.bytes, name.size) == 0) {
            *ret_index = i;
            return field;
        }
    }
    return NULL;
}

static void query_begin(const struct operation *operation, struct wire_query *ret_query) {
    *ret_query = (struct wire_query){
        .wallet_kind = WORD_NONE, .status = WORD_NONE, .type = WORD_NONE,
        .outcome = WORD_NONE, .to_ms = UINT64_MAX};
    for (uint32_t i = 0; i < operation->query_count; i++)
        decode_standard(operation->query[i], ret_query);
}

// Between them nothing can be, so whoever asks so has mistaken one for the other. From and to alike
// are a span without a length, as of who goes on where he stopped, and no mistake.
static void judge_span(struct arena *arena, const struct wire_query *query,
                       struct wire_faults *faults) {
    char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
    if (query->from_ms <= query->to_ms) // also where one is not given
        return;
    struct buffer buffer = {0};
    clock_format(query->from_ms, from);
    clock_format(query->to_ms, to);
    buffer_add_format(&buffer, "is %.*s, later than to, which is %.*s: swap the two",
                      CLOCK_TEXT_BYTES, from, CLOCK_TEXT_BYTES, to);
    wire_fault_add(arena, faults, SLICE("/from"), arena_copy(arena, buffer_slice(&buffer)));
    buffer_done(&buffer);
}

enum status wire_decode_query(const struct wire_context *context,
                              const struct operation *operation,
                              const struct wire_parameter *parameters, uint32_t parameter_count,
                              struct wire_query *ret_query, struct wire_faults *ret_faults) {
    *ret_faults = (struct wire_faults){0};
    query_begin(operation, ret_query);
    uint32_t seen = 0;
    CHECK(operation->query_count <= 32);
    for (uint32_t i = 0; i < parameter_count; i++) {
        struct slice name = parameters[i].name, value = parameters[i].value;
        if (!text_is_utf8(name) || !text_is_utf8(value)) {
            wire_fault_add(context->arena, ret_faults, SLICE(""),
                           SLICE("has a query that is not UTF-8"));
            continue;
        }
        uint32_t index;
        const struct field *field = find_field(operation, name, &index);
        if (field == NULL)
            fault_of_unknown(context->arena, ret_faults, name, "parameter", operation->query,
                             operation->query_count);
        else if ((seen & UINT32_C(1) << index) != 0)
            fault_of_field(context->arena, ret_faults, field, SLICE("is given twice"));
        else
            (void)decode_parameter(context, field, value, ret_query, ret_faults); // noted there
        if (field != NULL)
            seen |= UINT32_C(1) << index;
    }
    judge_span(context->arena, ret_query, ret_faults);
    return ret_faults->count == 0 ? STATUS_ok : STATUS_invalid_request;
}

static struct slice percent_decode(struct arena *arena, struct slice text) {
    uint8_t *decoded = arena_take(arena, text.size);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.bytes[i];
        if (byte == '%' && text.size - i > 2) {
            int high = hex_digit_any(text.bytes[i + 1]);
            int low = hex_digit_any(text.bytes[i + 2]);
            if (high >= 0 && low >= 0) {
                byte = (uint8_t)(high << 4 | low);
                i += 2;
            }
        } else if (byte == '+') {
            byte = ' ';
        }
        decoded[size++] = byte;
    }
    return slice_of(decoded, size);
}

uint32_t wire_split_query(struct arena *arena, struct slice query,
                          struct wire_parameter *ret_parameters, uint32_t parameters_max) {
    uint32_t count = 0;
    while (query.size != 0) {
        const uint8_t *ampersand = memchr(query.bytes, '&', query.size);
        size_t size = ampersand == NULL ? query.size : (size_t)(ampersand - query.bytes);
        const uint8_t *equals = size == 0 ? NULL : memchr(query.bytes, '=', size);
        size_t name_size = equals == NULL ? size : (size_t)(equals - query.bytes);
        if (size != 0 && count < parameters_max) {
            struct slice value = equals == NULL ? SLICE("")
                                                : slice_of(equals + 1, size - name_size - 1);
            ret_parameters[count] = (struct wire_parameter){
                .name = percent_decode(arena, slice_of(query.bytes, name_size)),
                .value = percent_decode(arena, value),
            };
        }
        count += size != 0;
        size_t taken = ampersand == NULL ? size : size + 1;
        query = slice_of(query.bytes + taken, query.size - taken);
    }
    return count;
}

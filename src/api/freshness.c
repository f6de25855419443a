// SPDX-License-Identifier: MIT
// How old an answer may be. `Florin-Position` comes with the answer to a write and is opaque: who
// sends it with a read sees at least that write. `Cache-Control: max-age=N` allows an answer that
// is N seconds old, but never one that is older than what this node has written for the same key.
#include "api/parts.h"
#include "base/hex.h"

#include <stdio.h>

#define AGE_S_MAX UINT64_C(86400)
#define NOT_SAID  UINT64_MAX

// Two numbers in hexadecimal with a hyphen between them.
static bool parse_position(struct slice text, struct position *ret_position) {
    uint64_t numbers[2] = {0, 0};
    uint32_t digits[2] = {0, 0}, part = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '-' && part == 0) {
            part = 1;
            continue;
        }
        int digit = hex_digit(text.bytes[i]);
        if (digit < 0 || ++digits[part] > 16)
            return false;
        numbers[part] = numbers[part] << 4 | (uint64_t)digit;
    }
    *ret_position = (struct position){.epoch = numbers[0], .place = numbers[1]};
    return digits[0] != 0 && digits[1] != 0 && text.bytes[0] != '0';
}

void freshness_tell(struct http_request *request, struct position position) {
    char text[40];
    int size = snprintf(text, sizeof(text), "%llx-%llx", (unsigned long long)position.epoch,
                        (unsigned long long)position.place);
    http_add_header(request, "Florin-Position", slice_of(text, (size_t)size));
}

static bool directive_is(struct slice text, const char *name, struct slice *ret_argument) {
    size_t size = strlen(name);
    if (text.size < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = text.bytes[i];
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        if (byte != (uint8_t)name[i])
            return false;
    }
    *ret_argument = slice_of(text.bytes + size, text.size - size);
    return true;
}

static struct slice next_directive(struct slice *text) {
    const uint8_t *end = memchr(text->bytes, ',', text->size);
    size_t size = end == NULL ? text->size : (size_t)(end - text->bytes);
    struct slice one = slice_of(text->bytes, size);
    size_t used = end == NULL ? size : size + 1;
    *text = slice_of(text->bytes + used, text->size - used);
    while (one.size != 0 && (*one.bytes == ' ' || *one.bytes == '\t'))
        one = slice_of(one.bytes + 1, one.size - 1);
    while (one.size != 0 && (one.bytes[one.size - 1] == ' ' || one.bytes[one.size - 1] == '\t'))
        one.size--;
    return one;
}

// What a directive does not say in digits allows nothing, as caches must read it (RFC 9111, 4.2.1).
static uint64_t seconds_of(struct slice digits) {
    uint64_t seconds = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.bytes[i] < '0' || digits.bytes[i] > '9')
            return 0;
        seconds = seconds * 10 + (digits.bytes[i] - '0');
        if (seconds > AGE_S_MAX)
            seconds = AGE_S_MAX;
    }
    return seconds;
}

// Seconds that a Cache-Control header allows; 0: none, NOT_SAID: it says nothing of that.
static uint64_t allowed_age_s(struct slice header) {
    uint64_t age_s = NOT_SAID;
    struct slice argument;
    while (header.size != 0) {
        struct slice one = next_directive(&header);
        if (directive_is(one, "no-cache", &argument) || directive_is(one, "no-store", &argument))
            return 0;
        if (!directive_is(one, "max-age=", &argument))
            continue;
        uint64_t seconds = seconds_of(argument);
        age_s = seconds < age_s ? seconds : age_s;
    }
    return age_s;
}

bool freshness_of(struct asking *asking, struct freshness *ret_freshness) {
    const struct door_headers *headers = &asking->headers;
    *ret_freshness = (struct freshness){0};
    uint64_t age_s = allowed_age_s(headers->cache_control);
    ret_freshness->age_ms_max = age_s == NOT_SAID ? 0 : age_s * 1000;
    if (headers->position.bytes != NULL) {
        if (!parse_position(headers->position, &ret_freshness->after)) {
            struct wire_faults faults = {0};
            wire_fault_add(http_arena(asking->request), &faults, SLICE("/Florin-Position"),
                           SLICE("must be what came with an answer, unchanged"));
            answers_refuse_faults(asking, &faults);
            return false;
        }
        if (age_s == NOT_SAID)
            ret_freshness->age_ms_max = UINT64_MAX;
    }
    struct positions *positions = asking->loop->api->positions;
    if (ret_freshness->age_ms_max != 0 && positions != NULL) {
        struct position own = positions_get(positions, asking->principal.who);
        if (!position_is_none(own) && !position_reaches(ret_freshness->after, own))
            ret_freshness->after = own;
    }
    return true;
}

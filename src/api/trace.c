// SPDX-License-Identifier: MIT
// W3C Trace Context: where a request belongs in somebody's distributed trace. What is well-formed
// goes into the records that the request makes, and from there to Kafka; what is not is passed over
// as if it had not come, as the standard asks. Florin adds no span of its own.
#include "api/door.h"
#include "base/hex.h"
#include "base/limits.h"

#define PARENT_BYTES      55 // version, trace, parent, flags, with three dashes
#define STATE_MEMBERS_MAX 32

static bool is_hex(struct slice text, size_t from, size_t size) {
    bool is_zero = true;
    for (size_t i = from; i < from + size; i++) {
        int digit = hex_digit(text.bytes[i]);
        if (digit < 0)
            return false;
        is_zero = is_zero && digit == 0;
    }
    return size == 2 || !is_zero; // a trace or span of zeros is none
}

// Later versions may add something behind; what stands in front is read as today's.
static bool parent_is_valid(struct slice parent) {
    if (parent.size < PARENT_BYTES || parent.bytes[2] != '-' || parent.bytes[35] != '-' ||
        parent.bytes[52] != '-')
        return false;
    if (!is_hex(parent, 0, 2) || !is_hex(parent, 3, 32) || !is_hex(parent, 36, 16) ||
        !is_hex(parent, 53, 2) || memcmp(parent.bytes, "ff", 2) == 0)
        return false;
    bool is_present = memcmp(parent.bytes, "00", 2) == 0;
    return parent.size == PARENT_BYTES || (!is_present && parent.bytes[PARENT_BYTES] == '-');
}

static bool member_is_valid(struct slice member) {
    const uint8_t *equals = memchr(member.bytes, '=', member.size);
    size_t name = equals == NULL ? 0 : (size_t)(equals - member.bytes);
    if (name == 0 || name > 256 || member.size - name - 1 == 0 || member.size - name - 1 > 256)
        return false;
    for (size_t i = 0; i < name; i++) {
        uint8_t byte = member.bytes[i];
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        if (!is_plain && (i == 0 || memchr("_-*/@", byte, 5) == NULL))
            return false;
    }
    for (size_t i = name + 1; i < member.size; i++)
        if (member.bytes[i] < 0x20 || member.bytes[i] > 0x7e || member.bytes[i] == '=')
            return false;
    return true;
}

static struct slice trim(struct slice text) {
    while (text.size != 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t'))
        text = slice_of(text.bytes + 1, text.size - 1);
    while (text.size != 0 &&
           (text.bytes[text.size - 1] == ' ' || text.bytes[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static bool state_is_valid(struct slice state) {
    uint32_t count = 0;
    if (state.size == 0 || state.size > LIMIT_TRACE_STATE_BYTES_MAX)
        return false;
    while (state.size != 0) {
        const uint8_t *comma = memchr(state.bytes, ',', state.size);
        size_t size = comma == NULL ? state.size : (size_t)(comma - state.bytes);
        struct slice member = trim(slice_of(state.bytes, size));
        if (member.size != 0 && (!member_is_valid(member) || ++count > STATE_MEMBERS_MAX))
            return false;
        size_t taken = comma == NULL ? size : size + 1;
        state = slice_of(state.bytes + taken, state.size - taken);
    }
    return count != 0;
}

struct slice trace_of(const struct asking *asking, struct arena *arena) {
    struct slice parent = asking->headers.traceparent, state = asking->headers.tracestate;
    if (parent.size == 0 || !parent_is_valid(parent))
        return (struct slice){0};
    if (!state_is_valid(state))
        state.size = 0;
    size_t size = PARENT_BYTES + (state.size != 0 ? 1 + state.size : 0);
    uint8_t *text = arena_take(arena, size);
    memcpy(text, parent.bytes, PARENT_BYTES);
    if (state.size != 0) {
        text[PARENT_BYTES] = ' ';
        memcpy(text + PARENT_BYTES + 1, state.bytes, state.size);
    }
    return slice_of(text, size);
}

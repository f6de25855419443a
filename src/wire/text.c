// SPDX-License-Identifier: MIT
// Nearly all texts are short ASCII, so eight bytes are looked at together and only what may be a
// control character is looked at again.
#include "wire/text.h"

#include <stdint.h>

#include "wire/decode.h"

#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))

#define C1_LEAD 0xC2 // C1 controls are C2 80 to C2 9F in UTF-8

// Whether one of eight bytes is below 0x20, or 0x7F, or a C1's lead. Borrows may make a false yes
// of a byte's upper neighbour, never a false no.
static bool eight_may_have_control(uint64_t eight) {
    uint64_t low = (eight - EIGHT(0x20)) & ~eight;
    uint64_t delete = eight ^ EIGHT(0x7F);
    uint64_t lead = eight ^ EIGHT(C1_LEAD);
    delete = (delete - EIGHT(1)) & ~delete;
    lead = (lead - EIGHT(1)) & ~lead;
    return ((low | delete | lead) & EIGHT(0x80)) != 0;
}

static bool bytes_have_control(const uint8_t *bytes, size_t size, bool after_lead) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7F || (after_lead && bytes[i] < 0xA0))
            return true;
        after_lead = bytes[i] == C1_LEAD;
    }
    return false;
}

bool text_is_printable(struct slice text) {
    size_t at = 0;
    for (; text.size - at >= 8; at += 8) {
        uint64_t eight;
        memcpy(&eight, text.bytes + at, sizeof(eight));
        bool after_lead = at != 0 && text.bytes[at - 1] == C1_LEAD;
        if ((after_lead || eight_may_have_control(eight)) &&
            bytes_have_control(text.bytes + at, 8, after_lead))
            return false;
    }
    bool after_lead = at != 0 && text.bytes[at - 1] == C1_LEAD;
    return !bytes_have_control(text.bytes + at, text.size - at, after_lead);
}

static size_t text_character_count(struct slice text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.bytes[i] & 0xC0) != 0x80;
    return count;
}

bool text_is_valid(struct slice text) {
    if (text.size == 0 || !text_is_printable(text))
        return false;
    return text.size <= WIRE_TEXT_CHARACTERS_MAX ||
           text_character_count(text) <= WIRE_TEXT_CHARACTERS_MAX;
}

// The bytes of the character that begins with `lead`; 0 when none does. `ret_low` and `ret_high`
// bound its second byte, which is how overlong forms, surrogates and more than U+10FFFF show.
static size_t character_size(uint8_t lead, uint8_t *ret_low, uint8_t *ret_high) {
    *ret_low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *ret_high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

bool text_is_utf8(struct slice bytes) {
    for (size_t at = 0; at < bytes.size;) {
        uint64_t eight;
        if (bytes.size - at >= 8) {
            memcpy(&eight, bytes.bytes + at, sizeof(eight));
            if ((eight & EIGHT(0x80)) == 0) {
                at += 8;
                continue;
            }
        }
        uint8_t low, high;
        size_t size = character_size(bytes.bytes[at], &low, &high);
        if (size == 0 || bytes.size - at < size)
            return false;
        if (size > 1 && (bytes.bytes[at + 1] < low || bytes.bytes[at + 1] > high))
            return false;
        for (size_t i = 2; i < size; i++)
            if ((bytes.bytes[at + i] & 0xC0) != 0x80)
                return false;
        at += size;
    }
    return true;
}

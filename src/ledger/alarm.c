// SPDX-License-Identifier: MIT
// Alarms and decisions, one after the other.
#include "ledger/alarm.h"

#include <string.h>

#include "base/check.h"
#include "base/hash.h"

static const char wallet_prefix[] = "wallet_";
#define WALLET_WORD_BYTES (sizeof(wallet_prefix) - 1 + 26) // without a comma or such behind it

static bool names_wallet(struct slice word) {
    size_t size = sizeof(wallet_prefix) - 1;
    return word.size >= WALLET_WORD_BYTES && memcmp(word.bytes, wallet_prefix, size) == 0;
}

static struct slice next_word(struct slice *rest) {
    size_t size = 0;
    while (size < rest->size && rest->bytes[size] != ' ')
        size++;
    struct slice word = slice_of(rest->bytes, size);
    size += size < rest->size; // the blank
    *rest = slice_of(rest->bytes + size, rest->size - size);
    return word;
}

static struct slice without_advice(struct slice message) {
    const void *end = message.size == 0 ? NULL : memchr(message.bytes, ';', message.size);
    if (end == NULL)
        return message;
    return slice_of(message.bytes, (size_t)((const uint8_t *)end - (const uint8_t *)message.bytes));
}

uint64_t alarm_difference(struct slice message) {
    uint64_t hash = 0;
    bool has_wallet = false;
    CHECK(message.size <= ALARM_BYTES_MAX);
    for (struct slice rest = message; rest.size != 0;) {
        struct slice word = next_word(&rest);
        if (names_wallet(word)) {
            hash = hash64(slice_of(word.bytes, WALLET_WORD_BYTES), hash);
            has_wallet = true;
        }
    }
    if (!has_wallet)
        hash = hash64(without_advice(message), 0);
    return hash == 0 ? 1 : hash;
}

static uint32_t place_of(const struct alarm_state *state, uint64_t difference) {
    uint32_t place = 0;
    CHECK(difference != 0);
    while (place < ALARM_DIFFERENCES && state->differences[place] != difference)
        place++;
    return place;
}

bool alarm_is_known(const struct alarm_state *state, uint64_t difference) {
    return place_of(state, difference) < ALARM_DIFFERENCES;
}

bool alarm_is_decided(const struct alarm_state *state, uint64_t difference) {
    CHECK(state->stopped <= 1);
    return state->stopped == 0 && alarm_is_known(state, difference);
}

void alarm_take(struct alarm_state *state, const struct alarm_facts *facts) {
    CHECK(facts->status <= ALARM_RESUMED);
    if (facts->status == ALARM_RESUMED)
        state->stopped = 0;
    if (facts->status == ALARM_RIGHT_AGAIN)
        memset(state->differences, 0, sizeof(state->differences));
    if (facts->status != ALARM_DIFFERS || !facts->stops)
        return;
    uint64_t difference = alarm_difference(facts->message);
    uint32_t place = place_of(state, difference);
    if (place == ALARM_DIFFERENCES)
        place--; // the oldest makes room
    memmove(state->differences + 1, state->differences, place * sizeof(state->differences[0]));
    state->differences[0] = difference;
    state->stopped = 1;
}

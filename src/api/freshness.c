// SPDX-License-Identifier: MIT
// How old an answer may be. `Florin-Position` comes with the answer to a write and is opaque: who
// sends it with a read sees at least that write. `Cache-Control: max-age=N` allows an answer that
// is N seconds old, but never one that is older than what this node has written for the same key.
//
// A position is `epoch-place`; of books on several servers `shard:slots:epoch-place` for each that
// was written on, with a point between them; all in hexadecimal.
#include <stdio.h>

#include "api/answers.h"
#include "api/door.h"
#include "api/loop.h"
#include "api/positions.h"
#include "base/hex.h"

#define AGE_S_MAX UINT64_C(86400)
#define NOT_SAID  UINT64_MAX

// A number in hexadecimal, up to `end` or the end of the text.
static bool take_number(struct slice *text, uint8_t end, uint64_t *ret_number) {
    uint32_t digits = 0;
    *ret_number = 0;
    for (; text->size != 0 && text->bytes[0] != end; text->bytes++, text->size--) {
        int digit = hex_digit(text->bytes[0]);
        if (digit < 0 || ++digits > 16)
            return false;
        *ret_number = *ret_number << 4 | (uint64_t)digit;
    }
    if (text->size != 0) {
        text->bytes++;
        text->size--;
        return digits != 0 && (end != '.' || text->size != 0);
    }
    return digits != 0 && end == '.';
}

static bool take_place(struct slice *text, struct standing_place *ret_place) {
    const uint8_t *end = memchr(text->bytes, '.', text->size);
    size_t size = end == NULL ? text->size : (size_t)(end - text->bytes);
    uint64_t shard = 0;
    *ret_place = (struct standing_place){0};
    if (memchr(text->bytes, ':', size) != NULL &&
        (!take_number(text, ':', &shard) || shard == 0 || shard > UINT32_MAX ||
         !take_number(text, ':', &ret_place->slots) || ret_place->slots == 0))
        return false;
    ret_place->shard = (uint32_t)shard;
    return text->size != 0 && text->bytes[0] != '0' &&
           take_number(text, '-', &ret_place->position.epoch) &&
           take_number(text, '.', &ret_place->position.place);
}

static bool parse_stand(struct slice text, struct standing *standing) {
    if (text.size == 0)
        return false;
    while (text.size != 0) {
        struct standing_place place;
        if (!take_place(&text, &place) || !standing_raise(standing, &place))
            return false;
    }
    return true;
}

#define PLACE_BYTES 64 // 8, 16, 16 and 16 digits with what is between them

void freshness_tell(struct http_request *request, const struct standing *standing) {
    char text[STANDING_PLACES_MAX * PLACE_BYTES];
    size_t size = 0;
    for (uint32_t i = 0; i < standing->count; i++) {
        const struct standing_place *place = &standing->places[i];
        char *at = text + size;
        if (place->shard != 0)
            size += (size_t)snprintf(at, PLACE_BYTES, "%s%x:%llx:", i == 0 ? "" : ".",
                                     place->shard, (unsigned long long)place->slots);
        size += (size_t)snprintf(text + size, PLACE_BYTES, "%llx-%llx",
                                 (unsigned long long)place->position.epoch,
                                 (unsigned long long)place->position.place);
    }
    http_add_header(request, "Florin-Position", slice_of(text, size));
}

void freshness_keep(struct freshness *freshness, struct arena *arena) {
    if (freshness->standing == NULL)
        return;
    struct standing *own = arena_take(arena, sizeof(*own));
    *own = *freshness->standing;
    freshness->standing = own;
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

// Of books on one server there is one place, else the engine finds its own.
static void take_stand(const struct standing *standing, struct freshness *freshness) {
    if (standing->count == 1 && standing->places[0].shard == 0)
        freshness->after = standing->places[0].position;
    else if (standing->count != 0)
        freshness->standing = standing;
}

bool freshness_of(struct asking *asking, struct freshness *ret_freshness) {
    const struct door_headers *headers = &asking->headers;
    *ret_freshness = (struct freshness){0};
    uint64_t age_s = allowed_age_s(headers->cache_control);
    ret_freshness->age_ms_max = age_s == NOT_SAID ? 0 : age_s * 1000;
    if (headers->position.bytes == NULL && ret_freshness->age_ms_max == 0)
        return true;
    struct standing *standing = &asking->standing;
    standing->count = 0;
    if (headers->position.bytes != NULL) {
        if (!parse_stand(headers->position, standing)) {
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
    if (ret_freshness->age_ms_max != 0 && positions != NULL &&
        !positions_get(positions, asking->principal.who, standing))
        ret_freshness->age_ms_max = 0; // more shards than can be said: as of now
    take_stand(standing, ret_freshness);
    return true;
}

// SPDX-License-Identifier: MIT
// Ids are made, opened, written and read several times per payment, so nothing here branches per
// digit: texts are written ten bits at a time from a table of pairs, and read sixteen digits at a
// time through tables whose bad digits are noticed together at the end.
//
// Sealing. With T = time (48 bits) and slot (10 bits), and the keyed mix h(T), the sealed half is
//     E(block ^ h(T)) ^ h(T),   block = locator (48 bits) above 16 zero bits,
// where E is Speck64/128. The mix stands on both sides (Liskov, Rivest, Wagner: "Tweakable block
// ciphers") and its two words are made from the key, so that neither the same locator at other
// times nor a chosen time or slot shows anything about another id.
//
// 1. An id of this file has version 7 and variant 10; id_parse refuses all others.
// 2. id_open succeeds if and only if the low 16 bits of the opened half are zero.
// 3. Tokens use the same permutation with a T that no id has (its highest bit is set).
#include "base/id.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/speck.h"

_Static_assert(sizeof(((struct id_seal *)0)->round_keys) == SPECK_ROUNDS * sizeof(uint32_t),
               "one key a round");
_Static_assert(LIMIT_SLOTS == 1024, "an id has ten bits for the slot");

#define ID_TIME_MS_MAX ((UINT64_C(1) << 48) - 1)
#define ID_CHECK_BITS 16
#define ID_TWEAK_OF_TOKENS (UINT64_C(1) << 63)

#define ID_SEALED_LOW_BITS 62
#define ID_SEALED_LOW_MASK ((UINT64_C(1) << ID_SEALED_LOW_BITS) - 1)
#define ID_VERSION_BITS (UINT64_C(7) << 12) // of the high half
#define ID_VERSION_MASK (UINT64_C(15) << 12)
#define ID_VARIANT_BITS (UINT64_C(2) << ID_SEALED_LOW_BITS) // of the low half
#define ID_VARIANT_MASK (UINT64_C(3) << ID_SEALED_LOW_BITS)

#define ID_DIGIT_GOOD 32

// The two digits of ten bits.
#define ID_PAIRS(first)                                                                           \
    {first, '0'}, {first, '1'}, {first, '2'}, {first, '3'}, {first, '4'}, {first, '5'},           \
    {first, '6'}, {first, '7'}, {first, '8'}, {first, '9'}, {first, 'a'}, {first, 'b'},           \
    {first, 'c'}, {first, 'd'}, {first, 'e'}, {first, 'f'}, {first, 'g'}, {first, 'h'},           \
    {first, 'j'}, {first, 'k'}, {first, 'm'}, {first, 'n'}, {first, 'p'}, {first, 'q'},           \
    {first, 'r'}, {first, 's'}, {first, 't'}, {first, 'v'}, {first, 'w'}, {first, 'x'},           \
    {first, 'y'}, {first, 'z'}

static const char id_digit_pairs[1024][2] = {
    ID_PAIRS('0'), ID_PAIRS('1'), ID_PAIRS('2'), ID_PAIRS('3'), ID_PAIRS('4'), ID_PAIRS('5'),
    ID_PAIRS('6'), ID_PAIRS('7'), ID_PAIRS('8'), ID_PAIRS('9'), ID_PAIRS('a'), ID_PAIRS('b'),
    ID_PAIRS('c'), ID_PAIRS('d'), ID_PAIRS('e'), ID_PAIRS('f'), ID_PAIRS('g'), ID_PAIRS('h'),
    ID_PAIRS('j'), ID_PAIRS('k'), ID_PAIRS('m'), ID_PAIRS('n'), ID_PAIRS('p'), ID_PAIRS('q'),
    ID_PAIRS('r'), ID_PAIRS('s'), ID_PAIRS('t'), ID_PAIRS('v'), ID_PAIRS('w'), ID_PAIRS('x'),
    ID_PAIRS('y'), ID_PAIRS('z'),
};

// A digit's value with ID_DIGIT_GOOD set; all other bytes have 0, so one look at the end finds any
// of them.
static const uint8_t id_digit_values[256] = {
    ['0'] = 32, ['1'] = 33, ['2'] = 34, ['3'] = 35, ['4'] = 36, ['5'] = 37, ['6'] = 38, ['7'] = 39,
    ['8'] = 40, ['9'] = 41, ['a'] = 42, ['b'] = 43, ['c'] = 44, ['d'] = 45, ['e'] = 46, ['f'] = 47,
    ['g'] = 48, ['h'] = 49, ['j'] = 50, ['k'] = 51, ['m'] = 52, ['n'] = 53, ['p'] = 54, ['q'] = 55,
    ['r'] = 56, ['s'] = 57, ['t'] = 58, ['v'] = 59, ['w'] = 60, ['x'] = 61, ['y'] = 62, ['z'] = 63,
};

// Sixteen digits at once.
typedef uint8_t id_sixteen __attribute__((vector_size(16)));

struct id_type_facts {
    char prefix[8];     // with a terminating zero
    char beginning[8];  // with "_", not terminated
    size_t size;        // of the beginning
};

#define ID_TYPE(text) {.prefix = text, .beginning = text "_", .size = sizeof(text)}

static const struct id_type_facts id_types[ID_TYPE_COUNT] = {
    [ID_WALLET] = ID_TYPE("wallet"), [ID_APPROVAL] = ID_TYPE("apr"),
    [ID_ANOMALY] = ID_TYPE("anm"),
    [ID_TRANSACTION] = ID_TYPE("txn"), [ID_HOLD] = ID_TYPE("hold"),
    [ID_WITHDRAWAL] = ID_TYPE("wdl"), [ID_KEY] = ID_TYPE("key"),
};

// Both halves with the most significant byte first.
struct id_halves {
    uint64_t high;
    uint64_t low;
};

static uint64_t id_load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return __builtin_bswap64(word);
}

static struct id_halves id_halves_of(struct id id) {
    return (struct id_halves){.high = id_load(id.bytes), .low = id_load(id.bytes + 8)};
}

static struct id id_of_halves(struct id_halves halves) {
    struct id id;
    uint64_t words[2] = {__builtin_bswap64(halves.high), __builtin_bswap64(halves.low)};
    memcpy(id.bytes, words, sizeof(id.bytes));
    return id;
}

struct id_seal id_seal_make(const uint8_t key[16]) {
    struct id_seal seal;
    speck_expand(key, seal.round_keys);
    // Blocks that no id seals: their low 16 bits are not zero.
    seal.tweak_add = speck_seal(seal.round_keys, 1);
    seal.tweak_multiply = speck_seal(seal.round_keys, 2) | 1;
    return seal;
}

// A keyed mix: the two halves of a 128-bit product, folded, so that every bit of the tweak reaches
// every bit.
static uint64_t id_mix(const struct id_seal *seal, uint64_t tweak) {
    unsigned __int128 product = (unsigned __int128)(tweak ^ seal->tweak_add) * seal->tweak_multiply;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t id_seal_block(const struct id_seal *seal, uint64_t tweak, uint64_t block) {
    uint64_t mix = id_mix(seal, tweak);
    return speck_seal(seal->round_keys, block ^ mix) ^ mix;
}

static uint64_t id_open_block(const struct id_seal *seal, uint64_t tweak, uint64_t sealed) {
    uint64_t mix = id_mix(seal, tweak);
    return speck_open(seal->round_keys, sealed ^ mix) ^ mix;
}

struct id id_make(const struct id_seal *seal, uint64_t time_ms, uint32_t slot, uint64_t locator) {
    CHECK(time_ms <= ID_TIME_MS_MAX);
    CHECK(slot < LIMIT_SLOTS);
    CHECK(locator <= ID_LOCATOR_MAX);
    uint64_t sealed = id_seal_block(seal, time_ms << 10 | slot, locator << ID_CHECK_BITS);
    return id_of_halves((struct id_halves){
        .high = time_ms << 16 | ID_VERSION_BITS | (uint64_t)slot << 2 |
                sealed >> ID_SEALED_LOW_BITS,
        .low = ID_VARIANT_BITS | (sealed & ID_SEALED_LOW_MASK),
    });
}

bool id_open(const struct id_seal *seal, struct id id, uint64_t *ret_locator) {
    struct id_halves halves = id_halves_of(id);
    uint64_t time_ms = halves.high >> 16;
    uint64_t slot = halves.high >> 2 & (LIMIT_SLOTS - 1);
    uint64_t sealed = halves.high << ID_SEALED_LOW_BITS | (halves.low & ID_SEALED_LOW_MASK);
    uint64_t block = id_open_block(seal, time_ms << 10 | slot, sealed);
    if ((block & ((UINT64_C(1) << ID_CHECK_BITS) - 1)) != 0)
        return false;
    *ret_locator = block >> ID_CHECK_BITS;
    return true;
}

uint64_t id_time_ms(struct id id) {
    return id_load(id.bytes) >> 16;
}

uint32_t id_slot(struct id id) {
    return (uint32_t)(id_load(id.bytes) >> 2) & (LIMIT_SLOTS - 1);
}

uint32_t id_slot_of_owner(struct slice owner) {
    return (uint32_t)(hash64(owner, 0) % LIMIT_SLOTS);
}

const char *id_prefix(enum id_type type) {
    CHECK((unsigned)type < ID_TYPE_COUNT);
    return id_types[type].prefix;
}

size_t id_format(enum id_type type, struct id id, char ret_text[ID_TEXT_BYTES_MAX]) {
    CHECK((unsigned)type < ID_TYPE_COUNT);
    const struct id_type_facts *facts = &id_types[type];
    struct id_halves halves = id_halves_of(id);
    char *digits = ret_text + facts->size;
    // Always eight bytes, because that is one store; the digits are written over what is too much.
    memcpy(ret_text, facts->beginning, sizeof(facts->beginning));
    // 8, 60 and 60 bits, so that no pair waits for the one before it.
    uint64_t middle = halves.high << 4 | halves.low >> 60;
    memcpy(digits, id_digit_pairs[halves.high >> 56], 2);
    for (unsigned pair = 0; pair < 6; pair++) {
        unsigned shift = 50 - 10 * pair;
        memcpy(digits + 2 + 2 * pair, id_digit_pairs[middle >> shift & 1023], 2);
        memcpy(digits + 14 + 2 * pair, id_digit_pairs[halves.low >> shift & 1023], 2);
    }
    return facts->size + ID_DIGITS;
}

// Sixteen digits as two numbers of 40 bits, the first eight first. False: one of them is none.
static bool id_read_sixteen(const uint8_t *digits, uint64_t ret_eights[2]) {
    // By the lower half of a character; 0 for what is no digit.
    static const id_sixteen of_3 = {32, 33, 34, 35, 36, 37, 38, 39, 40, 41};
    static const id_sixteen of_6 = {0, 42, 43, 44, 45, 46, 47, 48, 49, 0, 50, 51, 0, 52, 53, 0};
    static const id_sixteen of_7 = {54, 55, 56, 57, 58, 0, 59, 60, 61, 62, 63};
    id_sixteen text;
    memcpy(&text, digits, sizeof(text));
    id_sixteen low = text & 15, high = text & 0xF0;
    id_sixteen values = ((id_sixteen)(high == 0x30) & __builtin_shuffle(of_3, low)) |
                        ((id_sixteen)(high == 0x60) & __builtin_shuffle(of_6, low)) |
                        ((id_sixteen)(high == 0x70) & __builtin_shuffle(of_7, low));
    uint64_t bad[2], eights[2];
    id_sixteen missing = (values & ID_DIGIT_GOOD) ^ ID_DIGIT_GOOD;
    memcpy(bad, &missing, sizeof(bad));
    values &= 31;
    memcpy(eights, &values, sizeof(eights));
    for (int i = 0; i < 2; i++) { // neighbours are joined: 8 of 5 bits, 4 of 10, 2 of 20, 1 of 40
        uint64_t eight = eights[i];
        eight = (eight & UINT64_C(0x00FF00FF00FF00FF)) << 5 |
                (eight >> 8 & UINT64_C(0x00FF00FF00FF00FF));
        eight = (eight & UINT64_C(0x0000FFFF0000FFFF)) << 10 |
                (eight >> 16 & UINT64_C(0x0000FFFF0000FFFF));
        ret_eights[i] = (eight & UINT64_C(0xFFFFFFFF)) << 20 | eight >> 32;
    }
    return (bad[0] | bad[1]) == 0;
}

bool id_parse(enum id_type type, struct slice text, struct id *ret_id) {
    CHECK((unsigned)type < ID_TYPE_COUNT);
    const struct id_type_facts *facts = &id_types[type];
    if (text.size != facts->size + ID_DIGITS)
        return false;
    if (memcmp(text.bytes, facts->beginning, facts->size) != 0)
        return false;
    const uint8_t *digits = text.bytes + facts->size;
    uint64_t early[2], late[2]; // digits 0 to 7 and 8 to 15; 10 to 17 and 18 to 25
    bool good = id_read_sixteen(digits, early);
    good &= id_read_sixteen(digits + 10, late);
    struct id_halves halves = {
        .high = early[0] << 26 | early[1] >> 14,
        .low = early[1] << 50 | (late[0] & 1023) << 40 | late[1],
    };
    // 26 digits hold 130 bits; an id has 128.
    bool fits = digits[0] <= '7';
    if (!good || !fits || (halves.high & ID_VERSION_MASK) != ID_VERSION_BITS ||
        (halves.low & ID_VARIANT_MASK) != ID_VARIANT_BITS)
        return false;
    *ret_id = id_of_halves(halves);
    return true;
}

void id_token_format(const struct id_seal *seal, uint64_t value, char ret_text[ID_TOKEN_BYTES]) {
    uint64_t rest = id_seal_block(seal, ID_TWEAK_OF_TOKENS, value);
    for (int pair = 5; pair >= 0; pair--) {
        memcpy(ret_text + 1 + 2 * pair, id_digit_pairs[rest & 1023], 2);
        rest >>= 10;
    }
    ret_text[0] = id_digit_pairs[rest][1]; // the four bits that are left
}

bool id_token_parse(const struct id_seal *seal, struct slice text, uint64_t *ret_value) {
    // 13 digits hold 65 bits; a token has 64, so its first digit is one of the lower half.
    if (text.size != ID_TOKEN_BYTES || text.bytes[0] > 'f')
        return false;
    unsigned good = ID_DIGIT_GOOD;
    uint64_t sealed = 0;
    for (int i = 0; i < ID_TOKEN_BYTES; i++) {
        unsigned digit = id_digit_values[text.bytes[i]];
        good &= digit;
        sealed = sealed << 5 | (digit & 31);
    }
    if (good == 0)
        return false;
    *ret_value = id_open_block(seal, ID_TWEAK_OF_TOKENS, sealed);
    return true;
}

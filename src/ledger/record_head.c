// SPDX-License-Identifier: MIT
// Writing heads short, and reading them again. Both loops are made for the processor: what a word
// costs is a few instructions and no branch that it could guess wrong.
#include "ledger/record_head.h"

#include "ledger/request.h"

#define ID_DIGIT_VERSION UINT64_C(0x7000)
#define ADDRESS_MAPPED   UINT64_C(0x0000ffff00000000) // ::ffff:0:0/96, its second half

// ---- what stands where ------------------------------------------------------------------------

static size_t facts_at(uint8_t flags) {
    return sizeof(struct frame) + ((flags & FLAG_KEY) != 0 ? sizeof(struct digests_bytes) : 0) +
           ((flags & FLAG_SPENT) != 0 ? sizeof(struct spent_bytes) : 0);
}

static size_t subject_at(uint8_t flags, size_t facts) {
    return facts + sizeof(struct transaction_bytes) +
           ((flags & FLAG_EXTERNAL) != 0 ? sizeof(struct external_bytes) : 0);
}

size_t record_head_size(uint8_t kind, uint8_t flags) {
    static const uint8_t facts_bytes[] = {
        [RECORD_WALLET] = sizeof(struct wallet_bytes),
        [RECORD_TRANSACTION] = sizeof(struct transaction_bytes),
        [RECORD_HOLD] = sizeof(struct hold_bytes),
        [RECORD_WITHDRAWAL] = sizeof(struct withdrawal_bytes),
        [RECORD_KEY] = sizeof(struct key_bytes),
        [RECORD_REFUSAL] = sizeof(struct refusal_bytes),
        [RECORD_BATCH] = sizeof(struct batch_bytes),
        [RECORD_PARKED] = sizeof(struct parked_bytes),
        [RECORD_NOTES] = sizeof(struct notes_bytes),
        [RECORD_DATA_KEY] = sizeof(struct data_key_bytes),
        [RECORD_CURSOR] = sizeof(struct cursor_bytes),
        [RECORD_RULES] = sizeof(struct rules_bytes),
        [RECORD_ALARM] = sizeof(struct alarm_bytes),
    };
    size_t facts = facts_at(flags);
    if (kind >= sizeof(facts_bytes) || facts_bytes[kind] == 0)
        return 0;
    if (kind != RECORD_TRANSACTION)
        return facts + facts_bytes[kind];
    return subject_at(flags, facts) +
           ((flags & FLAG_SUBJECT) != 0 ? sizeof(struct subject_bytes) : 0);
}

uint32_t record_head_positions(uint8_t kind, uint8_t flags, size_t ret_places[HEAD_POSITIONS_MAX]) {
    size_t facts = facts_at(flags);
    uint32_t count = 0;
    switch ((enum record_kind)kind) {
    case RECORD_TRANSACTION: {
        size_t debit = facts + offsetof(struct transaction_bytes, debit);
        size_t credit = facts + offsetof(struct transaction_bytes, credit);
        ret_places[count++] = debit + offsetof(struct side_bytes, previous);
        ret_places[count++] = debit + offsetof(struct side_bytes, skip);
        ret_places[count++] = credit + offsetof(struct side_bytes, previous);
        ret_places[count++] = credit + offsetof(struct side_bytes, skip);
        if ((flags & FLAG_SUBJECT) != 0)
            ret_places[count++] =
                subject_at(flags, facts) + offsetof(struct subject_bytes, opening);
        break;
    }
    case RECORD_HOLD: ret_places[count++] = facts + offsetof(struct hold_bytes, opening); break;
    case RECORD_WITHDRAWAL:
        ret_places[count++] = facts + offsetof(struct withdrawal_bytes, opening);
        break;
    case RECORD_PARKED: ret_places[count++] = facts + offsetof(struct parked_bytes, opening); break;
    default: break;
    }
    CHECK(count <= HEAD_POSITIONS_MAX);
    return count;
}

enum { HEAD_IDS_MAX = 5 };

// Where ids stand. Returns how many.
static uint32_t head_ids(uint8_t kind, uint8_t flags, size_t ret_places[HEAD_IDS_MAX]) {
    size_t facts = facts_at(flags);
    uint32_t count = 0;
    switch ((enum record_kind)kind) {
    case RECORD_TRANSACTION:
        ret_places[count++] = facts + offsetof(struct transaction_bytes, id);
        ret_places[count++] = facts + offsetof(struct transaction_bytes, debit.wallet);
        ret_places[count++] = facts + offsetof(struct transaction_bytes, credit.wallet);
        if ((flags & FLAG_SUBJECT) != 0)
            ret_places[count++] =
                subject_at(flags, facts) + offsetof(struct subject_bytes, subject);
        break;
    case RECORD_WALLET: ret_places[count++] = facts + offsetof(struct wallet_bytes, id); break;
    case RECORD_HOLD:
        ret_places[count++] = facts + offsetof(struct hold_bytes, id);
        ret_places[count++] = facts + offsetof(struct hold_bytes, wallet);
        ret_places[count++] = facts + offsetof(struct hold_bytes, merchant);
        break;
    case RECORD_WITHDRAWAL:
        ret_places[count++] = facts + offsetof(struct withdrawal_bytes, id);
        ret_places[count++] = facts + offsetof(struct withdrawal_bytes, wallet);
        break;
    case RECORD_KEY: ret_places[count++] = facts + offsetof(struct key_bytes, id); break;
    case RECORD_REFUSAL:
        ret_places[count++] = facts + offsetof(struct refusal_bytes, id);
        ret_places[count++] = facts + offsetof(struct refusal_bytes, other);
        break;
    case RECORD_PARKED:
        ret_places[count++] = facts + offsetof(struct parked_bytes, id);
        ret_places[count++] = facts + offsetof(struct parked_bytes, wallet);
        ret_places[count++] = facts + offsetof(struct parked_bytes, result);
        ret_places[count++] = facts + offsetof(struct parked_bytes, refusal.id);
        ret_places[count++] = facts + offsetof(struct parked_bytes, refusal.other);
        break;
    default: break;
    }
    CHECK(count <= HEAD_IDS_MAX);
    return count;
}

// ---- folding ----------------------------------------------------------------------------------

// Its own inverse: 0 stays 0, and what is foretold becomes 0 only where that is no loss.
static uint64_t differ(uint64_t word, uint64_t foretold) {
    return word == 0 || word == foretold ? word : word ^ foretold;
}

// The plain digest of free texts that are not there follows from the rest.
static void fold_digest(struct head *head) {
    if ((head->frame.flags & (FLAG_KEY | FLAG_SEALED)) != FLAG_KEY)
        return;
    uint8_t *request = head->bytes + sizeof(head->frame) + offsetof(struct digests_bytes, request);
    uint64_t low = word_load(request + offsetof(struct digest128, low));
    uint8_t *high = request + offsetof(struct digest128, high);
    word_store(high, word_load(high) ^ request_textless(low));
}

static uint64_t id_foretold(const struct head *head) {
    return head->frame.time_ms << 16 | ID_DIGIT_VERSION;
}

static void fold(struct head *head) {
    size_t places[HEAD_IDS_MAX], positions[HEAD_POSITIONS_MAX];
    uint8_t kind = head->frame.kind, flags = head->frame.flags;
    uint64_t foretold = id_foretold(head);
    uint8_t *address = head->frame.address;
    word_store(address, __builtin_bswap64(word_load(address)));
    word_store(address + 8, differ(__builtin_bswap64(word_load(address + 8)), ADDRESS_MAPPED));
    fold_digest(head);
    for (uint32_t i = 0, count = head_ids(kind, flags, places); i < count; i++) {
        uint8_t *id = head->bytes + places[i];
        word_store(id, differ(__builtin_bswap64(word_load(id)), foretold));
    }
    for (uint32_t i = 0, count = record_head_positions(kind, flags, positions); i < count; i++) {
        uint8_t *position = head->bytes + positions[i];
        uint64_t word = word_load(position);
        word_store(position, word >> 3 | word << 61);
    }
}

static void unfold(struct head *head) {
    size_t places[HEAD_IDS_MAX], positions[HEAD_POSITIONS_MAX];
    uint8_t kind = head->frame.kind, flags = head->frame.flags;
    uint64_t foretold = id_foretold(head);
    uint8_t *address = head->frame.address;
    word_store(address, __builtin_bswap64(word_load(address)));
    word_store(address + 8, __builtin_bswap64(differ(word_load(address + 8), ADDRESS_MAPPED)));
    fold_digest(head);
    for (uint32_t i = 0, count = head_ids(kind, flags, places); i < count; i++) {
        uint8_t *id = head->bytes + places[i];
        word_store(id, __builtin_bswap64(differ(word_load(id), foretold)));
    }
    for (uint32_t i = 0, count = record_head_positions(kind, flags, positions); i < count; i++) {
        uint8_t *position = head->bytes + positions[i];
        uint64_t word = word_load(position);
        word_store(position, word << 3 | word >> 61);
    }
}

// ---- shortening -------------------------------------------------------------------------------

static unsigned word_bytes(uint64_t word) {
    return word == 0 ? 0 : (71 - (unsigned)__builtin_clzll(word)) / 8;
}

size_t record_head_write(struct head *head, uint8_t *place) {
    size_t words = (head->size - HEAD_FRONT_BYTES) / 8;
    CHECK(head->size == record_head_size(head->frame.kind, head->frame.flags));
    fold(head);
    word_store(head->bytes + head->size, 0);
    const uint8_t *word = head->bytes + HEAD_FRONT_BYTES;
    uint8_t *lengths = place + HEAD_FRONT_BYTES, *bytes = lengths + (words + 1) / 2;
    for (size_t i = 0; i < words; i += 2, word += 16) {
        uint64_t first = word_load(word), second = word_load(word + 8);
        unsigned first_bytes = word_bytes(first), second_bytes = word_bytes(second);
        *lengths++ = (uint8_t)(first_bytes | second_bytes << 4);
        word_store(bytes, first);
        word_store(bytes + first_bytes, second);
        bytes += first_bytes + second_bytes;
    }
    size_t size = (size_t)(bytes - place);
    memcpy(place, head->bytes, offsetof(struct frame, head_bytes));
    uint16_t head_bytes = (uint16_t)(size - HEAD_FRONT_BYTES);
    memcpy(place + offsetof(struct frame, head_bytes), &head_bytes, sizeof(head_bytes));
    return size;
}

#define PAIR_BYTES_READ 24 // of two words, whatever their lengths claim to be

static const uint64_t short_masks[16] = {0,          0xff,         0xffff,         0xffffff,
                                         0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
                                         UINT64_MAX};

// Two words whose bytes may be the last of all. False: they do not fit.
static bool read_last(const uint8_t *place, const uint8_t *end, unsigned first, unsigned second,
                      uint8_t *ret_words) {
    if (first > 8 || second > 8 || end - place < (ptrdiff_t)(first + second))
        return false;
    memset(ret_words, 0, 16);
    memcpy(ret_words, place, first);
    memcpy(ret_words + 8, place + first, second);
    return true;
}

const char *record_head_read(struct slice bytes, struct head *ret_head) {
    struct frame front;
    if (bytes.size < HEAD_FRONT_BYTES)
        return "R1: the size is not one of a record";
    memcpy(&front, bytes.bytes, HEAD_FRONT_BYTES);
    size_t size = record_head_size(front.kind, front.flags);
    if (size == 0)
        return "R3: a record of no kind";
    if (front.zero != 0)
        return "R3: a byte of no meaning";
    size_t words = (size - HEAD_FRONT_BYTES) / 8;
    const uint8_t *lengths = bytes.bytes + HEAD_FRONT_BYTES, *place = lengths + (words + 1) / 2;
    const uint8_t *end = lengths + front.head_bytes, *all = bytes.bytes + bytes.size;
    if (front.head_bytes < (words + 1) / 2 || front.head_bytes > all - lengths)
        return "R4: the head does not fit";
    uint8_t *word = ret_head->bytes + HEAD_FRONT_BYTES;
    unsigned wrong = 0;
    for (size_t i = 0; i < words; i += 2, word += 16) {
        unsigned first = *lengths & 15u, second = *lengths >> 4;
        lengths++;
        wrong |= (first + 7) | (second + 7); // 16 and more: a length above 8
        if (__builtin_expect(all - place >= PAIR_BYTES_READ, 1)) {
            word_store(word, word_load(place) & short_masks[first]);
            word_store(word + 8, word_load(place + first) & short_masks[second]);
        } else if (!read_last(place, end, first, second, word)) {
            return "R4: a word of the head does not fit";
        }
        place += first + second;
    }
    if (wrong > 15 || place != end)
        return "R4: the head is not as long as its words";
    if (words % 2 != 0 && word_load(ret_head->bytes + size) != 0)
        return "R4: a word more than there is";
    memcpy(ret_head->bytes, bytes.bytes, HEAD_FRONT_BYTES);
    ret_head->size = size;
    unfold(ret_head);
    return NULL;
}

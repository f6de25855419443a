// SPDX-License-Identifier: MIT
// Private to the codec: the fixed parts of a record, word for word (record.c says in which order).
#pragma once
#include <assert.h>

#include "ledger/record.h"

struct digests_bytes {
    struct digest128 key, request;
};
static_assert(sizeof(struct digests_bytes) == 32, "");

// If flag 32, behind the key: what the payer has spent after it (spending.h).
struct spent_bytes {
    uint64_t version;
    uint32_t day, zero;
    int64_t day_sum, month_sum;
};
static_assert(sizeof(struct spent_bytes) == 32, "");

struct wallet_bytes {
    struct id id;
    uint8_t exponent, kind_and_tier, status, unchanged; // kind | tier << 4
    char code[12];
    int64_t balance, held, credit_limit;
    uint64_t version;
};
static_assert(sizeof(struct wallet_bytes) == 64, "");

// Written and read in place, where they stand in a head (record_head.h).
struct __attribute__((may_alias)) side_bytes {
    struct id wallet;
    int64_t balance, held;
    uint64_t version, previous, skip;
    uint32_t number, reserved;
};
static_assert(sizeof(struct side_bytes) == 64, "");

struct __attribute__((may_alias)) transaction_bytes {
    struct id id;
    uint8_t exponent, type;
    char code[12];
    uint8_t reserved[2];
    int64_t amount;
    struct side_bytes debit, credit;
};
static_assert(sizeof(struct transaction_bytes) == 168, "");

struct external_bytes {
    uint64_t low, high;
};

struct subject_bytes {
    struct id subject;
    int64_t total;
    uint64_t opening;
    uint64_t status;
};
static_assert(sizeof(struct subject_bytes) == 40, "");

struct hold_bytes {
    struct id id, wallet, merchant;
    uint8_t exponent, status;
    char code[12];
    uint8_t reserved[2];
    int64_t amount, captured;
    uint64_t expires_at_ms;
    int64_t wallet_balance, wallet_held;
    uint64_t wallet_version, opening;
};
static_assert(sizeof(struct hold_bytes) == 120, "");

struct withdrawal_bytes {
    struct id id, wallet;
    uint8_t exponent, status;
    char code[12];
    uint8_t reserved[2];
    int64_t amount, wallet_balance, wallet_held;
    uint64_t wallet_version, opening;
};
static_assert(sizeof(struct withdrawal_bytes) == 88, "");

struct key_bytes {
    struct id id;
    struct sha256 secret_hash, previous_hash;
    uint64_t expires_at_ms, previous_until_ms, opening;
    uint8_t role, revoked, reserved[6];
};
static_assert(sizeof(struct key_bytes) == 112, "");

struct refusal_bytes {
    struct id id, other;
    uint8_t exponent, status, id_type, detail;
    char code[12];
    int64_t asked, has;
    uint64_t operation;
    char rule[RULE_NAME_BYTES_MAX];
};
static_assert(sizeof(struct refusal_bytes) == 104, "");

struct parked_bytes {
    struct id id, wallet, result;
    uint8_t exponent, status, cause, result_type;
    char code[12];
    int64_t amount, held, wallet_balance, wallet_held;
    uint64_t wallet_version, expires_at_ms, opening;
    struct refusal_bytes refusal; // status 0: none
    uint32_t rules_version;
    uint8_t score, action, subject_type, held_away;
};
static_assert(sizeof(struct parked_bytes) == 232, "");

struct data_key_bytes {
    uint64_t number, plain_until_ms;
};

struct batch_bytes {
    uint64_t count;
};

struct rules_bytes {
    uint64_t version;
};

struct alarm_bytes {
    uint8_t status, stops, zeros[6];
};
static_assert(sizeof(struct alarm_bytes) == 8, "");

struct cursor_bytes {
    uint8_t kind, reserved;
    uint16_t slot;
    uint32_t partitions;
    uint64_t epoch, next, checksum, source;
};
static_assert(sizeof(struct cursor_bytes) == 40, "");

struct notes_bytes {
    uint64_t count;
};

// SPDX-License-Identifier: MIT
// Makes and checks proofs.
#include "queue/proof.h"

#include <string.h>

#include "base/buffer.h"
#include "base/check.h"

#define NODE_KEY_OF_BOOKS UINT64_C(0xf1000000000000a0) // no cursor ever has these values

struct sha256 proof_node_key(const struct id_seal *seal) {
    char secret[4 * ID_TOKEN_BYTES];
    for (uint64_t i = 0; i < 4; i++)
        id_token_format(seal, NODE_KEY_OF_BOOKS + i, secret + i * ID_TOKEN_BYTES);
    struct sha256 key = hmac_sha256(SLICE("florin queue"), slice_of(secret, sizeof(secret)));
    explicit_bzero(secret, sizeof(secret));
    return key;
}

static struct sha256 sign(const struct sha256 *secret, const struct proof_parts *parts) {
    const struct slice lines[] = {SLICE("florin-v1"), parts->topic, parts->key, parts->principal,
                                  parts->context};
    struct buffer buffer = {0};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        buffer_add_slice(&buffer, lines[i]);
        BUFFER_ADD(&buffer, "\n");
    }
    buffer_add_slice(&buffer, parts->value);
    struct sha256 proof =
        hmac_sha256(slice_of(secret->bytes, sizeof(secret->bytes)), buffer_slice(&buffer));
    buffer_done(&buffer);
    return proof;
}

size_t proof_make(enum proof_kind kind, const struct sha256 *secret,
                  const struct proof_parts *parts, char ret_text[PROOF_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    CHECK(kind != PROOF_NONE);
    struct sha256 proof = sign(secret, parts);
    const char *word = kind == PROOF_NODE ? "node " : "key ";
    size_t size = strlen(word);
    memcpy(ret_text, word, size);
    for (size_t i = 0; i < sizeof(proof.bytes); i++) {
        ret_text[size++] = digits[proof.bytes[i] >> 4];
        ret_text[size++] = digits[proof.bytes[i] & 15];
    }
    CHECK(size <= PROOF_BYTES);
    return size;
}

enum proof_kind proof_kind_of(struct slice text) {
    if (text.size == 69 && memcmp(text.bytes, "node ", 5) == 0)
        return PROOF_NODE;
    return text.size == 68 && memcmp(text.bytes, "key ", 4) == 0 ? PROOF_KEY : PROOF_NONE;
}

bool proof_holds(struct slice text, enum proof_kind kind, const struct sha256 *secret,
                 const struct proof_parts *parts) {
    char right[PROOF_BYTES];
    // A line feed in a part would let bytes wander from one part to the next.
    const struct slice lines[] = {parts->topic, parts->key, parts->principal, parts->context};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (lines[i].size != 0 && memchr(lines[i].bytes, '\n', lines[i].size) != NULL)
            return false;
    size_t size = proof_make(kind, secret, parts, right);
    return size == text.size && equal_constant_time(text.bytes, right, size);
}

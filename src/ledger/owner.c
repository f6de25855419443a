// SPDX-License-Identifier: MIT
// Marks of owners, and what they decide about answers.
#include "ledger/owner.h"

#include "base/check.h"
#include "base/hash.h"

uint64_t owner_mark(uint64_t seed, struct slice owner) {
    uint8_t bytes[sizeof(seed) + 4 * LIMIT_TEXT_BYTES_MAX]; // characters have up to 4 bytes
    struct sha256 hash;
    uint64_t mark;
    CHECK(owner.size <= sizeof(bytes) - sizeof(seed));
    memcpy(bytes, &seed, sizeof(seed));
    if (owner.size != 0)
        memcpy(bytes + sizeof(seed), owner.bytes, owner.size);
    hash = sha256_of(slice_of(bytes, sizeof(seed) + owner.size));
    memcpy(&mark, hash.bytes, sizeof(mark));
    return mark == 0 ? 1 : mark;
}

uint8_t owner_hidden(uint64_t own, uint64_t debit, uint64_t credit, struct slice asker,
                     struct slice principal) {
    uint8_t hidden = 0;
    CHECK(own != 0);
    if (debit != 0 && debit != own)
        hidden |= HIDDEN_DEBIT;
    if (credit != 0 && credit != own)
        hidden |= HIDDEN_CREDIT;
    if (hidden != 0 && !slice_equal(asker, principal))
        hidden |= HIDDEN_WHO;
    return hidden;
}

// SPDX-License-Identifier: MIT
// Free texts at rest. A record's reference, reason and metadata lie last and together (record.c);
// sealing puts them under the data key of an owner and leaves everything else as it was, so sums,
// history, chains and look-ups never need a key. The key's number stands in the record, and all
// that comes before the texts is authenticated with them: no text can be moved to another record.
// Only positions of other records are not: they change when books move to another engine, which
// needs no key for that.
//
// The digest of a request would let guesses at a destroyed text be tested: the half of it that is
// of the texts (request.h) is sealed with them, and records without such texts are without it.
//
// Whose a record is: the wallet's owner who pays, of a deposit who receives; of a refund the one
// who gets his money back.
#pragma once
#include "base/buffer.h"
#include "ledger/record.h"

// In front of sealed texts stands a nonce, behind them a tag.
#define SEAL_NONCE_BYTES 24
#define SEAL_OVERHEAD    (SEAL_NONCE_BYTES + 16)
// How much a record grows at most: half a digest, the key's number and padding; and what is written
// over behind it meanwhile.
#define SEAL_BYTES_MAX (SEAL_OVERHEAD + 8 + 8 + 8)

// Who keeps the keys. Engines put this first in their own structs.
struct text_vault {
    // The number of the data key for new texts of the owner with that mark (owner.h); made when
    // there is none. Never 0.
    uint64_t (*key_of)(struct text_vault *vault, uint64_t owner);
    // In place: `place` has SEAL_OVERHEAD more bytes than the texts, which stand behind the nonce.
    void (*seal)(struct text_vault *vault, uint64_t key, struct slice head, uint8_t *place,
                 size_t text_bytes);
    // The inverse. False: the key was destroyed, or something was changed. Thread: any.
    bool (*unseal)(struct text_vault *vault, uint64_t key, struct slice head, uint8_t *place,
                   size_t text_bytes);
};

// Whether records of this kind have free texts of an owner.
bool record_kind_seals(uint8_t kind);
// The wallet whose owner the record belongs to; zero: nobody's.
struct id record_seal_wallet(const struct record *record);

// Seals the free texts of the record that was encoded last, from `start` to the buffer's end.
// Without such texts it only loses what its request's digest says of some; no `owner` then.
// Thread: one per buffer.
void record_seal(struct buffer *buffer, size_t start, struct text_vault *vault, uint64_t owner);

// Appends a record that was decoded from `bytes` and whose positions were changed since: sealed
// texts stay as they are. Thread: one per buffer. Returns the number of bytes: other positions may
// be longer.
#define RECORD_AGAIN_BYTES_MAX 48
size_t record_encode_again(const struct record *record, struct slice bytes, struct buffer *buffer);

bool record_is_sealed(struct slice bytes);
uint64_t record_sealed_by(struct slice bytes); // the key's number; 0: by none
// Writes the record as it was before it was sealed to `ret_place`, which has room for `bytes.size`;
// when the key is gone, without its free texts and half a digest. Returns the size; 0: this is no
// such record, which whoever decodes it will tell.
size_t record_reveal(struct slice bytes, struct text_vault *vault, uint8_t *ret_place);

// SPDX-License-Identifier: MIT
// Where keys are plain: the master key, which wraps data keys, and those data keys that are in use.
// Their memory is locked, left out of dumps and wiped. It knows no books and no disk: whoever keeps
// wrapped keys hands them in.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "vault/xaes.h"

#define VAULT_WRAPPED_BYTES (XAES_NONCE_BYTES + XAES_KEY_BYTES + XAES_TAG_BYTES)
// What sealing adds to a text: the nonce in front of it and the tag behind.
#define VAULT_OVERHEAD      (XAES_NONCE_BYTES + XAES_TAG_BYTES)

// A data key at rest. The number and the owner are authenticated with it, so that nobody can hand
// in one key for another.
struct vault_key {
    uint64_t number; // never 0, never used twice
    uint64_t owner;  // mark of the owner (ledger/owner.h)
    uint8_t wrapped[VAULT_WRAPPED_BYTES];
};

struct master_key {
    uint8_t bytes[XAES_KEY_BYTES];
};

// What an engine is given: the master key, and the one before it while it is being exchanged.
struct vault_masters {
    struct master_key master, old;
    bool has_old;
};

// Thread: any, in all of these; calls wait for each other. The master key is copied.
struct vault;
struct vault *vault_open(const struct master_key *master);
void vault_close(struct vault *vault); // accepts NULL

// Makes a data key for `ret_key->owner` under `ret_key->number` and wraps it.
void vault_make(struct vault *vault, struct vault_key *ret_key);
// Whether the key is under this master.
bool vault_knows(struct vault *vault, const struct vault_key *key);
// Wraps a key anew that is under the master of `old`. False: it is not; the key is as it was.
bool vault_rewrap(struct vault *vault, struct vault *old, struct vault_key *key);
// Forgets a plain key that is in use.
void vault_forget(struct vault *vault, uint64_t number);

// Bytes that show later whether somebody has the same master key, and tell nothing else.
void vault_prove(struct vault *vault, uint8_t ret_proof[VAULT_WRAPPED_BYTES]);
bool vault_check(struct vault *vault, const uint8_t proof[VAULT_WRAPPED_BYTES]);
// The same for the same master key, so that two may be compared by who has neither.
#define VAULT_TAG_BYTES 16
void vault_tag(struct vault *vault, uint8_t ret_tag[VAULT_TAG_BYTES]);

// `place` has room for VAULT_OVERHEAD more: the text stands XAES_NONCE_BYTES behind its begin.
// False: the key is not under this master.
bool vault_seal(struct vault *vault, const struct vault_key *key, struct slice head, uint8_t *place,
                size_t text_bytes);
// The inverse: leaves the text where it stood. False: the key, the head or the text is another.
bool vault_unseal(struct vault *vault, const struct vault_key *key, struct slice head,
                  uint8_t *place, size_t text_bytes);

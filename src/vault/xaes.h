// SPDX-License-Identifier: MIT
// XAES-256-GCM as specified by C2SP: AES-256-GCM under a key that is derived, per message, from a
// 256-bit key and half of a 192-bit nonce. The nonce is drawn anew for every message: two of them
// fall together with less than one chance in 2^96 after 2^48 messages under one key. So no counter
// has to be kept, and none can be wound back by a round that was begun again or by a backup.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define XAES_KEY_BYTES   32
#define XAES_NONCE_BYTES 24
#define XAES_TAG_BYTES   16

// Reusable; one thread at a time. Holds traces of keys until it is closed.
struct xaes;
struct xaes *xaes_open(void);
void xaes_close(struct xaes *xaes); // accepts NULL

// Encrypts `size` bytes in place and writes the tag. `head` is authenticated too.
void xaes_seal(struct xaes *xaes, const uint8_t key[XAES_KEY_BYTES],
               const uint8_t nonce[XAES_NONCE_BYTES], struct slice head, uint8_t *text, size_t size,
               uint8_t ret_tag[XAES_TAG_BYTES]);
// Decrypts in place. False: another key, or bytes that were changed; `text` is wiped then.
bool xaes_unseal(struct xaes *xaes, const uint8_t key[XAES_KEY_BYTES],
                 const uint8_t nonce[XAES_NONCE_BYTES], struct slice head, uint8_t *text,
                 size_t size, const uint8_t tag[XAES_TAG_BYTES]);

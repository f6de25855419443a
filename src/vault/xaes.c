// SPDX-License-Identifier: MIT
// The one file that knows the library's ciphers. Sizes are bounded by a record's, so they fit an
// int; a call that fails means that the library is broken, and nothing may be sealed with that.
#include "vault/xaes.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define HALF_NONCE 12
#define BLOCK      16

struct xaes {
    EVP_CIPHER *block_cipher, *gcm_cipher;
    EVP_CIPHER_CTX *block, *gcm;
};

struct xaes *xaes_open(void) {
    struct xaes *xaes = memory_take_zeroed(sizeof(*xaes));
    xaes->block_cipher = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
    xaes->gcm_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    xaes->block = EVP_CIPHER_CTX_new();
    xaes->gcm = EVP_CIPHER_CTX_new();
    CHECK(xaes->block_cipher != NULL);
    CHECK(xaes->gcm_cipher != NULL);
    CHECK(xaes->block != NULL);
    CHECK(xaes->gcm != NULL);
    // Named once: naming them at each use makes the library begin anew, which takes longer than the
    // ciphers do.
    CHECK(EVP_EncryptInit_ex2(xaes->block, xaes->block_cipher, NULL, NULL, NULL) == 1);
    CHECK(EVP_CIPHER_CTX_set_padding(xaes->block, 0) == 1);
    CHECK(EVP_EncryptInit_ex2(xaes->gcm, xaes->gcm_cipher, NULL, NULL, NULL) == 1);
    return xaes;
}

void xaes_close(struct xaes *xaes) {
    if (xaes == NULL)
        return;
    EVP_CIPHER_CTX_free(xaes->block); // wipes what it held
    EVP_CIPHER_CTX_free(xaes->gcm);
    EVP_CIPHER_free(xaes->block_cipher);
    EVP_CIPHER_free(xaes->gcm_cipher);
    memory_free(xaes);
}

static void encrypt_blocks(struct xaes *xaes, uint8_t *blocks, int size) {
    int written = 0;
    CHECK(EVP_EncryptUpdate(xaes->block, blocks, &written, blocks, size) == 1);
    CHECK(written == size);
}

// CMAC of two blocks that differ in a counter, as NIST SP 800-108 derives keys: since each message
// is one whole block, CMAC is one encryption of the block xor the first subkey.
static void derive(struct xaes *xaes, const uint8_t *key, const uint8_t *nonce,
                   uint8_t ret_key[XAES_KEY_BYTES]) {
    uint8_t subkey[BLOCK] = {0};
    CHECK(EVP_EncryptInit_ex2(xaes->block, NULL, key, NULL, NULL) == 1);
    encrypt_blocks(xaes, subkey, BLOCK);
    uint8_t carry = (uint8_t)(subkey[0] >> 7);
    for (int i = 0; i < BLOCK - 1; i++)
        subkey[i] = (uint8_t)(subkey[i] << 1 | subkey[i + 1] >> 7);
    subkey[BLOCK - 1] = (uint8_t)(subkey[BLOCK - 1] << 1 ^ (carry * 0x87));
    for (uint8_t half = 0; half < 2; half++) {
        uint8_t *block = ret_key + half * BLOCK;
        block[0] = 0;
        block[1] = (uint8_t)(half + 1);
        block[2] = 'X';
        block[3] = 0;
        memcpy(block + 4, nonce, HALF_NONCE);
        for (int i = 0; i < BLOCK; i++)
            block[i] ^= subkey[i];
    }
    encrypt_blocks(xaes, ret_key, XAES_KEY_BYTES);
    explicit_bzero(subkey, sizeof(subkey));
    // The library keeps the last key in memory of its own, which is not locked: not this one.
    static const uint8_t none[XAES_KEY_BYTES];
    CHECK(EVP_EncryptInit_ex2(xaes->block, NULL, none, NULL, NULL) == 1);
}

void xaes_seal(struct xaes *xaes, const uint8_t key[XAES_KEY_BYTES],
               const uint8_t nonce[XAES_NONCE_BYTES], struct slice head, uint8_t *text, size_t size,
               uint8_t ret_tag[XAES_TAG_BYTES]) {
    uint8_t derived[XAES_KEY_BYTES];
    int written = 0;
    CHECK(size <= INT32_MAX && head.size <= INT32_MAX);
    derive(xaes, key, nonce, derived);
    CHECK(EVP_EncryptInit_ex2(xaes->gcm, NULL, derived, nonce + HALF_NONCE, NULL) == 1);
    if (head.size != 0)
        CHECK(EVP_EncryptUpdate(xaes->gcm, NULL, &written, head.bytes, (int)head.size) == 1);
    CHECK(EVP_EncryptUpdate(xaes->gcm, text, &written, text, (int)size) == 1);
    CHECK((size_t)written == size);
    CHECK(EVP_EncryptFinal_ex(xaes->gcm, text + size, &written) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(xaes->gcm, EVP_CTRL_AEAD_GET_TAG, XAES_TAG_BYTES, ret_tag) == 1);
    explicit_bzero(derived, sizeof(derived));
}

bool xaes_unseal(struct xaes *xaes, const uint8_t key[XAES_KEY_BYTES],
                 const uint8_t nonce[XAES_NONCE_BYTES], struct slice head, uint8_t *text,
                 size_t size, const uint8_t tag[XAES_TAG_BYTES]) {
    uint8_t derived[XAES_KEY_BYTES], expected[XAES_TAG_BYTES];
    int written = 0;
    CHECK(size <= INT32_MAX && head.size <= INT32_MAX);
    memcpy(expected, tag, sizeof(expected));
    derive(xaes, key, nonce, derived);
    CHECK(EVP_DecryptInit_ex2(xaes->gcm, NULL, derived, nonce + HALF_NONCE, NULL) == 1);
    if (head.size != 0)
        CHECK(EVP_DecryptUpdate(xaes->gcm, NULL, &written, head.bytes, (int)head.size) == 1);
    CHECK(EVP_DecryptUpdate(xaes->gcm, text, &written, text, (int)size) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(xaes->gcm, EVP_CTRL_AEAD_SET_TAG, XAES_TAG_BYTES, expected) == 1);
    bool is_true = EVP_DecryptFinal_ex(xaes->gcm, text + size, &written) == 1;
    explicit_bzero(derived, sizeof(derived));
    if (!is_true)
        explicit_bzero(text, size);
    return is_true;
}

// SPDX-License-Identifier: MIT
// One page range of locked memory holds the master key and a bounded cache of data keys; a key that
// falls out of it is wiped by the one that takes its place, and unwrapped again when it is wanted.
#include "vault/vault.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"

#define CACHE_KEYS 1024 // with the master key well below the 64 KiB that anybody may lock

struct cached {
    uint64_t number; // 0: free
    uint8_t bytes[XAES_KEY_BYTES];
};

struct secrets {
    struct master_key master;
    struct cached cache[CACHE_KEYS];
};
static_assert(sizeof(struct secrets) <= 48 << 10, "the memory that may be locked is small");

struct vault {
    pthread_mutex_t lock;
    struct xaes *xaes;
    struct secrets *secrets; // locked pages
};

struct vault *vault_open(const struct master_key *master) {
    struct vault *vault = memory_take_zeroed(sizeof(*vault));
    vault->secrets = mmap(NULL, sizeof(*vault->secrets), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(vault->secrets != MAP_FAILED);
    (void)madvise(vault->secrets, sizeof(*vault->secrets), MADV_DONTDUMP); // dumps are off anyway
    if (mlock(vault->secrets, sizeof(*vault->secrets)) != 0)
        log_line(LOG_WARNING, "vault",
                 "keys may be swapped out: the system locks no memory for this process");
    vault->secrets->master = *master;
    vault->xaes = xaes_open();
    CHECK(pthread_mutex_init(&vault->lock, NULL) == 0);
    return vault;
}

void vault_close(struct vault *vault) {
    if (vault == NULL)
        return;
    explicit_bzero(vault->secrets, sizeof(*vault->secrets));
    (void)munmap(vault->secrets, sizeof(*vault->secrets));
    xaes_close(vault->xaes);
    (void)pthread_mutex_destroy(&vault->lock); // nobody holds it
    memory_free(vault);
}

static void lock(struct vault *vault) {
    CHECK(pthread_mutex_lock(&vault->lock) == 0);
}

static void unlock(struct vault *vault) {
    CHECK(pthread_mutex_unlock(&vault->lock) == 0);
}

static struct cached *cached_at(struct vault *vault, uint64_t number) {
    return &vault->secrets->cache[hash64(slice_of(&number, sizeof(number)), 0) % CACHE_KEYS];
}

// What a wrapped key is bound to.
static struct slice head_of(const struct vault_key *key, uint64_t ret_words[2]) {
    ret_words[0] = key->number;
    ret_words[1] = key->owner;
    return slice_of(ret_words, 2 * sizeof(ret_words[0]));
}

static void wrap(struct vault *vault, const uint8_t plain[XAES_KEY_BYTES], struct vault_key *key) {
    uint64_t words[2];
    uint8_t *nonce = key->wrapped, *text = nonce + XAES_NONCE_BYTES;
    random_fill(nonce, XAES_NONCE_BYTES);
    memcpy(text, plain, XAES_KEY_BYTES);
    xaes_seal(vault->xaes, vault->secrets->master.bytes, nonce, head_of(key, words), text,
              XAES_KEY_BYTES, text + XAES_KEY_BYTES);
}

static bool unwrap(struct vault *vault, const struct vault_key *key,
                   uint8_t ret_plain[XAES_KEY_BYTES]) {
    uint64_t words[2];
    const uint8_t *nonce = key->wrapped, *text = nonce + XAES_NONCE_BYTES;
    memcpy(ret_plain, text, XAES_KEY_BYTES);
    return xaes_unseal(vault->xaes, vault->secrets->master.bytes, nonce, head_of(key, words),
                       ret_plain, XAES_KEY_BYTES, text + XAES_KEY_BYTES);
}

// The plain key, in locked memory; NULL: it is not under this master.
static const uint8_t *plain_of(struct vault *vault, const struct vault_key *key) {
    struct cached *cached = cached_at(vault, key->number);
    CHECK(key->number != 0);
    if (cached->number == key->number)
        return cached->bytes;
    cached->number = 0;
    if (!unwrap(vault, key, cached->bytes))
        return NULL;
    cached->number = key->number;
    return cached->bytes;
}

void vault_make(struct vault *vault, struct vault_key *ret_key) {
    CHECK(ret_key->number != 0);
    lock(vault);
    struct cached *cached = cached_at(vault, ret_key->number);
    random_fill(cached->bytes, sizeof(cached->bytes));
    cached->number = ret_key->number;
    wrap(vault, cached->bytes, ret_key);
    unlock(vault);
}

bool vault_knows(struct vault *vault, const struct vault_key *key) {
    lock(vault);
    bool knows = plain_of(vault, key) != NULL;
    unlock(vault);
    return knows;
}

bool vault_rewrap(struct vault *vault, struct vault *old, struct vault_key *key) {
    uint8_t plain[XAES_KEY_BYTES];
    CHECK(vault != old);
    lock(old);
    bool knows = unwrap(old, key, plain);
    unlock(old);
    if (knows) {
        lock(vault);
        wrap(vault, plain, key);
        unlock(vault);
    }
    explicit_bzero(plain, sizeof(plain));
    return knows;
}

void vault_forget(struct vault *vault, uint64_t number) {
    lock(vault);
    struct cached *cached = cached_at(vault, number);
    if (cached->number == number)
        explicit_bzero(cached, sizeof(*cached));
    unlock(vault);
}

void vault_prove(struct vault *vault, uint8_t ret_proof[VAULT_WRAPPED_BYTES]) {
    const uint8_t nothing[XAES_KEY_BYTES] = {0};
    struct vault_key key = {0};
    lock(vault);
    wrap(vault, nothing, &key);
    unlock(vault);
    memcpy(ret_proof, key.wrapped, sizeof(key.wrapped));
}

bool vault_check(struct vault *vault, const uint8_t proof[VAULT_WRAPPED_BYTES]) {
    uint8_t plain[XAES_KEY_BYTES];
    struct vault_key key = {0};
    memcpy(key.wrapped, proof, sizeof(key.wrapped));
    lock(vault);
    bool knows = unwrap(vault, &key, plain);
    unlock(vault);
    return knows;
}

void vault_tag(struct vault *vault, uint8_t ret_tag[VAULT_TAG_BYTES]) {
    lock(vault);
    struct sha256 hash =
        hmac_sha256(slice_of(vault->secrets->master.bytes, sizeof(vault->secrets->master.bytes)),
                    SLICE("florin: which master key"));
    unlock(vault);
    memcpy(ret_tag, hash.bytes, VAULT_TAG_BYTES);
}

bool vault_seal(struct vault *vault, const struct vault_key *key, struct slice head, uint8_t *place,
                size_t text_bytes) {
    uint8_t *text = place + XAES_NONCE_BYTES;
    lock(vault);
    const uint8_t *plain = plain_of(vault, key);
    if (plain != NULL) {
        random_fill(place, XAES_NONCE_BYTES);
        xaes_seal(vault->xaes, plain, place, head, text, text_bytes, text + text_bytes);
    }
    unlock(vault);
    return plain != NULL;
}

bool vault_unseal(struct vault *vault, const struct vault_key *key, struct slice head,
                  uint8_t *place, size_t text_bytes) {
    uint8_t *text = place + XAES_NONCE_BYTES;
    lock(vault);
    const uint8_t *plain = plain_of(vault, key);
    bool holds = plain != NULL && xaes_unseal(vault->xaes, plain, place, head, text, text_bytes,
                                              text + text_bytes);
    unlock(vault);
    return holds;
}

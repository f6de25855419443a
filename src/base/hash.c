// SPDX-License-Identifier: MIT
// The only file that knows xxhash, ISA-L and libcrypto's digests. XXH3 is compiled in, because a
// call through a library would cost more than hashing a key; CRC32C comes from ISA-L, which picks
// the widest instructions of the machine at run time; SHA-256 is fetched once per context, because
// libcrypto 3 otherwise looks it up every time.
#define XXH_INLINE_ALL
#include "base/hash.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/memory.h"

#define HASH_PARTS_BYTES 1024              // what is gathered on the stack before it is hashed
#define HASH_CRC_STEP_BYTES ((size_t)1 << 30) // ISA-L takes an int

uint64_t hash64(struct slice bytes, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes.bytes, bytes.size, seed);
}

static struct digest128 hash_digest128(XXH128_hash_t hash) {
    return (struct digest128){.low = hash.low64, .high = hash.high64};
}

struct digest128 hash128(struct slice bytes, uint64_t seed) {
    return hash_digest128(XXH3_128bits_withSeed(bytes.bytes, bytes.size, seed));
}

// The length of a part goes before it as eight bytes, lowest first: the result is stored, so it
// must not depend on the machine.
static void hash_put_length(uint8_t room[8], size_t size) {
    for (int i = 0; i < 8; i++)
        room[i] = (uint8_t)((uint64_t)size >> (8 * i));
}

static struct digest128 hash128_parts_streamed(const struct slice *parts, size_t part_count,
                                               uint64_t seed) {
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH_errorcode failed = XXH3_128bits_reset_withSeed(&state, seed);
    CHECK(failed == XXH_OK);
    for (size_t i = 0; i < part_count; i++) {
        uint8_t length[8];
        hash_put_length(length, parts[i].size);
        // An update fails only without a state or input.
        (void)XXH3_128bits_update(&state, length, sizeof(length));
        if (parts[i].size != 0)
            (void)XXH3_128bits_update(&state, parts[i].bytes, parts[i].size);
    }
    return hash_digest128(XXH3_128bits_digest(&state));
}

struct digest128 hash128_parts(const struct slice *parts, size_t part_count, uint64_t seed) {
    CHECK(parts != NULL || part_count == 0);
    // Most are short, and setting up a stream costs more than copying a few hundred bytes. Both
    // ways give the same digest.
    uint8_t gathered[HASH_PARTS_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < part_count; i++) {
        size_t left = sizeof(gathered) - used;
        if (left < 8 || left - 8 < parts[i].size)
            return hash128_parts_streamed(parts, part_count, seed);
        hash_put_length(gathered + used, parts[i].size);
        if (parts[i].size != 0)
            memcpy(gathered + used + 8, parts[i].bytes, parts[i].size);
        used += 8 + parts[i].size;
    }
    return hash128(slice_of(gathered, used), seed);
}

// ISA-L leaves the upper halves of the vector registers in use. On some processors each change
// between old and new vector instructions then costs a quarter of a microsecond, until somebody
// clears them; and a payment makes a dozen such changes.
static void hash_clear_vectors(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper" ::: "memory");
#endif
}

uint32_t crc32c(struct slice bytes) {
    return crc32c_extend(0, bytes);
}

uint32_t crc32c_extend(uint32_t crc, struct slice bytes) {
    uint32_t state = ~crc; // ISA-L inverts neither before nor after
    while (bytes.size != 0) {
        size_t step = bytes.size < HASH_CRC_STEP_BYTES ? bytes.size : HASH_CRC_STEP_BYTES;
        // The library only reads; its parameter is older than const.
        state = crc32_iscsi((unsigned char *)bytes.bytes, (int)step, state);
        bytes = slice_of(bytes.bytes + step, bytes.size - step);
    }
    hash_clear_vectors();
    return ~state;
}

struct sha256_context {
    EVP_MD *algorithm;   // owned
    EVP_MD_CTX *context; // owned
    bool begun;
};

struct sha256_context *sha256_open(void) {
    struct sha256_context *opened = memory_take_zeroed(sizeof(*opened));
    opened->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    opened->context = EVP_MD_CTX_new();
    CHECK(opened->algorithm != NULL);
    CHECK(opened->context != NULL);
    return opened;
}

void sha256_begin(struct sha256_context *context) {
    int done = EVP_DigestInit_ex2(context->context, context->algorithm, NULL);
    CHECK(done == 1);
    context->begun = true;
}

void sha256_add(struct sha256_context *context, struct slice bytes) {
    CHECK(context->begun);
    int done = EVP_DigestUpdate(context->context, bytes.bytes, bytes.size);
    CHECK(done == 1);
}

struct sha256 sha256_end(struct sha256_context *context) {
    struct sha256 digest;
    unsigned size = 0;
    CHECK(context->begun);
    int done = EVP_DigestFinal_ex(context->context, digest.bytes, &size);
    CHECK(done == 1);
    CHECK(size == sizeof(digest.bytes));
    context->begun = false;
    return digest;
}

void sha256_close(struct sha256_context *context) {
    if (context == NULL)
        return;
    EVP_MD_CTX_free(context->context);
    EVP_MD_free(context->algorithm);
    memory_free(context);
}

struct sha256 sha256_of(struct slice bytes) {
    struct sha256 digest;
    unsigned size = 0;
    int done = EVP_Digest(bytes.bytes, bytes.size, digest.bytes, &size, EVP_sha256(), NULL);
    CHECK(done == 1);
    CHECK(size == sizeof(digest.bytes));
    return digest;
}

struct sha256 hmac_sha256(struct slice key, struct slice bytes) {
    struct sha256 digest;
    unsigned size = 0;
    CHECK(key.size <= INT32_MAX);
    // libcrypto takes a NULL key as "the one of last time", so an empty one needs an address.
    const void *key_bytes = key.size == 0 ? (const void *)"" : key.bytes;
    const unsigned char *done =
        HMAC(EVP_sha256(), key_bytes, (int)key.size, bytes.bytes, bytes.size, digest.bytes, &size);
    CHECK(done != NULL);
    CHECK(size == sizeof(digest.bytes));
    return digest;
}

bool equal_constant_time(const void *a, const void *b, size_t size) {
    return CRYPTO_memcmp(a, b, size) == 0;
}

void random_fill(void *bytes, size_t size) {
    uint8_t *at = bytes;
    while (size != 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        CHECK(got > 0);
        at += got;
        size -= (size_t)got;
    }
}

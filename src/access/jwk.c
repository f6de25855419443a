// SPDX-License-Identifier: MIT
// Reads JWK sets and checks signatures. A key is made for one algorithm when it is read, from its
// kind and what it says it is for; what a token says only selects among keys.
#include "access/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdatomic.h>
#include <stdio.h>

#include "access/base64url.h"
#include "base/json.h"
#include "base/memory.h"

#define RSA_BITS_MIN     2048
#define RSA_BITS_MAX     8192
#define RSA_BYTES_MAX    (RSA_BITS_MAX / 8)
#define CURVE_BYTES      32
#define SIGNATURE_BYTES  64 // of ES256 and EdDSA
#define DER_BYTES_MAX    80

struct jwk {
    unsigned algorithm; // enum jws_algorithm
    EVP_PKEY *key;
    size_t kid_bytes;
    uint8_t kid[JWK_KID_BYTES_MAX];
};

struct jwk_set {
    atomic_uint owners;
    size_t count;
    struct jwk keys[JWK_SET_KEYS_MAX];
};

// What a key's object says, before it is a key.
struct parts {
    struct slice kty, crv, kid, use, alg, n, e, x, y;
    bool is_private, verifies; // key_ops, when there are some, have "verify"
};

unsigned jws_algorithm_of(struct slice name) {
    if (slice_equal(name, SLICE("RS256")))
        return JWS_RS256;
    if (slice_equal(name, SLICE("ES256")))
        return JWS_ES256;
    return slice_equal(name, SLICE("EdDSA")) ? JWS_EDDSA : 0;
}

static bool has_verify(struct json_value value) {
    if (json_kind(value) != JSON_ARRAY)
        return false;
    struct json_cursor cursor = json_items(value);
    struct json_value item;
    while (json_next_item(&cursor, &item))
        if (json_kind(item) == JSON_TEXT && slice_equal(json_text(item), SLICE("verify")))
            return true;
    return false;
}

// False: a member stands there twice or is no text.
static bool read_parts(struct json_value object, struct parts *parts) {
    const struct {
        const char *name;
        struct slice *place;
    } texts[] = {
        {"kty", &parts->kty}, {"crv", &parts->crv}, {"kid", &parts->kid},
        {"use", &parts->use}, {"alg", &parts->alg}, {"n", &parts->n},
        {"e", &parts->e},     {"x", &parts->x},     {"y", &parts->y},
    };
    struct json_cursor members = json_members(object);
    struct slice name;
    struct json_value value;
    parts->verifies = true;
    while (json_next_member(&members, &name, &value)) {
        if (slice_equal(name, SLICE("key_ops")))
            parts->verifies = has_verify(value);
        if (slice_equal(name, SLICE("d")) || slice_equal(name, SLICE("k")))
            parts->is_private = true;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            if (!slice_equal(name, slice_of_text(texts[i].name)))
                continue;
            if (texts[i].place->bytes != NULL || json_kind(value) != JSON_TEXT)
                return false;
            *texts[i].place = json_text(value);
        }
    }
    return true;
}

static unsigned algorithm_of_parts(const struct parts *parts) {
    if (parts->is_private || !parts->verifies || parts->kid.size > JWK_KID_BYTES_MAX ||
        (parts->use.size != 0 && !slice_equal(parts->use, SLICE("sig"))))
        return 0;
    unsigned algorithm = 0;
    if (slice_equal(parts->kty, SLICE("RSA")))
        algorithm = JWS_RS256;
    else if (slice_equal(parts->kty, SLICE("EC")) && slice_equal(parts->crv, SLICE("P-256")))
        algorithm = JWS_ES256;
    else if (slice_equal(parts->kty, SLICE("OKP")) && slice_equal(parts->crv, SLICE("Ed25519")))
        algorithm = JWS_EDDSA;
    if (parts->alg.size != 0 && jws_algorithm_of(parts->alg) != algorithm)
        return 0;
    return algorithm;
}

static EVP_PKEY *key_of_params(const char *kind, OSSL_PARAM_BLD *builder) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    if (params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(const struct parts *parts, struct buffer *bytes) {
    if (!base64url_decode(parts->n, bytes))
        return NULL;
    size_t n_bytes = bytes->size;
    if (!base64url_decode(parts->e, bytes))
        return NULL;
    size_t e_bytes = bytes->size - n_bytes;
    if (n_bytes > RSA_BYTES_MAX || e_bytes == 0 || e_bytes > 8)
        return NULL;
    EVP_PKEY *key = NULL;
    BIGNUM *n = BN_bin2bn(bytes->bytes, (int)n_bytes, NULL);
    BIGNUM *e = BN_bin2bn(bytes->bytes + n_bytes, (int)e_bytes, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    // An exponent of 1 would make every text its own signature.
    if (BN_num_bits(n) >= RSA_BITS_MIN && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        key = key_of_params("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

// libcrypto checks that the point lies on the curve.
static EVP_PKEY *curve_key(const struct parts *parts, struct buffer *bytes) {
    BUFFER_ADD(bytes, "\x04");
    if (!base64url_decode(parts->x, bytes) || bytes->size != 1 + CURVE_BYTES ||
        !base64url_decode(parts->y, bytes) || bytes->size != 1 + 2 * CURVE_BYTES)
        return NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, bytes->bytes,
                                         bytes->size) == 1)
        key = key_of_params("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static EVP_PKEY *edwards_key(const struct parts *parts, struct buffer *bytes) {
    if (!base64url_decode(parts->x, bytes) || bytes->size != CURVE_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes->bytes, bytes->size);
}

static EVP_PKEY *key_of_parts(const struct parts *parts, unsigned algorithm) {
    struct buffer bytes = {0};
    EVP_PKEY *key = NULL;
    switch (algorithm) {
    case JWS_RS256: key = rsa_key(parts, &bytes); break;
    case JWS_ES256: key = curve_key(parts, &bytes); break;
    case JWS_EDDSA: key = edwards_key(parts, &bytes); break;
    default: break;
    }
    buffer_done(&bytes);
    return key;
}

static void add_key(struct jwk_set *set, struct json_value object) {
    struct parts parts = {0};
    if (set->count == JWK_SET_KEYS_MAX || json_kind(object) != JSON_OBJECT ||
        !read_parts(object, &parts))
        return;
    unsigned algorithm = algorithm_of_parts(&parts);
    EVP_PKEY *key = key_of_parts(&parts, algorithm);
    if (key == NULL)
        return;
    struct jwk *place = &set->keys[set->count++];
    *place = (struct jwk){.algorithm = algorithm, .key = key, .kid_bytes = parts.kid.size};
    if (parts.kid.size != 0)
        memcpy(place->kid, parts.kid.bytes, parts.kid.size);
}

static bool find_keys(struct json_value root, struct json_value *ret_keys) {
    if (json_kind(root) != JSON_OBJECT)
        return false;
    struct json_cursor members = json_members(root);
    struct slice name;
    bool found = false;
    struct json_value value;
    while (json_next_member(&members, &name, &value)) {
        if (!slice_equal(name, SLICE("keys")))
            continue;
        if (found || json_kind(value) != JSON_ARRAY)
            return false;
        *ret_keys = value;
        found = true;
    }
    return found;
}

static struct jwk_set *set_of(struct json_value keys) {
    struct jwk_set *set = memory_take_zeroed(sizeof(*set));
    atomic_init(&set->owners, 1);
    struct json_cursor cursor = json_items(keys);
    struct json_value item;
    while (json_next_item(&cursor, &item))
        add_key(set, item);
    return set;
}

struct jwk_set *jwk_set_parse(struct slice json, char *ret_why, size_t why_bytes) {
    CHECK(why_bytes > 0);
    if (json.size > JWK_SET_BYTES_MAX) {
        snprintf(ret_why, why_bytes, "The key set is larger than %d bytes.", JWK_SET_BYTES_MAX);
        return NULL;
    }
    struct buffer padded = {0};
    buffer_add_slice(&padded, json);
    memset(buffer_room(&padded, JSON_PADDING), 0, JSON_PADDING);
    struct json_parser *parser = json_open();
    struct json_value root, keys;
    const char *why;
    struct jwk_set *set = NULL;
    if (!json_parse(parser, buffer_slice(&padded), &root, &why))
        snprintf(ret_why, why_bytes, "The key set is not JSON: %s", why);
    else if (!find_keys(root, &keys))
        snprintf(ret_why, why_bytes, "The key set is not an object with an array \"keys\".");
    else
        set = set_of(keys);
    if (set != NULL && set->count == 0) {
        snprintf(ret_why, why_bytes,
                 "The key set has no public key for RS256, ES256 or EdDSA that can be used.");
        jwk_set_release(set);
        set = NULL;
    }
    json_close(parser);
    buffer_done(&padded);
    return set;
}

struct jwk_set *jwk_set_hold(struct jwk_set *set) {
    atomic_fetch_add(&set->owners, 1);
    return set;
}

void jwk_set_release(struct jwk_set *set) {
    if (set == NULL || atomic_fetch_sub(&set->owners, 1) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        EVP_PKEY_free(set->keys[i].key);
    memory_free(set);
}

size_t jwk_set_count(const struct jwk_set *set) {
    return set->count;
}

static bool has_kid(const struct jwk *key, struct slice kid) {
    return slice_equal(slice_of(key->kid, key->kid_bytes), kid);
}

const struct jwk *jwk_set_find(const struct jwk_set *set, struct slice kid, unsigned algorithm) {
    const struct jwk *only = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *key = &set->keys[i];
        if (key->algorithm != algorithm || (kid.size != 0 && !has_kid(key, kid)))
            continue;
        if (kid.size != 0)
            return key;
        if (only != NULL)
            return NULL;
        only = key;
    }
    return only;
}

bool jwk_set_knows(const struct jwk_set *set, struct slice kid) {
    for (size_t i = 0; i < set->count; i++)
        if (has_kid(&set->keys[i], kid))
            return true;
    return false;
}

// A JWS has r and s side by side, libcrypto wants them in ASN.1.
static size_t der_of(struct slice signature, uint8_t ret_der[DER_BYTES_MAX]) {
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.bytes, CURVE_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature.bytes + CURVE_BYTES, CURVE_BYTES, NULL);
    CHECK(pair != NULL && r != NULL && s != NULL);
    CHECK(ECDSA_SIG_set0(pair, r, s) == 1);
    uint8_t *place = ret_der;
    int size = i2d_ECDSA_SIG(pair, NULL);
    CHECK(size > 0 && size <= DER_BYTES_MAX);
    size = i2d_ECDSA_SIG(pair, &place);
    ECDSA_SIG_free(pair);
    return (size_t)size;
}

bool jwk_verify(const struct jwk *key, struct slice text, struct slice signature) {
    uint8_t der[DER_BYTES_MAX];
    if (key->algorithm != JWS_RS256 && signature.size != SIGNATURE_BYTES)
        return false;
    if (key->algorithm == JWS_ES256)
        signature = slice_of(der, der_of(signature, der));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(context != NULL);
    const EVP_MD *hash = key->algorithm == JWS_EDDSA ? NULL : EVP_sha256();
    // RSA keys verify PKCS #1 v1.5 here, which is what RS256 is.
    bool fits = EVP_DigestVerifyInit(context, NULL, hash, NULL, key->key) == 1 &&
                EVP_DigestVerify(context, signature.bytes, signature.size, text.bytes,
                                 text.size) == 1;
    EVP_MD_CTX_free(context);
    return fits;
}

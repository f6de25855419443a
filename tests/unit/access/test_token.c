// SPDX-License-Identifier: MIT
// Tokens taken apart: what is read from them, times to the millisecond, and whose role and owner.
// Signatures are looked at in test_jwk.c, and everything together with a real server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "access/token.h"

static const struct token_issuer issuers[] = {
    {.issuer = "https://one", .audience = "florin", .role = "auditor", .role_number = 3,
     .algorithms = JWS_ES256, .leeway_s = 10},
    {.issuer = "https://two", .audience = "florin", .role_claim = "groups", .owner_claim = "shop",
     .algorithms = JWS_ALL, .role_count = 2,
     .roles = {{.value = "tills", .number = 2}, {.value = "bosses", .number = 1}}},
};

static void encode(struct buffer *out, const char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)(uint8_t)text[i] << 16;
        bits |= i + 1 < size ? (uint32_t)(uint8_t)text[i + 1] << 8 : 0;
        bits |= i + 2 < size ? (uint8_t)text[i + 2] : 0;
        for (size_t k = 0; k < 4 && i + k <= size; k++)
            buffer_add(out, &digits[bits >> (18 - 6 * k) & 63], 1);
    }
}

static const char *take(const char *header, const char *claims, struct token_parts *ret_parts) {
    static struct token_reader reader;
    struct buffer text = {0};
    const char *why = "nothing was said";
    token_reader_open(&reader);
    encode(&text, header);
    BUFFER_ADD(&text, ".");
    encode(&text, claims);
    BUFFER_ADD(&text, ".");
    encode(&text, "signature");
    memset(ret_parts, 0, sizeof(*ret_parts));
    bool taken = token_take_apart(&reader, buffer_slice(&text), issuers, 2, ret_parts, &why);
    assert_true(taken == (why == NULL));
    if (taken) {
        assert_true(slice_equal(ret_parts->signature, SLICE("signature")));
        assert_int_equal(ret_parts->signed_text.size, text.size - 13);
    }
    token_reader_close(&reader);
    buffer_done(&text);
    return why;
}

#define ES256 "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JWT\"}"
#define CLAIMS(more)                                                                               \
    "{\"iss\":\"https://one\",\"sub\":\"ann\",\"aud\":\"florin\",\"exp\":1000" more "}"
#define CLAIMS_OF_TWO(more)                                                                        \
    "{\"iss\":\"https://two\",\"sub\":\"ann\",\"aud\":[\"x\",\"florin\"],\"exp\":1000" more "}"

static void a_token_says_who(void **state) {
    (void)state;
    struct token_parts parts;
    assert_null(take(ES256, CLAIMS(",\"nbf\":900,\"groups\":\"bosses\""), &parts));
    assert_true(slice_equal(parts.kid, SLICE("k1")));
    assert_int_equal(parts.algorithm, JWS_ES256);
    assert_int_equal(parts.issuer, 0);
    assert_int_equal(parts.expires_ms, 1000000);
    assert_int_equal(parts.not_before_ms, 900000);
    assert_int_equal(parts.holder.role, 3); // this issuer gives one to all
    assert_true(slice_equal(slice_of(parts.holder.name, parts.holder.name_bytes),
                            SLICE("jwt:https://one|ann")));
    assert_int_equal(parts.holder.owner_bytes, 0);
    assert_null(take(ES256, CLAIMS_OF_TWO(",\"groups\":\"bosses\",\"shop\":\"corner\""), &parts));
    assert_int_equal(parts.issuer, 1);
    assert_int_equal(parts.holder.role, 1);
    assert_true(slice_equal(slice_of(parts.holder.owner, parts.holder.owner_bytes),
                            SLICE("corner")));
}

static void the_first_role_of_the_configuration_counts(void **state) {
    (void)state;
    struct token_parts parts;
    assert_null(take(ES256, CLAIMS_OF_TWO(",\"groups\":[\"bosses\",\"tills\"]"), &parts));
    assert_int_equal(parts.holder.role, 2);
    assert_null(take(ES256, CLAIMS_OF_TWO(",\"groups\":\"openid bosses\""), &parts));
    assert_int_equal(parts.holder.role, 1);
    static const char *const none[] = {
        CLAIMS_OF_TWO(""), CLAIMS_OF_TWO(",\"groups\":\"boss\""), CLAIMS_OF_TWO(",\"groups\":7"),
        CLAIMS_OF_TWO(",\"groups\":{\"bosses\":true}"), CLAIMS_OF_TWO(",\"groups\":[[\"bosses\"]]"),
        CLAIMS_OF_TWO(",\"groups\":\"bosses\",\"groups\":\"bosses\"")};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_non_null(take(ES256, none[i], &parts));
}

static void what_is_not_clear_is_refused(void **state) {
    (void)state;
    struct token_parts parts;
    static const char *const headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"HS256\"}", "{}", "[]", "{\"alg\":7}",
        "{\"alg\":\"RS256\"}", // not one of this issuer's
        "{\"alg\":\"ES256\",\"alg\":\"ES256\"}", "{\"alg\":\"ES256\",\"crit\":[]}",
        "{\"alg\":\"ES256\",\"kid\":7}", "{\"alg\":\"ES256\"} "
                                         "x"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (take(headers[i], CLAIMS(""), &parts) == NULL)
            fail_msg("taken: %s", headers[i]);
    static const char *const claims[] = {
        CLAIMS(",\"sub\":\"eve\""), CLAIMS(",\"iss\":\"https://two\""), CLAIMS(",\"exp\":2000"),
        CLAIMS(",\"aud\":\"florin\""), CLAIMS(",\"nbf\":\"900\""), CLAIMS(",\"nbf\":0"),
        "{\"iss\":\"https://one\",\"sub\":\"ann\",\"aud\":\"florin\",\"exp\":1000.5}",
        "{\"iss\":\"https://one\",\"sub\":\"ann\",\"aud\":\"florin\"}",
        "{\"iss\":\"https://one\",\"sub\":\"ann\",\"aud\":\"FLORIN\",\"exp\":1000}",
        "{\"iss\":\"https://one\",\"aud\":\"florin\",\"exp\":1000}",
        "{\"iss\":\"https://three\",\"sub\":\"ann\",\"aud\":\"florin\",\"exp\":1000}", "7", ""};
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
        if (take(ES256, claims[i], &parts) == NULL)
            fail_msg("taken: %s", claims[i]);
}

static void times_have_a_leeway(void **state) {
    (void)state;
    struct token_parts parts;
    assert_null(take(ES256, CLAIMS(",\"nbf\":900"), &parts));
    assert_null(token_check_time(&parts, &issuers[0], 1009999));
    assert_int_equal(parts.holder.until_ms, 1010000);
    assert_non_null(token_check_time(&parts, &issuers[0], 1010000));
    assert_null(token_check_time(&parts, &issuers[0], 890000));
    assert_non_null(token_check_time(&parts, &issuers[0], 889999));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_says_who),
        cmocka_unit_test(the_first_role_of_the_configuration_counts),
        cmocka_unit_test(what_is_not_clear_is_refused),
        cmocka_unit_test(times_have_a_leeway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

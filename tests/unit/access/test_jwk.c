// SPDX-License-Identifier: MIT
// Signatures of the RFCs' own examples (RFC 7515 A.2 and A.3, RFC 8037 A.4), and that nothing but
// the key's own algorithm ever checks one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access/base64url.h"
#include "access/jwk.h"

#define EC_XY                                                                                      \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                       \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC_KEY "{\"kid\":\"curve\",\"kty\":\"EC\",\"crv\":\"P-256\"," EC_XY "}"
#define EC_TEXT                                                                                    \
    "eyJhbGciOiJFUzI1NiJ9."                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define EC_SIGNATURE                                                                               \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define ED_KEY                                                                                     \
    "{\"kid\":\"edwards\",\"kty\":\"OKP\",\"crv\":\"Ed25519\","                                    \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define ED_TEXT "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
#define ED_SIGNATURE                                                                               \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
#define RSA_N                                                                                      \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4" \
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re" \
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX" \
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define RSA_KEY                                                                                    \
    "{\"kid\":\"rsa\",\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"" RSA_N "\"}"
#define RSA_TEXT                                                                                   \
    "eyJhbGciOiJSUzI1NiJ9."                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define RSA_SIGNATURE                                                                              \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" \
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" \
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" \
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define SET(keys) SLICE("{\"keys\":[" keys "]}")

static struct jwk_set *parse(struct slice json) {
    char why[256] = "";
    struct jwk_set *set = jwk_set_parse(json, why, sizeof(why));
    assert_true((set == NULL) == (why[0] != '\0'));
    return set;
}

static bool fits(const struct jwk *key, struct slice text, const char *signature_text) {
    struct buffer signature = {0};
    assert_true(base64url_decode(slice_of_text(signature_text), &signature));
    bool result = jwk_verify(key, text, buffer_slice(&signature));
    if (result) { // and every other signature does not
        signature.bytes[signature.size / 2] ^= 1;
        assert_false(jwk_verify(key, text, buffer_slice(&signature)));
        signature.bytes[signature.size / 2] ^= 1;
        assert_false(jwk_verify(key, text, slice_of(signature.bytes, signature.size - 1)));
        assert_false(jwk_verify(key, text, slice_of(signature.bytes, 0)));
        assert_false(jwk_verify(key, slice_of(text.bytes, text.size - 1),
                                buffer_slice(&signature)));
    }
    buffer_done(&signature);
    return result;
}

static void examples_of_the_rfcs_fit(void **state) {
    (void)state;
    struct jwk_set *set = parse(SET(RSA_KEY "," EC_KEY "," ED_KEY));
    assert_int_equal(jwk_set_count(set), 3);
    const struct jwk *rsa = jwk_set_find(set, SLICE("rsa"), JWS_RS256);
    const struct jwk *curve = jwk_set_find(set, SLICE("curve"), JWS_ES256);
    const struct jwk *edwards = jwk_set_find(set, SLICE("edwards"), JWS_EDDSA);
    assert_true(fits(rsa, SLICE(RSA_TEXT), RSA_SIGNATURE));
    assert_true(fits(curve, SLICE(EC_TEXT), EC_SIGNATURE));
    assert_true(fits(edwards, SLICE(ED_TEXT), ED_SIGNATURE));
    assert_false(fits(edwards, SLICE(EC_TEXT), EC_SIGNATURE));
    assert_false(fits(curve, SLICE(ED_TEXT), ED_SIGNATURE));
    assert_false(fits(rsa, SLICE(EC_TEXT), EC_SIGNATURE));
    jwk_set_release(set);
}

static void a_key_is_for_one_algorithm(void **state) {
    (void)state;
    struct jwk_set *set = parse(SET(RSA_KEY "," EC_KEY));
    assert_null(jwk_set_find(set, SLICE("rsa"), JWS_ES256));
    assert_null(jwk_set_find(set, SLICE("curve"), JWS_RS256));
    assert_null(jwk_set_find(set, SLICE("other"), JWS_RS256));
    assert_non_null(jwk_set_find(set, SLICE(""), JWS_RS256)); // the only one
    assert_true(jwk_set_knows(set, SLICE("rsa")));
    assert_false(jwk_set_knows(set, SLICE("other")));
    jwk_set_release(set);
    set = parse(SET(EC_KEY "," EC_KEY));
    assert_null(jwk_set_find(set, SLICE(""), JWS_ES256)); // which?
    jwk_set_release(jwk_set_hold(set));
    jwk_set_release(set);
}

// What may not check signatures is left out, and a set of nothing else is refused.
static void unfit_keys_are_left_out(void **state) {
    (void)state;
#define EC(more) "{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_XY more "}"
    static const char *const unfit[] = {
        EC(",\"use\":\"enc\""),
        EC(",\"alg\":\"RS256\""),
        EC(",\"alg\":\"none\""),
        EC(",\"key_ops\":[\"sign\"]"),
        EC(",\"d\":\"AAAA\""),
        EC(",\"kty\":\"EC\""), // twice
        "{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_XY "}",
        // Not on the curve.
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
        "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AQAB\"}",           // short
        "{\"kty\":\"RSA\",\"e\":\"AQ\",\"n\":\"" RSA_N "\"}",        // an exponent of one
        "{\"kty\":\"RSA\",\"e\":\"\",\"n\":\"" RSA_N "\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\","
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "7",
        "{}",
    };
    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
        struct buffer json = {0};
        buffer_add_format(&json, "{\"keys\":[%s]}", unfit[i]);
        if (parse(buffer_slice(&json)) != NULL)
            fail_msg("taken: %s", unfit[i]);
        buffer_reset(&json);
        buffer_add_format(&json, "{\"keys\":[%s,%s]}", unfit[i], ED_KEY);
        struct jwk_set *set = parse(buffer_slice(&json));
        assert_int_equal(jwk_set_count(set), 1);
        jwk_set_release(set);
        buffer_done(&json);
    }
}

static void what_is_no_set_is_refused(void **state) {
    (void)state;
    static const char *const broken[] = {"", "{", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}",
                                         "{\"keys\":[" ED_KEY "],\"keys\":[]}", "null"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        if (parse(slice_of_text(broken[i])) != NULL)
            fail_msg("taken: %s", broken[i]);
}

static void names_of_algorithms(void **state) {
    (void)state;
    assert_int_equal(jws_algorithm_of(SLICE("RS256")), JWS_RS256);
    assert_int_equal(jws_algorithm_of(SLICE("ES256")), JWS_ES256);
    assert_int_equal(jws_algorithm_of(SLICE("EdDSA")), JWS_EDDSA);
    static const char *const others[] = {"none", "", "HS256", "rs256", "RS512", "PS256", "eddsa"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(jws_algorithm_of(slice_of_text(others[i])), 0);
}

static void base64url_has_one_reading(void **state) {
    (void)state;
    struct buffer bytes = {0};
    assert_true(base64url_decode(SLICE("-_8"), &bytes));
    assert_memory_equal(bytes.bytes, "\xfb\xff", 2);
    assert_true(base64url_decode(SLICE("AQID"), &bytes)); // adds
    assert_memory_equal(bytes.bytes, "\xfb\xff\x01\x02\x03", 5);
    static const char *const broken[] = {"A", "AB=", "AQ==", "+/8", "-_9", "A B", "AQID\n", "AR"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_false(base64url_decode(slice_of_text(broken[i]), &bytes));
    assert_int_equal(bytes.size, 5);
    buffer_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfcs_fit),  cmocka_unit_test(a_key_is_for_one_algorithm),
        cmocka_unit_test(unfit_keys_are_left_out),   cmocka_unit_test(what_is_no_set_is_refused),
        cmocka_unit_test(names_of_algorithms),       cmocka_unit_test(base64url_has_one_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Signatures: the vector of the specification, several secrets, and what is no secret.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "events/webhook_signature.h"

static struct buffer scratch, header;

#define BODY "{\"test\": 2432232314}"
#define ID   "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIME 1614265330

static bool reads(const char *text, struct webhook_secrets *ret_secrets) {
    const char *why = NULL;
    bool is_read = webhook_secrets_parse(slice_of_text(text), ret_secrets, &why);
    assert_true(is_read == (why == NULL));
    return is_read;
}

static bool signs(const char *secrets_text, const char *expected) {
    struct webhook_secrets secrets;
    assert_true(reads(secrets_text, &secrets));
    buffer_reset(&header);
    webhook_sign(&secrets, ID, TIME, SLICE(BODY), &scratch, &header);
    return slice_equal(buffer_slice(&header), slice_of_text(expected));
}

// That of the specification and its reference libraries.
static void test_the_vector(void **state) {
    (void)state;
    assert_true(signs("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
                      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
}

static void test_several_at_once(void **state) {
    const char *both = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw \r\n\t"
                       "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    struct webhook_secrets secrets;
    (void)state;
    assert_true(reads(both, &secrets));
    assert_int_equal(secrets.count, 2);
    buffer_reset(&header);
    webhook_sign(&secrets, ID, TIME, SLICE(BODY), &scratch, &header);
    struct slice first = SLICE("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,");
    assert_true(header.size == first.size + 44);
    assert_memory_equal(header.bytes, first.bytes, first.size);
}

static void test_what_is_none(void **state) {
    struct webhook_secrets secrets;
    struct buffer text = {0};
    uint8_t bytes[65] = {1};
    (void)state;
    assert_false(reads("", &secrets));
    assert_false(reads(" \n", &secrets));
    assert_false(reads("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &secrets));
    assert_false(reads("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", &secrets));
    assert_false(reads("whsec_AAAA", &secrets));
    for (size_t size = 23; size <= 65; size++) {
        buffer_reset(&text);
        BUFFER_ADD(&text, "whsec_");
        base64_encode(slice_of(bytes, size), &text);
        const char *why;
        assert_true(webhook_secrets_parse(buffer_slice(&text), &secrets, &why) ==
                    (size >= 24 && size <= 64));
    }
    buffer_reset(&text);
    for (int i = 0; i < 5; i++)
        BUFFER_ADD(&text, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ");
    const char *why;
    assert_false(webhook_secrets_parse(buffer_slice(&text), &secrets, &why));
    assert_null(strstr(why, "MfKQ")); // what is said shows nothing of it
    buffer_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vector),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_what_is_none),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_done(&scratch);
    buffer_done(&header);
    return failed;
}

// SPDX-License-Identifier: MIT
// https://www.standardwebhooks.com
#include "events/webhook_signature.h"

#include "base/base64.h"
#include "base/hash.h"

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

// NULL, or what is wrong with it.
static const char *parse_one(struct slice text, struct buffer *bytes,
                             struct webhook_secrets *secrets) {
    const struct slice prefix = SLICE("whsec_");
    if (text.size < prefix.size || memcmp(text.bytes, prefix.bytes, prefix.size) != 0)
        return "a secret begins with whsec_";
    if (secrets->count == WEBHOOK_SECRETS_MAX)
        return "there may be 4 secrets at once";
    buffer_reset(bytes);
    if (!base64_decode(slice_of(text.bytes + prefix.size, text.size - prefix.size), bytes))
        return "behind whsec_ stands the base64 of the secret's bytes";
    if (bytes->size < WEBHOOK_SECRET_BYTES_MIN || bytes->size > WEBHOOK_SECRET_BYTES_MAX)
        return "a secret has 24 to 64 bytes before it is written in base64; "
               "\"openssl rand -base64 32\" makes one";
    struct webhook_secret *secret = &secrets->items[secrets->count++];
    memcpy(secret->bytes, bytes->bytes, bytes->size);
    secret->size = bytes->size;
    return NULL;
}

bool webhook_secrets_parse(struct slice text, struct webhook_secrets *ret_secrets,
                           const char **ret_why) {
    struct buffer bytes = {0};
    const char *why = NULL;
    memset(ret_secrets, 0, sizeof(*ret_secrets));
    for (size_t i = 0; i < text.size && why == NULL;) {
        size_t begun = i;
        while (i < text.size && !is_blank(text.bytes[i]))
            i++;
        if (i != begun)
            why = parse_one(slice_of(text.bytes + begun, i - begun), &bytes, ret_secrets);
        while (i < text.size && is_blank(text.bytes[i]))
            i++;
    }
    if (why == NULL && ret_secrets->count == 0)
        why = "there is no secret";
    if (bytes.capacity != 0)
        explicit_bzero(bytes.bytes, bytes.capacity);
    buffer_done(&bytes);
    if (why != NULL)
        *ret_why = why;
    return why == NULL;
}

void webhook_sign(const struct webhook_secrets *secrets, const char *id, uint64_t time_s,
                  struct slice body, struct buffer *scratch, struct buffer *header) {
    CHECK(secrets->count != 0 && secrets->count <= WEBHOOK_SECRETS_MAX);
    buffer_reset(scratch);
    buffer_add_format(scratch, "%s.%llu.", id, (unsigned long long)time_s);
    buffer_add_slice(scratch, body);
    for (uint32_t i = 0; i < secrets->count; i++) {
        const struct webhook_secret *secret = &secrets->items[i];
        struct sha256 hash =
            hmac_sha256(slice_of(secret->bytes, secret->size), buffer_slice(scratch));
        buffer_add_text(header, i == 0 ? "v1," : " v1,");
        base64_encode(slice_of(hash.bytes, sizeof(hash.bytes)), header);
    }
}

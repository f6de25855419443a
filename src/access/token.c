// SPDX-License-Identifier: MIT
// Takes tokens apart (the rules stand in token.h). What cannot be understood in one way only is
// refused, before any signature is checked.
#include "access/token.h"

#include <string.h>

#include "access/base64url.h"
#include "base/check.h"

// Seconds up to the year 9999: milliseconds fit, and so does adding a leeway.
#define TIME_S_MAX INT64_C(253402300799)

#define MALFORMED "The token is not a signed JWT in compact form."

void token_reader_open(struct token_reader *reader) {
    *reader = (struct token_reader){.parser = json_open()};
}

void token_reader_close(struct token_reader *reader) {
    json_close(reader->parser);
    buffer_done(&reader->header);
    buffer_done(&reader->claims);
    buffer_done(&reader->signature);
}

// The part up to the next dot, decoded and with the room behind it that JSON needs.
static bool take_part(struct slice *rest, struct buffer *ret_bytes, bool is_last) {
    const uint8_t *dot = rest->size == 0 ? NULL : memchr(rest->bytes, '.', rest->size);
    if ((dot == NULL) != is_last)
        return false;
    size_t size = dot == NULL ? rest->size : (size_t)(dot - rest->bytes);
    buffer_reset(ret_bytes);
    if (size == 0 || !base64url_decode(slice_of(rest->bytes, size), ret_bytes))
        return false;
    memset(buffer_room(ret_bytes, JSON_PADDING), 0, JSON_PADDING);
    size_t used = size + (dot != NULL);
    *rest = slice_of(rest->bytes + used, rest->size - used);
    return true;
}

static bool parse_object(struct json_parser *parser, const struct buffer *bytes,
                         struct json_value *ret_object) {
    const char *why;
    return json_parse(parser, buffer_slice(bytes), ret_object, &why) &&
           json_kind(*ret_object) == JSON_OBJECT;
}

// The member with that name. `ret_count` says how often it stands there.
static struct json_value find_member(struct json_value object, struct slice name,
                                     uint32_t *ret_count) {
    struct json_cursor members = json_members(object);
    struct slice found_name;
    struct json_value value, found = {0};
    *ret_count = 0;
    while (json_next_member(&members, &found_name, &value)) {
        if (!slice_equal(found_name, name))
            continue;
        found = value;
        ++*ret_count;
    }
    return found;
}

// False: it stands there twice or is no text. Empty when it is missing.
static bool find_text(struct json_value object, struct slice name, struct slice *ret_text) {
    uint32_t count;
    struct json_value value = find_member(object, name, &count);
    *ret_text = SLICE("");
    if (count == 0)
        return true;
    if (count > 1 || json_kind(value) != JSON_TEXT)
        return false;
    *ret_text = json_text(value);
    return true;
}

// False: it stands there twice or is no time. Zero when it is missing.
static bool find_time(struct json_value object, struct slice name, uint64_t *ret_ms) {
    uint32_t count;
    struct json_value value = find_member(object, name, &count);
    int64_t seconds = 0;
    *ret_ms = 0;
    if (count == 0)
        return true;
    if (count > 1 || json_kind(value) != JSON_INTEGER || !json_integer(value, &seconds) ||
        seconds < 1 || seconds > TIME_S_MAX)
        return false;
    *ret_ms = (uint64_t)seconds * 1000;
    return true;
}

static const char *read_header(struct token_reader *reader, struct token_parts *parts) {
    struct json_value header;
    struct slice algorithm, found_kid;
    uint32_t count;
    if (!parse_object(reader->parser, &reader->header, &header))
        return MALFORMED;
    (void)find_member(header, SLICE("crit"), &count);
    if (count != 0)
        return "The token's header asks for an extension (crit) that is not known here.";
    if (!find_text(header, SLICE("alg"), &algorithm) ||
        !find_text(header, SLICE("kid"), &found_kid))
        return MALFORMED;
    parts->algorithm = jws_algorithm_of(algorithm);
    if (parts->algorithm == 0)
        return "The token is signed with an algorithm that is not taken here.";
    if (found_kid.size > JWK_KID_BYTES_MAX)
        return MALFORMED;
    if (found_kid.size != 0) // the claims are parsed over it
        memcpy(parts->kid_text, found_kid.bytes, found_kid.size);
    parts->kid = slice_of(parts->kid_text, found_kid.size);
    return NULL;
}

static bool is_meant(struct json_value audience, struct slice wanted) {
    if (json_kind(audience) == JSON_TEXT)
        return slice_equal(json_text(audience), wanted);
    if (json_kind(audience) != JSON_ARRAY)
        return false;
    struct json_cursor cursor = json_items(audience);
    struct json_value item;
    while (json_next_item(&cursor, &item))
        if (json_kind(item) == JSON_TEXT && slice_equal(json_text(item), wanted))
            return true;
    return false;
}

// A text is one value, or several between spaces, as `scope` has them.
static bool text_has(struct slice text, struct slice wanted) {
    size_t start = 0;
    for (size_t i = 0; i <= text.size; i++) {
        if (i < text.size && text.bytes[i] != ' ')
            continue;
        if (slice_equal(slice_of(text.bytes + start, i - start), wanted))
            return true;
        start = i + 1;
    }
    return false;
}

static bool claim_has(struct json_value value, struct slice wanted) {
    if (json_kind(value) == JSON_TEXT)
        return text_has(json_text(value), wanted);
    return is_meant(value, wanted);
}

// 0: none.
static uint8_t role_of(struct json_value claims, const struct token_issuer *issuer) {
    uint32_t count = 0;
    struct json_value value = {0};
    if (issuer->role_claim[0] != '\0')
        value = find_member(claims, slice_of_text(issuer->role_claim), &count);
    if (count > 1)
        return 0;
    for (uint32_t i = 0; count == 1 && i < issuer->role_count; i++)
        if (claim_has(value, slice_of_text(issuer->roles[i].value)))
            return issuer->roles[i].number;
    return issuer->role_number;
}

// Names go into records, headers and logs.
static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.bytes[i] < ' ' || text.bytes[i] == 0x7f)
            return false;
    return true;
}

static const char *name_holder(const struct token_issuer *issuer, struct slice subject,
                               struct slice owner, struct token_holder *holder) {
    size_t issuer_bytes = strlen(issuer->issuer);
    if (subject.size == 0 || !is_plain(subject))
        return "The token has no subject (sub).";
    if (4 + issuer_bytes + 1 + subject.size > TOKEN_NAME_BYTES_MAX)
        return "The token's issuer and subject are longer than a principal may be.";
    char *place = holder->name;
    memcpy(place, "jwt:", 4);
    memcpy(place + 4, issuer->issuer, issuer_bytes);
    place[4 + issuer_bytes] = '|';
    memcpy(place + 5 + issuer_bytes, subject.bytes, subject.size);
    holder->name_bytes = (uint16_t)(5 + issuer_bytes + subject.size);
    if (owner.size > TOKEN_NAME_BYTES_MAX || !is_plain(owner))
        return "The token's owner is longer than an owner may be, or no plain text.";
    if (owner.size != 0)
        memcpy(holder->owner, owner.bytes, owner.size);
    holder->owner_bytes = (uint16_t)owner.size;
    return NULL;
}

static const struct token_issuer *find_issuer(const struct token_issuer *issuers, uint32_t count,
                                              struct slice name, uint32_t *ret_index) {
    for (uint32_t i = 0; i < count; i++) {
        if (!slice_equal(slice_of_text(issuers[i].issuer), name))
            continue;
        *ret_index = i;
        return &issuers[i];
    }
    return NULL;
}

static const char *read_claims(struct token_reader *reader, const struct token_issuer *issuers,
                               uint32_t issuer_count, struct token_parts *parts) {
    struct json_value claims;
    struct slice name, subject, owner = SLICE("");
    uint32_t count;
    if (!parse_object(reader->parser, &reader->claims, &claims))
        return MALFORMED;
    if (!find_text(claims, SLICE("iss"), &name) || !find_text(claims, SLICE("sub"), &subject) ||
        !find_time(claims, SLICE("exp"), &parts->expires_ms) ||
        !find_time(claims, SLICE("nbf"), &parts->not_before_ms))
        return "The token's iss, sub, exp or nbf is malformed or stands there twice.";
    const struct token_issuer *issuer = find_issuer(issuers, issuer_count, name, &parts->issuer);
    if (issuer == NULL)
        return "The token's issuer is not trusted here.";
    if ((parts->algorithm & issuer->algorithms) == 0)
        return "The token is signed with an algorithm that is not taken here.";
    struct json_value audience = find_member(claims, SLICE("aud"), &count);
    if (count != 1 || !is_meant(audience, slice_of_text(issuer->audience)))
        return "The token is meant for another audience.";
    if (parts->expires_ms == 0)
        return "The token has no expiry (exp).";
    if (issuer->owner_claim[0] != '\0' &&
        !find_text(claims, slice_of_text(issuer->owner_claim), &owner))
        return "The token's owner is malformed or stands there twice.";
    parts->holder.issuer = parts->issuer;
    parts->holder.role = role_of(claims, issuer);
    if (parts->holder.role == 0)
        return "The token gives its holder no role here.";
    return name_holder(issuer, subject, owner, &parts->holder);
}

bool token_take_apart(struct token_reader *reader, struct slice token,
                      const struct token_issuer *issuers, uint32_t issuer_count,
                      struct token_parts *ret_parts, const char **ret_why) {
    struct slice rest = token;
    *ret_why = MALFORMED;
    if (token.size > TOKEN_BYTES_MAX || !take_part(&rest, &reader->header, false) ||
        !take_part(&rest, &reader->claims, false))
        return false;
    size_t signed_bytes = token.size - rest.size - 1;
    if (!take_part(&rest, &reader->signature, true))
        return false;
    ret_parts->signed_text = slice_of(token.bytes, signed_bytes);
    ret_parts->signature = buffer_slice(&reader->signature);
    *ret_why = read_header(reader, ret_parts);
    if (*ret_why == NULL)
        *ret_why = read_claims(reader, issuers, issuer_count, ret_parts);
    return *ret_why == NULL;
}

const char *token_check_time(struct token_parts *parts, const struct token_issuer *issuer,
                             uint64_t now_ms) {
    uint64_t leeway_ms = (uint64_t)issuer->leeway_s * 1000;
    CHECK(issuer->leeway_s <= TOKEN_LEEWAY_S_MAX);
    parts->holder.until_ms = parts->expires_ms + leeway_ms;
    if (now_ms >= parts->holder.until_ms)
        return "The token is expired.";
    if (now_ms + leeway_ms < parts->not_before_ms)
        return "The token is not valid yet.";
    return NULL;
}

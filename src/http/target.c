// SPDX-License-Identifier: MIT
// The request target, decoded once and strictly. The library would decode it too, but leniently: it
// keeps broken escapes as they are and lets %00 cut texts short, so two readers could understand
// one target differently.
//
//   target = path [ "?" query ]      path begins with "/"; "*" alone is allowed
//   query  = [ pair *( "&" pair ) ]  pair = name [ "=" value ], empty pairs are skipped
//
// The absolute form (http://host/path) is accepted, as RFC 9112 demands, and its host is ignored.
#include <strings.h>

#include "base/hex.h"
#include "http/internal.h"

#define TARGET_BAD_REQUEST 400
#define TARGET_QUERIES_MAX 100

// Decodes into the arena. False: a bad escape or a NUL.
static bool target_decode(struct arena *arena, struct slice text, bool plus_is_space,
                          struct slice *ret_text) {
    uint8_t *decoded = arena_take(arena, text.size);
    size_t size = 0;
    for (size_t index = 0; index < text.size; index++) {
        uint8_t byte = text.bytes[index];
        if (byte == '%') {
            int high = index + 2 < text.size ? hex_digit_any(text.bytes[index + 1]) : -1;
            int low = index + 2 < text.size ? hex_digit_any(text.bytes[index + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            if (byte == 0)
                return false;
            index += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        decoded[size++] = byte;
    }
    *ret_text = slice_of(decoded, size);
    return true;
}

// What must not stand in a target unescaped: controls, space, DEL, bytes above ASCII, and "#".
static bool target_is_clean(struct slice target) {
    for (size_t index = 0; index < target.size; index++) {
        uint8_t byte = target.bytes[index];
        if (byte <= ' ' || byte >= 0x7f || byte == '#')
            return false;
    }
    return true;
}

// Cuts "http://host" off; a target that is then empty means "/".
static struct slice target_without_authority(struct slice target) {
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t index = 0; index < sizeof(schemes) / sizeof(schemes[0]); index++) {
        size_t size = strlen(schemes[index]);
        if (target.size <= size ||
            strncasecmp((const char *)target.bytes, schemes[index], size) != 0)
            continue;
        while (size < target.size && target.bytes[size] != '/' && target.bytes[size] != '?')
            size++;
        if (size == target.size)
            return SLICE("/");
        return slice_of(target.bytes + size, target.size - size);
    }
    return target;
}

static bool target_read_pair(struct http_request *request, struct slice pair) {
    const uint8_t *equals = memchr(pair.bytes, '=', pair.size);
    size_t name_size = equals == NULL ? pair.size : (size_t)(equals - pair.bytes);
    size_t value_size = equals == NULL ? 0 : pair.size - name_size - 1;
    struct http_field *field = &request->queries[request->query_count++];
    return target_decode(&request->arena, slice_of(pair.bytes, name_size), true, &field->name) &&
           target_decode(&request->arena, slice_of(pair.bytes + pair.size - value_size, value_size),
                         true, &field->value);
}

static bool target_read_query(struct http_request *request, struct slice query) {
    size_t pairs = 1;
    for (size_t index = 0; index < query.size; index++)
        pairs += query.bytes[index] == '&';
    if (pairs > TARGET_QUERIES_MAX)
        return false;
    request->queries = arena_take(&request->arena, pairs * sizeof(request->queries[0]));
    size_t begin = 0;
    while (begin < query.size) {
        const uint8_t *and = memchr(query.bytes + begin, '&', query.size - begin);
        size_t end = and == NULL ? query.size : (size_t)(and-query.bytes);
        if (end > begin && !target_read_pair(request, slice_of(query.bytes + begin, end - begin)))
            return false;
        begin = end + 1;
    }
    return true;
}

int target_read(struct http_request *request) {
    struct slice target = target_without_authority(request->target);
    if (target.size == 0 || !target_is_clean(target))
        return TARGET_BAD_REQUEST;
    if (slice_equal(target, SLICE("*"))) {
        request->path = target;
        return 0;
    }
    const uint8_t *mark = memchr(target.bytes, '?', target.size);
    size_t path_size = mark == NULL ? target.size : (size_t)(mark - target.bytes);
    if (path_size == 0 && target.bytes != request->target.bytes) {
        request->path = SLICE("/"); // "http://host?query"
    } else {
        if (target.bytes[0] != '/')
            return TARGET_BAD_REQUEST;
        if (memchr(target.bytes, '%', path_size) == NULL)
            request->path = slice_of(target.bytes, path_size);
        else if (!target_decode(&request->arena, slice_of(target.bytes, path_size), false,
                                &request->path))
            return TARGET_BAD_REQUEST;
    }
    if (mark == NULL)
        return 0;
    struct slice query = slice_of(mark + 1, target.size - path_size - 1);
    return target_read_query(request, query) ? 0 : TARGET_BAD_REQUEST;
}

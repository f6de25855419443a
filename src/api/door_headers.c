// SPDX-License-Identifier: MIT
// What a request says in its headers, taken in one walk: a dozen look-ups by name would cost more
// than the ledger.
#include "api/door.h"
#include "api/loop.h"
#include "base/limits.h"

static bool name_is(struct slice name, const char *lower, size_t size) {
    if (name.size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = name.bytes[i];
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        if (byte != (uint8_t)lower[i])
            return false;
    }
    return true;
}

#define NAME_IS(name, literal) name_is((name), literal, sizeof(literal) - 1)

static void collect_single(struct slice *slot, struct slice value, const char *pointer,
                           struct door_headers *headers) {
    if (slot->bytes != NULL)
        headers->repeated = pointer;
    *slot = value;
}

// A header may stand there several times, which means the same as its values with commas between.
static void join(struct arena *arena, struct slice *all, struct slice value) {
    if (all->size == 0) {
        *all = value;
        return;
    }
    uint8_t *joined = arena_take(arena, all->size + 1 + value.size);
    memcpy(joined, all->bytes, all->size);
    joined[all->size] = ',';
    if (value.size != 0)
        memcpy(joined + all->size + 1, value.bytes, value.size);
    *all = slice_of(joined, all->size + 1 + value.size);
}

void headers_collect(struct http_request *request, struct door_headers *ret_headers) {
    memset(ret_headers, 0, sizeof(*ret_headers));
    size_t place = 0;
    struct slice name, value;
    while (http_next_header(request, &place, &name, &value)) {
        switch (name.size) { // each name that matters has a length of its own
        case 6:
            if (NAME_IS(name, "prefer"))
                ret_headers->prefer = value;
            else if (NAME_IS(name, "origin"))
                ret_headers->origin = value;
            break;
        case 8:
            if (NAME_IS(name, "if-match"))
                collect_single(&ret_headers->wire.if_match, value, "/If-Match", ret_headers);
            break;
        case 10:
            if (NAME_IS(name, "tracestate"))
                join(http_arena(request), &ret_headers->tracestate, value);
            break;
        case 11: // of two, none can be believed
            if (NAME_IS(name, "traceparent"))
                ret_headers->traceparent =
                    ret_headers->traceparent.bytes == NULL ? value : slice_of("-", 1);
            break;
        case 12:
            if (NAME_IS(name, "content-type"))
                collect_single(&ret_headers->content_type, value, "/Content-Type", ret_headers);
            else if (NAME_IS(name, "x-request-id"))
                ret_headers->request_id = value;
            break;
        case 13:
            if (NAME_IS(name, "authorization"))
                collect_single(&ret_headers->authorization, value, "/Authorization", ret_headers);
            else if (NAME_IS(name, "cache-control") && ret_headers->cache_control.size == 0)
                ret_headers->cache_control = value;
            break;
        case 15:
            if (NAME_IS(name, "idempotency-key"))
                collect_single(&ret_headers->wire.idempotency_key, value, "/Idempotency-Key",
                               ret_headers);
            else if (NAME_IS(name, "florin-position"))
                collect_single(&ret_headers->position, value, "/Florin-Position", ret_headers);
            else if (NAME_IS(name, "x-forwarded-for"))
                join(http_arena(request), &ret_headers->forwarded_for, value);
            break;
        case 16:
            if (NAME_IS(name, "content-encoding"))
                ret_headers->encoding = value;
            break;
        default: break;
        }
    }
    ret_headers->wire.has_if_match = ret_headers->wire.if_match.bytes != NULL;
    ret_headers->wire.has_idempotency_key = ret_headers->wire.idempotency_key.bytes != NULL;
}

bool headers_is_json(struct slice content_type) {
    const size_t size = sizeof("application/json") - 1;
    if (content_type.size < size ||
        !name_is(slice_of(content_type.bytes, size), "application/json", size))
        return false;
    if (content_type.size == size)
        return true;
    uint8_t next = content_type.bytes[size];
    return next == ';' || next == ' ' || next == '\t';
}

static bool request_id_is_usable(struct slice given) {
    if (given.size == 0 || given.size > LIMIT_REQUEST_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < given.size; i++)
        if (given.bytes[i] < 0x21 || given.bytes[i] > 0x7e)
            return false;
    return true;
}

struct slice headers_take_request_id(struct api_loop *loop, struct http_request *request,
                                     struct slice given) {
    if (request_id_is_usable(given))
        return given;
    static const char digits[] = "0123456789abcdef";
    // An odd factor keeps counted numbers apart and makes them look it.
    uint64_t number =
        (loop->request_prefix + ++loop->request_number) * UINT64_C(0x9E3779B97F4A7C15);
    char *text = arena_take(http_arena(request), 16);
    for (int i = 15; i >= 0; i--, number >>= 4)
        text[i] = digits[number & 15];
    return slice_of(text, 16);
}

bool headers_is_loopback(const uint8_t address[16]) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t six[16] = {[15] = 1};
    if (memcmp(address, mapped, sizeof(mapped)) == 0)
        return address[12] == 127;
    return memcmp(address, six, sizeof(six)) == 0;
}

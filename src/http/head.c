// SPDX-License-Identifier: MIT
// The head of a request, read a second time and strictly. The library is lenient (bare LF, folded
// lines, several spaces, repeated lengths, NUL bytes), and where two readers of one head may
// differ, requests can be smuggled. It parses in place and only overwrites separators with NUL, so
// the bytes that came still lie between the method and the end of the headers:
//
//   method NUL target NUL "HTTP/1.1" NUL NUL *( name NUL value NUL NUL ) NUL NUL
//
// with one NUL for each space, colon, CR and LF that it took as a separator. A head is accepted if
// and only if
//   1. it has exactly this shape, which a folded line, a bare LF or a second space breaks,
//   2. it has as many headers as the library has found, which a NUL that a client sent breaks,
//   3. names are tokens, and values have no control characters but tabs,
//   4. Host, Content-Length and Transfer-Encoding are unambiguous as server.h says.
#include <strings.h>

#include "base/check.h"
#include "http/internal.h"

#define HEAD_BAD_REQUEST        400
#define HEAD_TOO_LARGE_BODY     413
#define HEAD_EXPECTATION_FAILED 417
#define HEAD_TOO_MANY_FIELDS    431 // or too large ones
#define HEAD_VERSION_BYTES      8
#define HEAD_NOTE_BYTES         64 // of the library for each header, cookie and parameter

// What was seen of the headers that decide where a request ends.
struct head_framing {
    size_t hosts;
    size_t lengths;
    size_t codings;
    bool expects;
    size_t length;
};

// RFC 9110 "token".
static bool head_is_token(const uint8_t *bytes, size_t size) {
    static const bool allowed[256] = {
        ['a' ... 'z'] = true,  ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,
        ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,         ['-'] = true,
        ['.'] = true,          ['^' ... '`'] = true, ['|'] = true,         ['~'] = true,
    };
    for (size_t index = 0; index < size; index++)
        if (!allowed[bytes[index]])
            return false;
    return size > 0;
}

static bool head_is_control(uint8_t byte) {
    return (byte < ' ' && byte != '\t' && byte != 0) || byte == 0x7f;
}

// Whether no control characters lie in the lines but tabs and the NULs between their parts. One
// walk over all of them that never stops early is several times faster than one per value.
static bool head_is_clean(struct slice lines) {
    uint8_t dirty = 0;
    for (size_t index = 0; index < lines.size; index++)
        dirty |= head_is_control(lines.bytes[index]);
    return dirty == 0;
}

static bool head_name_is(struct slice name, const char *lower, size_t lower_size) {
    return name.size == lower_size && strncasecmp((const char *)name.bytes, lower, lower_size) == 0;
}
#define HEAD_NAME_IS(name, literal) head_name_is((name), literal, sizeof(literal) - 1)

static bool head_read_length(struct slice value, size_t *ret_length) {
    size_t length = 0;
    for (size_t index = 0; index < value.size; index++) {
        uint8_t digit = value.bytes[index];
        if (digit < '0' || digit > '9')
            return false;
        // What does not fit is as large as can be: too large for any limit.
        length = length > (SIZE_MAX - 9) / 10 ? SIZE_MAX : length * 10 + (digit - '0');
    }
    *ret_length = length;
    return value.size > 0;
}

// A host name or address and perhaps a port; a list, a path or a user name is something else.
static bool head_is_host(struct slice value) {
    static const bool allowed[256] = {
        ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['-'] = true,
        ['.'] = true,         ['_'] = true,         ['~'] = true,         [':'] = true,
        ['['] = true,         [']'] = true,         ['%'] = true,         ['!'] = true,
        ['$'] = true,         ['&'] = true,         ['\''] = true,        ['('] = true,
        [')'] = true,         ['*'] = true,         ['+'] = true,         [';'] = true,
        ['='] = true,
    };
    for (size_t index = 0; index < value.size; index++)
        if (!allowed[value.bytes[index]])
            return false;
    return true;
}

// `raw` is what the library took as the value: white space behind it makes it another word there.
static int head_note_framing(struct head_framing *framing, struct slice name, struct slice value,
                             struct slice raw) {
    if (HEAD_NAME_IS(name, "host")) {
        framing->hosts++;
        return head_is_host(value) ? 0 : HEAD_BAD_REQUEST;
    }
    if (HEAD_NAME_IS(name, "content-length")) {
        framing->lengths++;
        return head_read_length(raw, &framing->length) ? 0 : HEAD_BAD_REQUEST;
    }
    if (HEAD_NAME_IS(name, "transfer-encoding")) {
        framing->codings++;
        return HEAD_NAME_IS(raw, "chunked") ? 0 : HEAD_BAD_REQUEST;
    }
    if (HEAD_NAME_IS(name, "expect")) {
        framing->expects = true;
        return HEAD_NAME_IS(raw, "100-continue") ? 0 : HEAD_EXPECTATION_FAILED;
    }
    return 0;
}

// Reads one header line at `*at`; both separators must be there.
static int head_read_field(const uint8_t **at, const uint8_t *end, struct head_framing *framing,
                           struct http_field *ret_field) {
    const uint8_t *name = *at;
    const uint8_t *name_end = memchr(name, 0, (size_t)(end - name));
    if (name_end == NULL || !head_is_token(name, (size_t)(name_end - name)))
        return HEAD_BAD_REQUEST;
    const uint8_t *value = name_end + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    const uint8_t *value_end = value < end ? memchr(value, 0, (size_t)(end - value)) : NULL;
    if (value_end == NULL || end - value_end < 2 || value_end[1] != 0)
        return HEAD_BAD_REQUEST;
    struct slice raw = slice_of(value, (size_t)(value_end - value));
    struct slice trimmed = raw;
    while (trimmed.size > 0 && (value[trimmed.size - 1] == ' ' || value[trimmed.size - 1] == '\t'))
        trimmed.size--;
    ret_field->name = slice_of(name, (size_t)(name_end - name));
    ret_field->value = trimmed;
    *at = value_end + 2;
    return head_note_framing(framing, ret_field->name, trimmed, raw);
}

static int head_read_fields(struct http_request *request, struct slice lines,
                            struct head_framing *framing) {
    if (!head_is_clean(lines))
        return HEAD_BAD_REQUEST;
    size_t known = (size_t)MHD_get_connection_values(request->handle, MHD_HEADER_KIND, NULL, NULL);
    if (known > HTTP_HEADERS_MAX)
        return HEAD_TOO_MANY_FIELDS;
    // The library reuses its memory for the answer and frees it when the client leaves: keep our
    // own copy.
    struct slice copy = arena_copy(&request->arena, lines);
    const uint8_t *at = copy.bytes;
    const uint8_t *end = copy.bytes + copy.size;
    request->headers = arena_take(&request->arena, known * sizeof(request->headers[0]));
    while (end - at > 2) {
        if (request->header_count == known)
            return HEAD_BAD_REQUEST;
        int code = head_read_field(&at, end, framing, &request->headers[request->header_count]);
        if (code != 0)
            return code;
        request->header_count++;
    }
    bool whole = request->header_count == known && end - at == 2 && at[0] == 0 && at[1] == 0;
    return whole ? 0 : HEAD_BAD_REQUEST;
}

// The library keeps its notes, and later the head of our answer, in the memory that the head of the
// request has left. An answer that does not fit would be lost after its request took effect.
static bool head_leaves_room(struct http_request *request) {
    const enum MHD_ValueKind kinds = MHD_HEADER_KIND | MHD_COOKIE_KIND | MHD_GET_ARGUMENT_KIND;
    size_t notes = (size_t)MHD_get_connection_values(request->handle, kinds, NULL, NULL);
    size_t cookie_copy = http_header(request, "Cookie").size;
    size_t used = request->head_bytes + notes * HEAD_NOTE_BYTES + cookie_copy;
    return used <= request->loop->server->options.head_bytes_max;
}

static int head_check_framing(struct http_request *request, const struct head_framing *framing,
                              bool version_1_0) {
    bool host_missing = version_1_0 ? framing->hosts > 1 : framing->hosts != 1;
    if (host_missing || framing->lengths > 1 || framing->codings > 1)
        return HEAD_BAD_REQUEST;
    if (framing->codings == 1 && (framing->lengths == 1 || version_1_0))
        return HEAD_BAD_REQUEST;
    request->chunked = framing->codings == 1;
    request->body_announced = framing->length;
    const struct http_handler *handler = &request->loop->server->handler;
    request->body_limit = handler->body_limit(handler->context, request->method, request->path);
    return request->body_announced > request->body_limit ? HEAD_TOO_LARGE_BODY : 0;
}

int head_read(struct http_request *request, const char *method, const char *version) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->handle, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    CHECK(info != NULL);
    request->head_bytes = info->header_size;
    size_t method_size = strlen(method);
    size_t version_at = method_size + 1 + request->target.size + 1;
    if (method_size >= HTTP_METHOD_BYTES_MAX ||
        !head_is_token((const uint8_t *)method, method_size))
        return HEAD_BAD_REQUEST;
    memcpy(request->method_text, method, method_size);
    request->method = slice_of(request->method_text, method_size);
    size_t lines_at = version_at + HEAD_VERSION_BYTES + 2;
    if (version != method + version_at || strlen(version) != HEAD_VERSION_BYTES ||
        request->head_bytes < lines_at + 2 || version[HEAD_VERSION_BYTES + 1] != 0)
        return HEAD_BAD_REQUEST;
    int code = target_read(request);
    if (code != 0)
        return code;
    struct head_framing framing = {0};
    code = head_read_fields(request, slice_of(method + lines_at, request->head_bytes - lines_at),
                            &framing);
    if (code != 0)
        return code;
    if (!head_leaves_room(request))
        return HEAD_TOO_MANY_FIELDS;
    return head_check_framing(request, &framing, version[HEAD_VERSION_BYTES - 1] == '0');
}

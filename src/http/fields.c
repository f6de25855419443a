// SPDX-License-Identifier: MIT
// Looking into the headers and parameters of a request. There are few of them, so a walk is faster
// than any index, and duplicates stay visible to whoever must refuse them.
#include <strings.h>

#include "http/internal.h"

bool http_query(const struct http_request *request, const char *name, struct slice *ret_value) {
    struct slice wanted = slice_of_text(name);
    for (size_t index = 0; index < request->query_count; index++) {
        if (slice_equal(request->queries[index].name, wanted)) {
            *ret_value = request->queries[index].value;
            return true;
        }
    }
    return false;
}

static bool fields_next(const struct http_field *fields, size_t count, size_t *place,
                        struct slice *ret_name, struct slice *ret_value) {
    if (*place >= count)
        return false;
    *ret_name = fields[*place].name;
    *ret_value = fields[*place].value;
    (*place)++;
    return true;
}

bool http_next_query(const struct http_request *request, size_t *place, struct slice *ret_name,
                     struct slice *ret_value) {
    return fields_next(request->queries, request->query_count, place, ret_name, ret_value);
}

bool http_next_header(const struct http_request *request, size_t *place, struct slice *ret_name,
                      struct slice *ret_value) {
    return fields_next(request->headers, request->header_count, place, ret_name, ret_value);
}

static bool fields_name_is(struct slice name, const char *wanted, size_t wanted_size) {
    return name.size == wanted_size &&
           strncasecmp((const char *)name.bytes, wanted, wanted_size) == 0;
}

struct slice http_header(const struct http_request *request, const char *name) {
    size_t name_size = strlen(name);
    for (size_t index = 0; index < request->header_count; index++)
        if (fields_name_is(request->headers[index].name, name, name_size))
            return request->headers[index].value;
    return (struct slice){0};
}

size_t http_header_count(const struct http_request *request, const char *name) {
    size_t name_size = strlen(name);
    size_t count = 0;
    for (size_t index = 0; index < request->header_count; index++)
        count += fields_name_is(request->headers[index].name, name, name_size);
    return count;
}

// SPDX-License-Identifier: MIT
// What stands behind the question mark, decoded by the operation's row of the table. An operation
// that takes no parameters refuses them all: a filter or a time that is silently ignored would
// answer another question than the one that was asked.
#include "api/answers.h"
#include "api/door.h"

#define PARAMETERS_MAX 32

static bool is_time(const struct operation *operation, struct slice name) {
    for (uint32_t i = 0; i < operation->query_count; i++)
        if (operation->query[i]->kind == FIELD_TIME &&
            slice_equal(slice_of_text(operation->query[i]->name), name))
            return true;
    return false;
}

// In a query a plus means a space, but whoever writes a time's offset as "+02:00" means a plus.
static struct slice mend_time(struct arena *arena, struct slice value) {
    struct slice copy = arena_copy(arena, value);
    uint8_t *bytes = (uint8_t *)copy.bytes;
    for (size_t i = 0; i < copy.size; i++)
        if (bytes[i] == ' ' && memchr(bytes, 'T', i) != NULL)
            bytes[i] = '+';
    return copy;
}

bool queries_are_there(struct asking *asking) {
    size_t place = 0;
    struct slice name, value;
    return http_next_query(asking->request, &place, &name, &value);
}

bool queries_decode(struct asking *asking, struct arena *arena, struct wire_query *ret_query) {
    struct wire_parameter parameters[PARAMETERS_MAX];
    uint32_t count = 0;
    size_t place = 0;
    struct slice name, value;
    while (http_next_query(asking->request, &place, &name, &value)) {
        if (count == PARAMETERS_MAX) {
            answers_refuse(asking, STATUS_invalid_request, "There are too many query parameters.");
            return false;
        }
        if (is_time(asking->operation, name))
            value = mend_time(arena, value);
        parameters[count++] = (struct wire_parameter){.name = name, .value = value};
    }
    struct wire_context wire = asker_wire_context(asking, arena);
    struct wire_faults faults;
    if (wire_decode_query(&wire, asking->operation, parameters, count, ret_query, &faults) !=
        STATUS_ok) {
        answers_refuse_faults(asking, &faults);
        return false;
    }
    return true;
}

// SPDX-License-Identifier: MIT
// Single values: a JSON value, or a query's text, into the place that a field names. For this
// folder only.
#pragma once
#include <stdbool.h>

#include "wire/decode.h"

// Stores the value of `field` into `target` (a struct command or wire_query), texts copied into the
// arena. False: a fault was added. `value` must belong to context->parser's document.
bool decode_value(const struct wire_context *context, const struct field *field,
                  struct json_value value, void *target, struct wire_faults *faults);
// The same from a query parameter, which must be UTF-8.
bool decode_parameter(const struct wire_context *context, const struct field *field,
                      struct slice text, void *target, struct wire_faults *faults);
// Stores the default, if the field has one.
void decode_standard(const struct field *field, void *target);

// Encodes a JSON object of texts as ledger/metadata.h says.
bool decode_metadata(const struct wire_context *context, const struct field *field,
                     struct json_value value, struct slice *ret_metadata,
                     struct wire_faults *faults);

// Faults with the pointer of a field, or of an unknown name.
void fault_of_field(struct arena *arena, struct wire_faults *faults, const struct field *field,
                    struct slice sentence);
void fault_of_name(struct arena *arena, struct wire_faults *faults, struct slice name,
                   struct slice sentence);
// A name that is none of these, which are told; `what` they are is a word such as "field".
void fault_of_unknown(struct arena *arena, struct wire_faults *faults, struct slice name,
                      const char *what, const struct field *const *known, uint32_t known_count);
// "/" and the name, with "~" and "/" escaped (RFC 6901), behind `parent`.
struct slice fault_pointer(struct arena *arena, struct slice parent, struct slice name);
// What a field expects, such as "must be true or false".
struct slice fault_expectation(struct arena *arena, const struct field *field);

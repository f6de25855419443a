// SPDX-License-Identifier: MIT
// What answers look like, as data: the objects with their members, for the OpenAPI document and the
// reference. The renderers are written by hand, because they are the hot path; a test holds what
// they write against these lists.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "wire/operations.h"

// A schema that other schemas refer to by its name.
struct object_type {
    const char *name;  // such as "Amount"
    const char *json;  // its JSON schema
    const char *words; // what it is, for people
};

struct object_member {
    const char *name;
    const char *type; // an object_type or object, by name; "[]" in front: an array of them
    const char *sentence;
    bool optional; // left out when it has no value
};

struct object {
    const char *name; // such as "Wallet"
    const char *sentence;
    const struct object_member *members;
    uint32_t member_count;
    bool has_more_members; // others than these may be there
};

// Thread: any. All pure; results are static storage.
const struct object_type *object_types(uint32_t *ret_count);
const struct object *objects(uint32_t *ret_count);
const struct object *object_find(const char *name); // NULL: none
// The object that an answer is; NULL for those without one (nothing, metrics, OpenAPI).
const struct object *object_of_answer(enum answer_kind answer);

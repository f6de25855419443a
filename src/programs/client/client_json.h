// SPDX-License-Identifier: MIT
// Looking into an answer of the server by names. Answers are trusted to be shaped as the API says,
// yet every lookup has an answer for "it is not there", because the server may be newer than this
// client.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/slice.h"

// `path` is a name or two with a dot between ("debit.account"). False: there is no such member, or
// no object.
bool client_json_find(struct json_value value, const char *path, struct json_value *ret_value);
// An empty slice, or `otherwise`, when there is no such member or it is of another kind.
struct slice client_json_text(struct json_value value, const char *path);
int64_t client_json_integer(struct json_value value, const char *path, int64_t otherwise);
bool client_json_bool(struct json_value value, const char *path, bool otherwise);
// Whether it is what stands in place of the thing that was asked for while somebody has to decide:
// an anomaly, or an approval.
bool client_json_is_kept(struct json_value answer);

// SPDX-License-Identifier: MIT
// The texts of a finding, in one: which rule, the numbers that led to it in a sentence, and the ids
// of what it is about. Written once, in this order:
//
//   1 byte    size of the rule's name
//   1 byte    how many ids there are
//   the name, the sentence (UTF-8), and 16 bytes per id
#pragma once
#include "base/buffer.h"
#include "base/id.h"

#define FINDING_IDS_MAX 200

// Thread: any, as for all here. Begins; the sentence follows, then ids. The name has 1 to 255
// bytes.
void finding_begin(struct buffer *buffer, struct slice rule);
void finding_add_id(struct buffer *buffer, struct id id); // after the sentence
bool finding_is_valid(struct slice texts);
// Of valid texts, or of none: then all are empty.
struct slice finding_rule(struct slice texts);
struct slice finding_sentence(struct slice texts);
struct slice finding_ids(struct slice texts); // count x 16 bytes

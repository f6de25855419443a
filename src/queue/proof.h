// SPDX-License-Identifier: MIT
// Who wrote a record of the queue, proved by the record itself, because Kafka does not tell.
//
// Headers of a record:
//   florin-version    1; 2: the value may be a wallet_change; 3: an atomic batch,
//                     or it has a batch_index. What signs is the same for all
//   florin-principal  whose command it is, such as "key_01j..."
//   florin-context    only from nodes: "KEY ROLE UNTIL ADDRESS OWNER REQUEST": a key's id, "-" of
//                     one who came with a token; a role's number; until when the token is good, in
//                     milliseconds; 32 hexadecimal digits; in such digits the owner that a token
//                     is bound to, "-" of none; the request's id. Empty otherwise
//   florin-proof      "key " or "node ", and HMAC-SHA256 in 64 hexadecimal digits
//
// Signed are these bytes, each part but the last followed by a line feed:
//   florin-v1, topic, key, principal, context, value
// with
//   key   the SHA-256 of the API key's secret: whoever has the secret can make it
//   node  a key that only nodes of these books know
#pragma once
#include "base/hash.h"
#include "base/id.h"
#include "base/slice.h"
#include "queue/kafka.h"

#define PROOF_BYTES 72
#define QUEUE_VERSION 3 // the newest that this program reads

enum proof_kind { PROOF_NONE, PROOF_KEY, PROOF_NODE };

// What is signed.
struct proof_parts {
    struct slice topic, key, principal, context, value;
};

struct sha256 proof_node_key(const struct id_seal *seal);
// Writes "node " or "key " and the digits.
size_t proof_make(enum proof_kind kind, const struct sha256 *secret,
                  const struct proof_parts *parts, char ret_text[PROOF_BYTES]);
// Which kind of proof the text claims to be.
enum proof_kind proof_kind_of(struct slice text);
// Whether it is the right one; takes the same time for all wrong ones.
bool proof_holds(struct slice text, enum proof_kind kind, const struct sha256 *secret,
                 const struct proof_parts *parts);

// SPDX-License-Identifier: MIT
// A queue between threads: many push, one takes everything at once, in the order in which it
// arrived. Pushing takes no lock and no memory; a push costs a system call only when it finds the
// consumer asleep, and an idle consumer costs nothing.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Embedded in what is queued; belongs to the inbox from the push until it is taken.
struct inbox_node {
    struct inbox_node *next;
};

struct inbox {
    struct inbox_node *head; // newest first; only through atomic operations
    uint32_t awake;          // what the sleeping consumer waits on
};

#define INBOX_WAIT_FOREVER UINT64_MAX

// Thread: one, before any other uses it. There is nothing to free.
void inbox_init(struct inbox *inbox);

// Thread: any. What was written before the push is visible to whoever takes the node. The inbox
// must outlive the call itself, not only the node: join producers before an inbox goes.
void inbox_push(struct inbox *inbox, struct inbox_node *node);

// Whether nothing lies in it; a moment later that may have changed. Thread: any.
bool inbox_is_empty(const struct inbox *inbox);

// The node that came last and still lies there, or NULL. Thread: consumer.
const struct inbox_node *inbox_newest(const struct inbox *inbox);

// Takes all nodes, oldest first, chained by `next`. Waits up to `wait_ns` for a first one (0: not
// at all) and returns NULL when none came. Thread: consumer, always the same.
struct inbox_node *inbox_take_all(struct inbox *inbox, uint64_t wait_ns);

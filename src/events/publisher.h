// SPDX-License-Identifier: MIT
// Tells the world what the books have committed: reads the feed behind a cursor that the books
// keep, writes events to a Kafka topic, and moves the cursor once the broker has them. At least
// once, in order per wallet; payments never wait for it.
//
//   standby ─▶ claim ─▶ read the feed ─▶ hand over ─▶ all acknowledged ─▶ move the cursor ─┐
//      ▲                      ▲                            │ one failed: again from the     │
//      └── fenced by another  └────────────────────────────┘ last acknowledged ◀────────────┘
#pragma once
#include "events/feed_order.h"
#include "queue/topics.h"

struct publisher;
struct publisher_options {
    const struct feed_source *source; // copied
    const struct kafka_access *access; // borrowed while it opens
    struct topic_wish topic; // made when it is missing; its name is copied
    bool alone; // no other node has these books: claims at once
};

struct publisher_stats {
    uint64_t events;       // acknowledged
    uint64_t rewinds;      // begun again after a failed delivery
    uint64_t position;     // of the feed, acknowledged
    uint64_t end;          // of the feed
    uint64_t oldest_ms;    // age of the oldest record that is not told yet; 0: none
    bool is_publishing;
    bool broker_is_up;
};

// Starts the thread. STATUS_invalid_request: Kafka's settings make no sense.
MUST_CHECK enum status publisher_open(const struct publisher_options *options, char *ret_why,
                                      size_t why_bytes, struct publisher **ret_publisher);
void publisher_stats(const struct publisher *publisher, struct publisher_stats *ret_stats);
// Ends the thread; what is not acknowledged is told after the next start. The engine must still be
// open. Accepts NULL.
void publisher_close(struct publisher *publisher);

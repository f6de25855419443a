// SPDX-License-Identifier: MIT
// From a record of the feed to what the world is told: CloudEvents 1.0 as JSON, one for each wallet
// that the record changed. The key is the wallet and `sequence` its version afterwards, which grows
// by one, so gaps and repeats show. What is told about a wallet that stays as it is, a finding of
// rules or its end, has none. Alarms are about the books: their key is "books", and their sequence
// only grows.
#pragma once
#include "base/buffer.h"
#include "ledger/record.h"

#define CLOUD_EVENTS_MAX   2 // of one record: both wallets of a payment
#define CLOUD_EVENT_SOURCE 64

struct cloud_event {
    struct id wallet; // zero: the books
    uint64_t version;
    char id[24];       // of the event: unique among those of these books
    struct slice json; // in the buffer
};

// Appends the record's events to `buffer`. `opening` is the record that opened the hold or
// withdrawal, when that is another; NULL: none. Returns how many there are: 0 for records that
// change no wallet and are no alarm. Slices point into the buffer and live until it grows. Thread:
// any.
uint32_t cloud_events_of(const struct record *record, const struct record *opening,
                         uint64_t position, const char *source, struct buffer *buffer,
                         struct cloud_event ret_events[CLOUD_EVENTS_MAX]);
// What they are, such as "florin.transaction.deposit"; static storage. Only for a record that has
// any.
const char *cloud_event_type(const struct record *record);
// All types that there are; static storage, ends with NULL.
const char *const *cloud_event_types(void);
// Whether there are any.
bool cloud_event_is_told(const struct record *record);
// Where the record that opened it stands; 0: it is its own.
uint64_t cloud_event_opening(const struct record *record);

// SPDX-License-Identifier: MIT
// A dead letter: a record that can never succeed, as it came, with the reason and the place in
// headers. docs/kafka.md has the format.
#pragma once
#include "queue/kafka.h"

// That a letter is larger than its record: what is said of it in headers.
#define LETTER_BYTES_MORE 4096

// Hands it over; the ticket is as of kafka_produce. STATUS_busy: the producer is full.
MUST_CHECK enum status letter_send(struct kafka_producer *producer, const char *dead_letters,
                                   const char *commands, const struct kafka_record *record,
                                   const char *reason, struct kafka_ticket *ticket);
// The record in a letter, as it came, back to its topic. STATUS_busy: the producer is full.
MUST_CHECK enum status letter_send_back(struct kafka_producer *producer, const char *topic,
                                        const struct kafka_record *letter);

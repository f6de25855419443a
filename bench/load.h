// SPDX-License-Identifier: MIT
// What both load generators share: options, connections, wallets, answers' heads and latencies.
// They are written to be cheap, because on a machine with two cores a generator that is itself the
// limit measures nothing: requests are made before the clock starts and only patched afterwards.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_ID_BYTES 33 // "wallet_" and 26 digits
#define LOAD_KEY_DIGITS 16
#define LOAD_RUN_BYTES 8

struct load_options {
    const char *address; // HOST:PORT, numeric
    const char *key;     // API key
    const char *run;     // 8 characters that make keys of this run unlike those of others
    char (*wallets)[LOAD_ID_BYTES];
    uint64_t wallet_count; // how many of the list are used
    uint64_t connections;
    uint64_t seconds;
    uint64_t batch;      // operations per request, of batch_load
    uint64_t operations; // stop after so many, 0: by time; of batch_load
    uint64_t apart;      // 1: pairs are of wallets with an even and an odd place; of single_load
    uint64_t deposits;   // 1: deposits instead of transfers; of single_load
    uint64_t patient;    // 1: what is busy is sent again, with its key; of single_load
};

// Reads --address --key --run --wallets FILE --use N --connections N --seconds N --batch N
// --operations N --apart N --deposits N --patient N. Ends the program with a sentence when
// something makes no sense.
void load_read_options(struct load_options *options, int argument_count, char **arguments);
_Noreturn void load_fail(const char *what);

int load_connect(const char *address); // non-blocking
uint64_t load_now_ns(void);

struct load_random {
    uint64_t state;
};
// Another one for each run: with always the same, whatever a run touches is warm from the last one.
struct load_random load_random_of(const char *run);
uint64_t load_random_below(struct load_random *random, uint64_t bound);

// Writes LOAD_KEY_DIGITS hexadecimal digits.
void load_write_digits(char *place, uint64_t number);

// An answer's first bytes. False: the head is not complete yet.
struct load_head {
    unsigned status;
    size_t head_bytes;
    size_t body_bytes;
};
bool load_read_head(const char *bytes, size_t size, struct load_head *ret_head);

// Latencies in buckets that grow by 1/16, in microseconds.
#define LOAD_BUCKETS 512
struct load_latencies {
    uint64_t counts[LOAD_BUCKETS];
    uint64_t count;
};
void load_latencies_add(struct load_latencies *latencies, uint64_t span_ns);
// The least span in microseconds that `permille` of all are within.
uint64_t load_latencies_at(const struct load_latencies *latencies, unsigned permille);

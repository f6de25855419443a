// SPDX-License-Identifier: MIT
// The shared part of the load generators.
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


_Noreturn void load_fail(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static uint64_t load_number(const char *text) {
    uint64_t number = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > UINT64_MAX / 100)
            load_fail("a number makes no sense");
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number;
}

// One id per line. Only ids of the usual length are taken, because requests are patched in place.
static void load_read_wallets(struct load_options *options, const char *path) {
    FILE *file = fopen(path, "re");
    char line[128];
    uint64_t capacity = 1024;
    if (file == NULL)
        load_fail("the list of wallets cannot be read");
    options->wallets = malloc(capacity * sizeof(options->wallets[0]));
    for (options->wallet_count = 0; fgets(line, sizeof(line), file) != NULL;) {
        if (strcspn(line, "\n") != LOAD_ID_BYTES)
            load_fail("an id in the list of wallets has another length");
        if (options->wallet_count == capacity) {
            capacity *= 2;
            options->wallets = realloc(options->wallets, capacity * sizeof(options->wallets[0]));
        }
        if (options->wallets == NULL)
            load_fail("out of memory");
        memcpy(options->wallets[options->wallet_count++], line, LOAD_ID_BYTES);
    }
    fclose(file);
}

void load_read_options(struct load_options *options, int argument_count, char **arguments) {
    *options = (struct load_options){.connections = 1, .seconds = 5, .batch = 1000};
    uint64_t use = UINT64_MAX;
    for (int at = 1; at + 1 < argument_count; at += 2) {
        const char *name = arguments[at], *value = arguments[at + 1];
        if (strcmp(name, "--address") == 0)
            options->address = value;
        else if (strcmp(name, "--key") == 0)
            options->key = value;
        else if (strcmp(name, "--run") == 0)
            options->run = value;
        else if (strcmp(name, "--wallets") == 0)
            load_read_wallets(options, value);
        else if (strcmp(name, "--use") == 0)
            use = load_number(value);
        else if (strcmp(name, "--connections") == 0)
            options->connections = load_number(value);
        else if (strcmp(name, "--seconds") == 0)
            options->seconds = load_number(value);
        else if (strcmp(name, "--batch") == 0)
            options->batch = load_number(value);
        else if (strcmp(name, "--operations") == 0)
            options->operations = load_number(value);
        else if (strcmp(name, "--apart") == 0)
            options->apart = load_number(value);
        else if (strcmp(name, "--deposits") == 0)
            options->deposits = load_number(value);
        else if (strcmp(name, "--patient") == 0)
            options->patient = load_number(value);
        else
            load_fail("there is no such option");
    }
    if (options->wallet_count > use)
        options->wallet_count = use;
    if (options->address == NULL || options->key == NULL || options->run == NULL ||
        strlen(options->run) != LOAD_RUN_BYTES || options->wallet_count < 2 ||
        options->connections == 0)
        load_fail("--address, --key, --run (8 characters) and --wallets (two at least) are needed");
}

int load_connect(const char *address) {
    char host[64];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        load_fail("--address wants HOST:PORT");
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)load_number(colon + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        load_fail("cannot connect");
    return fd;
}

uint64_t load_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// FNV-1a, of 64 bits.
struct load_random load_random_of(const char *run) {
    struct load_random random = {.state = 14695981039346656037u};
    for (; *run != '\0'; run++)
        random.state = (random.state ^ (unsigned char)*run) * 1099511628211u;
    random.state |= 1; // of zero nothing but zero would come
    return random;
}

uint64_t load_random_below(struct load_random *random, uint64_t bound) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return (uint64_t)((unsigned __int128)random->state * bound >> 64);
}

void load_write_digits(char *place, uint64_t number) {
    static const char pairs[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                                "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
                                "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
                                "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
                                "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
                                "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
                                "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
                                "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    for (int pair = LOAD_KEY_DIGITS / 2 - 1; pair >= 0; pair--, number >>= 8)
        memcpy(place + 2 * pair, pairs + 2 * (number & 255), 2);
}

bool load_read_head(const char *bytes, size_t size, struct load_head *ret_head) {
    static const char length_name[] = "content-length:";
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    *ret_head = (struct load_head){.head_bytes = (size_t)(end - bytes) + 4};
    if (size < 12 || memcmp(bytes, "HTTP/1.1 ", 9) != 0)
        load_fail("that is no HTTP answer");
    for (int digit = 9; digit < 12; digit++)
        ret_head->status = ret_head->status * 10 + (unsigned)(bytes[digit] - '0');
    for (const char *line = bytes; line < end; line++) {
        if (*line != '\n' || strncasecmp(line + 1, length_name, sizeof(length_name) - 1) != 0)
            continue;
        for (const char *at = line + sizeof(length_name); at < end && *at != '\r'; at++)
            if (*at >= '0' && *at <= '9')
                ret_head->body_bytes = ret_head->body_bytes * 10 + (size_t)(*at - '0');
        return true;
    }
    if (ret_head->status != 204)
        load_fail("an answer without Content-Length");
    return true;
}

void load_latencies_add(struct load_latencies *latencies, uint64_t span_ns) {
    uint64_t us = span_ns / 1000;
    unsigned bucket = (unsigned)us;
    if (us >= 32) {
        // The highest bit chooses a row of 16 buckets, the four below it the bucket.
        unsigned high = 63 - (unsigned)__builtin_clzll(us);
        bucket = 16 * (high - 3) + (unsigned)(us >> (high - 4) & 15);
    }
    latencies->counts[bucket < LOAD_BUCKETS ? bucket : LOAD_BUCKETS - 1]++;
    latencies->count++;
}

uint64_t load_latencies_at(const struct load_latencies *latencies, unsigned permille) {
    uint64_t wanted = (latencies->count * permille + 999) / 1000;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < LOAD_BUCKETS; bucket++) {
        seen += latencies->counts[bucket];
        if (seen < wanted || seen == 0)
            continue;
        if (bucket < 32)
            return bucket;
        unsigned high = bucket / 16 + 3;
        return (uint64_t)(16 + bucket % 16) << (high - 4);
    }
    return 0;
}

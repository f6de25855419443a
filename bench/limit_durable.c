// SPDX-License-Identifier: MIT
// The limit of durable HTTP on this machine: like limit_constant.c, but 256 bytes of every request
// are appended to a file and the pass is synced once before any of its requests is answered.
//
// The file is written full of zeros before the first request, so that a sync costs one write (an
// append to a file that grows costs twice as much), and it is used again from its start when it is
// full. Each pass begins on a new block and goes past the page cache: no write touches a block that
// holds acknowledged bytes, as in a real journal.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limit_serve.h"

#define DURABLE_RECORD_BYTES   256
#define DURABLE_BLOCK_BYTES    4096
#define DURABLE_FILE_BYTES     ((off_t)256 * 1024 * 1024)
#define DURABLE_PASS_BYTES_MAX ((size_t)4096 * DURABLE_RECORD_BYTES)

struct durable {
    int fd;
    off_t offset;
    uint8_t *pass; // aligned to a block
    size_t pass_bytes;
};

static _Noreturn void durable_fail(const char *what) {
    fprintf(stderr, "limit_durable: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void durable_open(struct durable *durable, const char *path) {
    durable->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, 0600);
    if (durable->fd < 0 && errno == EINVAL) // a file system without it
        durable->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (durable->fd < 0)
        durable_fail(path);
    durable->pass = aligned_alloc(DURABLE_BLOCK_BYTES, DURABLE_PASS_BYTES_MAX);
    if (durable->pass == NULL)
        durable_fail("memory");
    memset(durable->pass, 0, DURABLE_PASS_BYTES_MAX);
    for (off_t offset = 0; offset < DURABLE_FILE_BYTES; offset += (off_t)DURABLE_PASS_BYTES_MAX)
        if (pwrite(durable->fd, durable->pass, DURABLE_PASS_BYTES_MAX, offset) !=
            (ssize_t)DURABLE_PASS_BYTES_MAX)
            durable_fail("pre-writing");
    if (fsync(durable->fd) != 0)
        durable_fail("fsync");
}

static void durable_collect(void *context, const uint8_t *body, size_t body_bytes) {
    struct durable *durable = context;
    uint8_t *record = durable->pass + durable->pass_bytes;
    size_t copied = body_bytes < DURABLE_RECORD_BYTES ? body_bytes : DURABLE_RECORD_BYTES;
    memcpy(record, body, copied);
    memset(record + copied, 0, DURABLE_RECORD_BYTES - copied);
    durable->pass_bytes += DURABLE_RECORD_BYTES;
}

static void durable_commit(void *context) {
    struct durable *durable = context;
    size_t size =
        (durable->pass_bytes + DURABLE_BLOCK_BYTES - 1) / DURABLE_BLOCK_BYTES * DURABLE_BLOCK_BYTES;
    if (size == 0)
        return;
    memset(durable->pass + durable->pass_bytes, 0, size - durable->pass_bytes);
    if (durable->offset + (off_t)size > DURABLE_FILE_BYTES)
        durable->offset = 0;
    if (pwrite(durable->fd, durable->pass, size, durable->offset) != (ssize_t)size)
        durable_fail("write");
    if (fdatasync(durable->fd) != 0)
        durable_fail("fdatasync");
    durable->offset += (off_t)size;
    durable->pass_bytes = 0;
}

int main(int argument_count, char **arguments) {
    static const char answer[] = "{\"id\":\"txn_01jd9z0n4wf2rbx5wq0r6k8v3e\",\"type\":\"transfer\","
                                 "\"amount\":100,\"currency\":\"USD\","
                                 "\"debit\":{\"account\":\"wallet_01jd9z0n4wf2rbx5wq0r6k8v3a\","
                                 "\"balance\":900,\"version\":7},"
                                 "\"credit\":{\"account\":\"wallet_01jd9z0n4wf2rbx5wq0r6k8v3b\","
                                 "\"balance\":1100,\"version\":9},"
                                 "\"initiated_by\":\"key_01jd9z0n4wf2rbx5wq0r6k8v3c\",\"created_"
                                 "at\":\"2026-11-22T18:28:43.123Z\"}";
    struct limit_options options = limit_read_options(argument_count, arguments, 1);
    struct durable durable = {.offset = 0};
    durable_open(&durable, options.file);
    int status = limit_serve(&options, answer, durable_collect, durable_commit, &durable);
    close(durable.fd);
    free(durable.pass);
    return status;
}

// SPDX-License-Identifier: MIT
// The last second of a refused connection. Closing a socket that has unread bytes sends a reset,
// and a reset makes the peer's kernel throw away our answer (413, say) before the peer has read it.
// So a duplicate of the descriptor is kept for a moment and what arrives is thrown away, until the
// peer closes, too much has come, or time is up.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "http/internal.h"

#define LINGER_NS             UINT64_C(1000000000)
#define LINGER_BYTES_MAX      ((size_t)64 * 1024 * 1024)
#define LINGER_TRASH_BYTES    ((size_t)16 * 1024)
#define LINGER_BYTES_PER_PASS ((size_t)512 * 1024)

void linger_begin(struct http_loop *loop, int fd) {
    if (loop->lingering_count == HTTP_LINGERING_MAX)
        return; // under attack an answer less is read
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return;
    // The peer shall see the end of our answer now. An error means that the peer has gone.
    (void)shutdown(copy, SHUT_WR);
    loop->lingering[loop->lingering_count++] = (struct lingering){
        .fd = copy, .until_ns = loop->now_ns + LINGER_NS, .bytes_left = LINGER_BYTES_MAX};
}

static void linger_end(struct http_loop *loop, size_t index) {
    CHECK(index < loop->lingering_count);
    close(loop->lingering[index].fd);
    loop->lingering[index] = loop->lingering[--loop->lingering_count];
}

void linger_read(struct http_loop *loop, size_t index) {
    CHECK(index < loop->lingering_count);
    struct lingering *lingering = &loop->lingering[index];
    uint8_t trash[LINGER_TRASH_BYTES];
    size_t pass_left = LINGER_BYTES_PER_PASS;
    while (pass_left > 0 && lingering->bytes_left > 0) {
        ssize_t size = recv(lingering->fd, trash, sizeof(trash), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size <= 0) {
            linger_end(loop, index);
            return;
        }
        size_t taken = (size_t)size;
        pass_left -= taken < pass_left ? taken : pass_left;
        lingering->bytes_left -= taken < lingering->bytes_left ? taken : lingering->bytes_left;
    }
    if (lingering->bytes_left == 0)
        linger_end(loop, index);
}

void linger_expire(struct http_loop *loop) {
    for (size_t index = loop->lingering_count; index-- > 0;)
        if (loop->lingering[index].until_ns <= loop->now_ns)
            linger_end(loop, index);
}

void linger_end_all(struct http_loop *loop) {
    while (loop->lingering_count > 0)
        linger_end(loop, loop->lingering_count - 1);
}

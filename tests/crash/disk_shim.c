// SPDX-License-Identifier: MIT
// A disk with moods, for tests: preloaded into a server, it makes syncs and writes of regular files
// hang while the file $FLORIN_SHIM/hang exists, and makes the disk full while $FLORIN_SHIM/full
// exists. The server cannot tell it from a device that stalls or a file system without room.
//
// Full means: nothing can grow, and statvfs sees no free block. Writes inside a file that is there
// already succeed, as they do on a real disk.
//
// While $FLORIN_SHIM/taken exists somebody else has just taken all that was free: no file gets
// another block, holes in those that are there included, and statvfs does not know of it yet. Files
// are taken to have their blocks at their front.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
// Both names of every call are wanted here, the plain one and the one with 64.
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static bool is_on(const char *name) {
    const char *folder = getenv("FLORIN_SHIM");
    char path[4096];
    if (folder == NULL || snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return false;
    return access(path, F_OK) == 0;
}

static bool is_regular(int fd, off_t *ret_size) {
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))
        return false;
    *ret_size = facts.st_size;
    return true;
}

static void hang_while_told(int fd) {
    off_t size;
    if (!is_regular(fd, &size))
        return;
    while (is_on("hang"))
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

// Whether a write up to `end` must fail for want of room.
static bool is_too_much(int fd, off_t end) {
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))
        return false;
    bool grows = end > facts.st_size, is_hole = end > (off_t)facts.st_blocks * 512;
    if (!(grows && is_on("full")) && !(is_hole && is_on("taken")))
        return false;
    errno = ENOSPC;
    return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fdatasync(int fd) {
    hang_while_told(fd);
    return REAL(fdatasync)(fd);
}

int fsync(int fd) {
    hang_while_told(fd);
    return REAL(fsync)(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    hang_while_told(fd);
    return REAL(sync_file_range)(fd, offset, size, flags);
}

static off_t bytes_of(const struct iovec *parts, int count) {
    off_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += (off_t)parts[i].iov_len;
    return sum;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    hang_while_told(fd);
    return is_too_much(fd, offset + (off_t)size) ? -1 : REAL(pwrite)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    hang_while_told(fd);
    return is_too_much(fd, offset + (off_t)size) ? -1 : REAL(pwrite64)(fd, bytes, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    hang_while_told(fd);
    if (is_too_much(fd, offset + bytes_of(parts, count)))
        return -1;
    return REAL(pwritev)(fd, parts, count, offset);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    hang_while_told(fd);
    if (is_too_much(fd, offset + bytes_of(parts, count)))
        return -1;
    return REAL(pwritev2)(fd, parts, count, offset, flags);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    hang_while_told(fd);
    if (is_too_much(fd, offset + bytes_of(parts, count)))
        return -1;
    return REAL(pwritev64)(fd, parts, count, offset);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    hang_while_told(fd);
    if (is_too_much(fd, offset + bytes_of(parts, count)))
        return -1;
    return REAL(pwritev64v2)(fd, parts, count, offset, flags);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    off_t end;
    // The log goes to a file, too, in these tests, and must not stop.
    if (fd > 2 && is_regular(fd, &end)) {
        hang_while_told(fd);
        off_t place = lseek(fd, 0, SEEK_CUR);
        if (is_too_much(fd, (place < 0 ? end : place) + (off_t)size))
            return -1;
    }
    return REAL(write)(fd, bytes, size);
}

// A hole needs no block.
int ftruncate(int fd, off_t size) {
    return !is_on("taken") && is_too_much(fd, size) ? -1 : REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    return !is_on("taken") && is_too_much(fd, size) ? -1 : REAL(ftruncate64)(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
    return is_too_much(fd, offset + size) ? -1 : REAL(fallocate)(fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
    return is_too_much(fd, offset + size) ? -1 : REAL(fallocate64)(fd, mode, offset, size);
}

int posix_fallocate(int fd, off_t offset, off_t size) {
    return is_too_much(fd, offset + size) ? ENOSPC : REAL(posix_fallocate)(fd, offset, size);
}

int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    return is_too_much(fd, offset + size) ? ENOSPC : REAL(posix_fallocate64)(fd, offset, size);
}

#define NO_ROOM(facts)                                                                             \
    do {                                                                                           \
        if (is_on("full"))                                                                         \
            (facts)->f_bfree = (facts)->f_bavail = 0;                                              \
    } while (0)

int statvfs(const char *path, struct statvfs *ret_facts) {
    int result = REAL(statvfs)(path, ret_facts);
    NO_ROOM(ret_facts);
    return result;
}

int fstatvfs(int fd, struct statvfs *ret_facts) {
    int result = REAL(fstatvfs)(fd, ret_facts);
    NO_ROOM(ret_facts);
    return result;
}

int statvfs64(const char *path, struct statvfs64 *ret_facts) {
    int result = REAL(statvfs64)(path, ret_facts);
    NO_ROOM(ret_facts);
    return result;
}

int fstatvfs64(int fd, struct statvfs64 *ret_facts) {
    int result = REAL(fstatvfs64)(fd, ret_facts);
    NO_ROOM(ret_facts);
    return result;
}

int statfs(const char *path, struct statfs *ret_facts) {
    int result = REAL(statfs)(path, ret_facts);
    NO_ROOM(ret_facts);
    return result;
}

int fstatfs(int fd, struct statfs *ret_facts) {
    int result = REAL(fstatfs)(fd, ret_facts);
    NO_ROOM(ret_facts);
    return result;
}

// SPDX-License-Identifier: MIT
// The file that the embedded engine locks (engine/embedded/folder.c), shared by readers.
#include "programs/commands/reading_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

int reading_lock(const char *folder) {
    char path[4096];
    int size = snprintf(path, sizeof(path), "%s/lock", folder);
    if (size < 0 || (size_t)size >= sizeof(path))
        return READING_LOCK_NONE;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return READING_LOCK_NONE;
    if (flock(file, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return file;
    close(file);
    return READING_LOCK_TAKEN;
}

// SPDX-License-Identifier: MIT
// Small things that a review asks for.
#include "programs/serve/serve_harden.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

void serve_forbid_dumps(void) {
    // One byte rather than none: the kernel heeds a limit of 1 also when dumps go to a program.
    // Where none are allowed already, that can't be had, and the process is told not to be dumped.
    const struct rlimit none = {.rlim_cur = 1, .rlim_max = 1};
    if (setrlimit(RLIMIT_CORE, &none) != 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        log_line(LOG_WARNING, "serve", "Core dumps cannot be forbidden: %s.", strerror(errno));
}

bool serve_check_folder(const char *folder) {
    struct stat found;
    if (stat(folder, &found) != 0) {
        fprintf(stderr, "florin serve: cannot look at the folder %s: %s.\n", folder,
                strerror(errno));
        return false;
    }
    if (found.st_uid != geteuid() && found.st_uid != 0) {
        fprintf(stderr,
                "florin serve: the folder %s belongs to another user, who could change the books. "
                "Give it to the user that Florin runs as.\n",
                folder);
        return false;
    }
    if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        fprintf(stderr,
                "florin serve: others may write to the folder %s and could change the books. Take "
                "that from them: chmod 700 %s\n",
                folder, folder);
        return false;
    }
    if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0 && chmod(folder, S_IRWXU) == 0)
        log_line(LOG_WARNING, "serve", "Others could look into %s; now they cannot.", folder);
    return true;
}

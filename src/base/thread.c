// SPDX-License-Identifier: MIT
// How a thread is started.
#include "base/thread.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"

void thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context),
                  void *context) {
    CHECK(strlen(name) <= 15);
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0); // inherited by the thread
    CHECK(pthread_create(ret_thread, NULL, run, context) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    (void)pthread_setname_np(*ret_thread, name);
}

void thread_step_back(void) {
    (void)setpriority(PRIO_PROCESS, 0, 19); // on Linux: of this thread alone
}

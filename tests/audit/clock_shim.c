// SPDX-License-Identifier: MIT
// Puts the process's calendar three days back; preloaded by the tests of what is too old.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ret_time) {
    int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret_time->tv_sec -= 3 * 24 * 3600;
    return result;
}

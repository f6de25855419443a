// SPDX-License-Identifier: MIT
// For tests of what must stop the process: runs it in a child and looks at how the child ended and
// what it said on stderr. Include it after cmocka.h.
#pragma once
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct stop_report {
    int wait_status;
    char said[4096]; // what the child wrote to stderr, with a terminating zero
};

static inline struct stop_report stop_watch(void (*act)(void *context), void *context) {
    struct stop_report report = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL); // cmocka catches it otherwise
        (void)dup2(ends[1], STDERR_FILENO);
        act(context);
        _exit(0);
    }
    assert_int_equal(close(ends[1]), 0);
    size_t size = 0;
    ssize_t got;
    while ((got = read(ends[0], report.said + size, sizeof(report.said) - 1 - size)) > 0)
        size += (size_t)got;
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(child, &report.wait_status, 0), child);
    return report;
}

// The child must have been stopped by a failed CHECK that mentions `text`.
static inline void expect_stop(void (*act)(void *context), void *context, const char *text) {
    struct stop_report report = stop_watch(act, context);
    if (!WIFSIGNALED(report.wait_status) || WTERMSIG(report.wait_status) != SIGABRT)
        fail_msg("it went on (status %d): %s", report.wait_status, report.said);
    if (strstr(report.said, "check failed: ") == NULL || strstr(report.said, text) == NULL)
        fail_msg("it said: %s", report.said);
}

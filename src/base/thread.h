// SPDX-License-Identifier: MIT
// Threads beside the main one.
#pragma once
#include <pthread.h>

// Starts `run(context)` on a thread that takes no signals: they are for the main thread. `name`,
// of at most 15 characters, is only for people who look at threads; it is not kept.
// Thread: any.
void thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context),
                  void *context);
// The calling thread gives way to all others that want the processor, for good. It must not keep a
// lock that they wait for any longer than a few steps. Where that is not possible nothing changes.
void thread_step_back(void);

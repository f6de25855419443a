// SPDX-License-Identifier: MIT
// Assertions that stay on in release builds. A failed CHECK is our own bug: it says where and stops
// the process before a wrong byte can reach the books. What the outside can cause is a status
// instead.
#pragma once

// Thread: any. Does not return.
void check_failed(const char *file, int line, const char *condition) __attribute__((noreturn));

#define CHECK(condition) \
    (__builtin_expect(!(condition), 0) ? check_failed(__FILE__, __LINE__, #condition) : (void)0)
#define CHECK_IMPLIES(if_this, then_that) CHECK(!(if_this) || (then_that))
#define UNREACHABLE(why) check_failed(__FILE__, __LINE__, "unreachable: " why)

// For checks too costly for production: compiled in with -DFLORIN_SLOW_CHECKS (sanitizer builds).
#ifdef FLORIN_SLOW_CHECKS
#define CHECK_SLOW(condition) CHECK(condition)
#else
#define CHECK_SLOW(condition) ((void)sizeof(condition))
#endif

#define MUST_CHECK __attribute__((warn_unused_result))

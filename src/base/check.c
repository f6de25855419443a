// SPDX-License-Identifier: MIT
// How the process stops over its own bug: one line on stderr, written without memory or locks
// because either may be what is broken, then SIGABRT so that a core dump shows the place.
#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHECK_DIGITS_MAX 12

static struct iovec check_piece(const char *text) {
    return (struct iovec){.iov_base = (void *)text, .iov_len = strlen(text)};
}

// Decimal digits at the end of `room`; stdio might be what is broken.
static const char *check_digits(int line, char room[CHECK_DIGITS_MAX]) {
    char *digit = room + CHECK_DIGITS_MAX - 1;
    *digit = '\0';
    unsigned rest = line < 0 ? 0 : (unsigned)line;
    do {
        *--digit = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    return digit;
}

void check_failed(const char *file, int line, const char *condition) {
    char digits[CHECK_DIGITS_MAX];
    const struct iovec pieces[] = {
        check_piece("florin: "),
        check_piece(file),
        check_piece(":"),
        check_piece(check_digits(line, digits)),
        check_piece(": check failed: "),
        check_piece(condition),
        check_piece("\n"),
    };
    // Nothing can be done about a stderr that is gone; the abort below tells all the same.
    ssize_t ignored = writev(STDERR_FILENO, pieces, sizeof(pieces) / sizeof(pieces[0]));
    (void)ignored;
    abort();
}

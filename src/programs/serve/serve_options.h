// SPDX-License-Identifier: MIT
// The words behind `florin serve`, `florin verify` and `florin keys create`: options with a value,
// in any order, as `--name VALUE` or `--name=VALUE`.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define SERVE_FOLDER_DEFAULT "florin-data"

struct serve_option {
    const char *name; // with its dashes
    const char **value;
};

// Reads the words behind argv[0]. The options end with a row without a name; `ret_rest` takes one
// bare word, NULL: none may stand there. False: what is wrong has been printed.
bool serve_options_read(int argc, char **argv, const struct serve_option *options,
                        const char **ret_rest);

// Digits alone, at most `maximum`. False: they are not, or there are none (or `text` is NULL).
bool serve_number_read(const char *text, uint64_t maximum, uint64_t *ret_number);

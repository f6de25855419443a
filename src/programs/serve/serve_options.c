// SPDX-License-Identifier: MIT
// Reads options.
#include "programs/serve/serve_options.h"

#include <stdio.h>
#include <string.h>

static const struct serve_option *find(const struct serve_option *options, const char *word,
                                       const char **ret_value) {
    for (const struct serve_option *option = options; option->name != NULL; option++) {
        size_t size = strlen(option->name);
        if (strncmp(word, option->name, size) != 0 || (word[size] != '\0' && word[size] != '='))
            continue;
        *ret_value = word[size] == '=' ? word + size + 1 : NULL;
        return option;
    }
    return NULL;
}

bool serve_options_read(int argc, char **argv, const struct serve_option *options,
                        const char **ret_rest) {
    for (int i = 1; i < argc; i++) {
        const char *value;
        const struct serve_option *option = find(options, argv[i], &value);
        if (option != NULL) {
            if (value == NULL && i + 1 == argc) {
                fprintf(stderr, "florin %s: %s needs a value.\n", argv[0], option->name);
                return false;
            }
            *option->value = value != NULL ? value : argv[++i];
        } else if (argv[i][0] != '-' && ret_rest != NULL && *ret_rest == NULL) {
            *ret_rest = argv[i];
        } else {
            fprintf(stderr, "florin %s: \"%s\" makes no sense here; see florin help %s.\n",
                    argv[0], argv[i], argv[0]);
            return false;
        }
    }
    return true;
}

bool serve_number_read(const char *text, uint64_t maximum, uint64_t *ret_number) {
    uint64_t number = 0;
    if (text == NULL || *text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *ret_number = number;
    return number <= maximum;
}

// SPDX-License-Identifier: MIT
// A file that others can read keeps no secret, so it is refused.
#include "programs/serve/serve_masters.h"
#include "base/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_BYTES (2 * XAES_KEY_BYTES)

static bool parse(const char *text, size_t size, const char *where, struct master_key *ret_key) {
    while (size > HEX_BYTES && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    bool is_key = size == HEX_BYTES;
    for (size_t i = 0; is_key && i < XAES_KEY_BYTES; i++) {
        int high = hex_digit_any((uint8_t)text[2 * i]);
        int low = hex_digit_any((uint8_t)text[2 * i + 1]);
        is_key = high >= 0 && low >= 0;
        ret_key->bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (!is_key)
        fprintf(stderr,
                "florin serve: %s holds no master key: 64 hexadecimal digits, as \"openssl rand "
                "-hex 32\" prints them.\n",
                where);
    return is_key;
}

// systemd gives credentials to one service alone; where it does so by an access list the bits of
// the group show that list's mask.
static mode_t modes_of_others(const char *path) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    size_t size = folder == NULL ? 0 : strlen(folder);
    bool is_credential = size != 0 && strncmp(path, folder, size) == 0 && path[size] == '/' &&
                         strstr(path + size, "/../") == NULL;
    return is_credential ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
}

static bool read_file(const char *path, struct master_key *ret_key) {
    char text[HEX_BYTES + 8];
    struct stat found;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0 || fstat(file, &found) != 0) {
        fprintf(stderr, "florin serve: cannot read the master key in %s: %s.\n", path,
                strerror(errno));
        if (file >= 0)
            (void)close(file);
        return false;
    }
    if ((found.st_mode & modes_of_others(path)) != 0) {
        fprintf(stderr,
                "florin serve: others may read the master key in %s. Take that from them: "
                "chmod 600 %s\n",
                path, path);
        (void)close(file);
        return false;
    }
    ssize_t size = read(file, text, sizeof(text));
    (void)close(file);
    bool is_key = parse(text, size < 0 ? 0 : (size_t)size, path, ret_key);
    explicit_bzero(text, sizeof(text));
    return is_key;
}

static bool read_one(const char *path, const char *variable, struct master_key *ret_key,
                     bool *ret_given) {
    char *text = getenv(variable);
    *ret_given = path[0] != '\0' || text != NULL;
    if (!*ret_given)
        return true;
    if (path[0] != '\0' && text != NULL) {
        fprintf(stderr,
                "florin serve: both %s and the configuration name a master key; give one.\n",
                variable);
        return false;
    }
    if (path[0] != '\0')
        return read_file(path, ret_key);
    bool is_key = parse(text, strlen(text), variable, ret_key);
    explicit_bzero(text, strlen(text)); // where the process was given it
    return unsetenv(variable) == 0 && is_key;
}

bool serve_accepts_lost_texts(void) {
    const char *text = getenv("FLORIN_LOST_TEXTS");
    return text != NULL && strcmp(text, "accepted") == 0;
}

bool serve_read_masters(const struct config_encryption *encryption,
                        struct vault_masters *ret_masters, bool *ret_given) {
    if (!read_one(encryption->master_key_file, SERVE_MASTER_VARIABLE, &ret_masters->master,
                  ret_given) ||
        !read_one(encryption->old_master_key_file, SERVE_OLD_MASTER_VARIABLE, &ret_masters->old,
                  &ret_masters->has_old))
        return false;
    if (!*ret_given && ret_masters->has_old) {
        fprintf(stderr, "florin serve: an old master key is given, but no new one.\n");
        return false;
    }
    return true;
}

// SPDX-License-Identifier: MIT
// Comparing lineages, and the file that remembers one.
#include "engine/postgres/lineage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/disk.h"
#include "base/hex.h"

#define FILE_NAME      "postgres.lineage"
#define FILE_NEW_NAME  "postgres.lineage.new"
#define FILE_BYTES_MAX 256

static bool token_is_known(const uint8_t token[LINEAGE_TOKEN_BYTES]) {
    static const uint8_t none[LINEAGE_TOKEN_BYTES];
    return memcmp(token, none, sizeof(none)) != 0;
}

const char *lineage_refuses(const struct lineage *seen, const struct lineage_claim *claim) {
    CHECK(claim->now.system != 0);
    if (claim->now.timeline == 0)
        return "it is a standby";
    if (seen->system == 0)
        return NULL;
    if (claim->now.system != seen->system)
        return "it is another PostgreSQL cluster than the one that this node has served; if that "
               "is meant, remove postgres.lineage from the node's data folder";
    if (claim->now.timeline < seen->timeline)
        return "it is behind: an old primary, from before a promotion that this node has seen";
    if (token_is_known(seen->token) &&
        (!claim->has_mark || memcmp(claim->mark, seen->token, sizeof(seen->token)) != 0))
        return "it has not taken part in what this node has seen: promoted beside the primary, "
               "or made from an older copy; if that is meant, remove postgres.lineage from the "
               "node's data folder";
    return NULL;
}

bool lineage_take_word(const char **text, const char *word) {
    size_t size = strlen(word);
    if (strncmp(*text, word, size) != 0)
        return false;
    *text += size;
    return true;
}

bool lineage_take_number(const char **text, uint64_t *ret_number) {
    const char *begin = *text;
    *ret_number = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        uint64_t digit = (uint64_t)(**text - '0');
        if (*ret_number > (UINT64_MAX - digit) / 10)
            return false;
        *ret_number = *ret_number * 10 + digit;
    }
    return *text != begin;
}

bool lineage_take_token(const char **text, uint8_t ret_token[LINEAGE_TOKEN_BYTES]) {
    size_t size = strnlen(*text, (size_t)2 * LINEAGE_TOKEN_BYTES);
    if (size != (size_t)2 * LINEAGE_TOKEN_BYTES || !hex_read(slice_of(*text, size), ret_token))
        return false;
    *text += size;
    return true;
}

static bool parse(const char *text, struct lineage *seen) {
    return lineage_take_word(&text, "system ") && lineage_take_number(&text, &seen->system) &&
           lineage_take_word(&text, "\ntimeline ") &&
           lineage_take_number(&text, &seen->timeline) && lineage_take_word(&text, "\ntoken ") &&
           lineage_take_token(&text, seen->token) && lineage_take_word(&text, "\n") &&
           *text == '\0' && seen->system != 0 && seen->timeline != 0;
}

static enum status read_file(struct disk *disk, char text[FILE_BYTES_MAX]) {
    struct disk_file *file = NULL;
    size_t size = 0;
    enum status status = disk->driver->open(disk, FILE_NAME, false, &file);
    if (status == STATUS_ok)
        status = disk->driver->read(file, 0, text, FILE_BYTES_MAX - 1, &size);
    text[size] = '\0';
    disk->driver->close(file);
    return status;
}

enum status lineage_load(const char *folder, struct lineage *ret_seen) {
    char text[FILE_BYTES_MAX];
    struct disk *disk = NULL;
    *ret_seen = (struct lineage){0};
    if (folder == NULL)
        return STATUS_ok;
    enum status status = disk_posix_open(folder, &disk);
    if (status != STATUS_ok)
        return status;
    status = read_file(disk, text);
    disk->driver->done(disk);
    if (status == STATUS_not_found)
        return STATUS_ok;
    if (status == STATUS_ok && !parse(text, ret_seen))
        return STATUS_damaged;
    return status;
}

static enum status write_file(struct disk *disk, struct slice text) {
    struct disk_file *file = NULL;
    enum status status = disk->driver->remove(disk, FILE_NEW_NAME);
    if (status == STATUS_ok)
        status = disk->driver->open(disk, FILE_NEW_NAME, true, &file);
    if (status == STATUS_ok)
        status = disk->driver->write(file, 0, text);
    if (status == STATUS_ok)
        status = disk->driver->sync(file);
    disk->driver->close(file);
    if (status == STATUS_ok)
        status = disk->driver->rename(disk, FILE_NEW_NAME, FILE_NAME);
    return status;
}

enum status lineage_save(const char *folder, const struct lineage *seen) {
    char text[FILE_BYTES_MAX];
    struct disk *disk = NULL;
    CHECK(seen->system != 0 && seen->timeline != 0);
    if (folder == NULL)
        return STATUS_ok;
    int size = snprintf(text, sizeof(text), "system %" PRIu64 "\ntimeline %" PRIu64 "\ntoken ",
                        seen->system, seen->timeline);
    CHECK((size_t)size + (size_t)2 * LINEAGE_TOKEN_BYTES < sizeof(text));
    size = (int)(hex_write(slice_of(seen->token, LINEAGE_TOKEN_BYTES), text + size) - text);
    text[size++] = '\n';
    enum status status = disk_posix_open(folder, &disk);
    if (status != STATUS_ok)
        return status;
    status = write_file(disk, slice_of(text, (size_t)size));
    disk->driver->done(disk);
    return status;
}

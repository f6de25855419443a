// SPDX-License-Identifier: MIT
// Comparing lineages, and the file that remembers one.
#include "engine/postgres/lineage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/disk.h"

#define FILE_NAME      "postgres.lineage"
#define FILE_NEW_NAME  "postgres.lineage.new"
#define FILE_BYTES_MAX 256
#define TOKEN_FORMAT                                                                               \
    "%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx"

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

static bool parse(char *text, struct lineage *seen) {
    uint8_t *t = seen->token;
    int end = 0;
    int count = sscanf(text,
                       "system %" SCNu64 "\ntimeline %" SCNu64 "\ntoken " TOKEN_FORMAT "\n%n",
                       &seen->system, &seen->timeline, &t[0], &t[1], &t[2], &t[3], &t[4], &t[5],
                       &t[6], &t[7], &t[8], &t[9], &t[10], &t[11], &t[12], &t[13], &t[14], &t[15],
                       &end);
    return count == 2 + LINEAGE_TOKEN_BYTES && text[end] == '\0' && seen->system != 0 &&
           seen->timeline != 0;
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
    for (int i = 0; i < LINEAGE_TOKEN_BYTES; i++)
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%02x", seen->token[i]);
    text[size++] = '\n';
    enum status status = disk_posix_open(folder, &disk);
    if (status != STATUS_ok)
        return status;
    status = write_file(disk, slice_of(text, (size_t)size));
    disk->driver->done(disk);
    return status;
}

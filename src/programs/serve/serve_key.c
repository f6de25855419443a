// SPDX-License-Identifier: MIT
// Makes keys from inside the house. A key is an ordinary command of the system, so it has its
// record like any other.
#include "programs/serve/serve_key.h"

#include "access/permissions.h"
#include "base/disk.h"
#include "engine/wait.h"

#define KEY_FILE      "admin.key"
#define KEY_FILE_PART "admin.key.part"

struct serve_secret serve_secret_make(uint8_t role) {
    const struct role_row *row = permissions_role(role);
    CHECK(row != NULL);
    struct serve_secret secret;
    secret.size = secret_make(slice_of_text(row->name), secret.text);
    return secret;
}

static bool read_id(const struct outcome *outcome, struct id *ret_id) {
    struct record record;
    const char *invariant;
    if (record_decode(outcome->record, &record, &invariant) != STATUS_ok ||
        record.kind != RECORD_KEY)
        return false;
    *ret_id = record.api_key.id;
    return true;
}

enum status serve_key_create(struct engine *engine, const struct serve_key_wish *wish,
                             const struct serve_secret *secret, struct id *ret_id) {
    struct command command = {
        .type = COMMAND_KEY_CREATE,
        .key_role = wish->role,
        .expires_in_s = wish->expires_in_s,
        .name = wish->name,
        .owner = wish->owner,
        .secret_hash = sha256_of(slice_of(secret->text, secret->size)),
        .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
    };
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    struct engine_wait wait;
    engine_wait_init(&wait, engine);
    engine_wait_submit(&wait, &submission);
    enum status status = (enum status)outcome.status;
    if (status == STATUS_ok && ret_id != NULL && !read_id(&outcome, ret_id))
        status = STATUS_damaged;
    engine_wait_release(&wait);
    engine_wait_done(&wait);
    return status;
}

enum status serve_key_write(const char *folder, const struct serve_secret *secret) {
    struct disk *disk;
    enum status status = disk_posix_open(folder, &disk);
    if (status != STATUS_ok)
        return status;
    char line[SECRET_BYTES_MAX + 1];
    memcpy(line, secret->text, secret->size);
    line[secret->size] = '\n';
    struct disk_file *file = NULL;
    status = disk->driver->remove(disk, KEY_FILE_PART);
    if (status == STATUS_ok)
        status = disk->driver->open(disk, KEY_FILE_PART, true, &file);
    if (status == STATUS_ok)
        status = disk->driver->write(file, 0, slice_of(line, secret->size + 1));
    if (status == STATUS_ok)
        status = disk->driver->sync(file);
    disk->driver->close(file);
    if (status == STATUS_ok)
        status = disk->driver->rename(disk, KEY_FILE_PART, KEY_FILE);
    disk->driver->done(disk);
    explicit_bzero(line, sizeof(line));
    return status;
}

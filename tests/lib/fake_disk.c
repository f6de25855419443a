// SPDX-License-Identifier: MIT
// Each file has two contents, what reads see and what is durable, and a list of the writes between
// them. Names are kept the same way: two tables and the list of changes between them, of which a
// crash keeps a random beginning (as file systems with a journal do). Contents lie in reserved
// address space, so a map stays where it is as files grow.
#include "fake_disk.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/memory.h"

#define FAKE_DISK_MAGIC      UINT64_C(0x46414b4544495343)
#define FAKE_DISK_NAME_BYTES 128

struct fake_change { // a write or truncation that no sync has covered
    bool is_truncation;
    uint64_t offset; // of a truncation: the new size
    uint64_t size;
    uint8_t *bytes; // owned
};

struct fake_content { // what lies in a file: reserved address space, of which `size` bytes are used
    uint8_t *bytes;
    uint64_t size;
};

struct fake_file {
    uint32_t references; // names in both tables, changes of names, open handles
    struct fake_content now;
    struct fake_content durable;
    struct fake_change *changes; // owned
    size_t change_count;
    size_t change_capacity;
};

struct fake_name {
    char text[FAKE_DISK_NAME_BYTES];
    struct fake_file *file;
};

struct fake_names {
    struct fake_name *items; // owned, in name order
    size_t count;
    size_t capacity;
};

struct fake_name_change { // `to` is empty for a removal, `from` is empty for a creation
    char from[FAKE_DISK_NAME_BYTES];
    char to[FAKE_DISK_NAME_BYTES];
    struct fake_file *file; // of a creation
};

struct fake_disk {
    struct disk port;
    uint64_t magic;
    pthread_mutex_t lock;
    pthread_cond_t unblocked;
    struct fake_names now;
    struct fake_names durable;
    struct fake_name_change *changes; // owned: what leads from `durable` to `now`
    size_t change_count;
    size_t change_capacity;
    uint64_t random;
    uint64_t calls;
    uint64_t change_calls;
    uint64_t fail_at; // the call that fails; 0: none
    enum status fail_status;
    uint64_t die_at; // the first call after the power is gone; 0: none
    bool is_dead;
    bool is_blocked;
    uint64_t bytes_limit;
};

struct fake_handle {
    struct disk_file port;
    struct fake_disk *disk;
    struct fake_file *file;
};

static const struct disk_driver fake_driver;

static struct fake_disk *fake_of(struct disk *disk) {
    struct fake_disk *fake = (struct fake_disk *)disk;
    CHECK(fake->magic == FAKE_DISK_MAGIC);
    return fake;
}

static uint64_t fake_random(uint64_t *state) { // splitmix64
    uint64_t value = (*state += UINT64_C(0x9e3779b97f4a7c15));
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static struct fake_content fake_content_make(void) {
    void *bytes = mmap(NULL, FAKE_DISK_FILE_BYTES_MAX, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(bytes != MAP_FAILED);
    return (struct fake_content){.bytes = bytes, .size = 0};
}

static void fake_content_done(struct fake_content *content) {
    CHECK(munmap(content->bytes, FAKE_DISK_FILE_BYTES_MAX) == 0);
}

static void fake_content_write(struct fake_content *content, uint64_t offset, struct slice bytes) {
    CHECK(offset + bytes.size <= FAKE_DISK_FILE_BYTES_MAX);
    memcpy(content->bytes + offset, bytes.bytes, bytes.size);
    if (content->size < offset + bytes.size)
        content->size = offset + bytes.size;
}

static void fake_content_resize(struct fake_content *content, uint64_t size) {
    CHECK(size <= FAKE_DISK_FILE_BYTES_MAX);
    if (size < content->size)
        memset(content->bytes + size, 0, content->size - size); // growing again must show zeros
    content->size = size;
}

static struct fake_file *fake_file_make(void) {
    struct fake_file *file = memory_take_zeroed(sizeof(*file));
    file->now = fake_content_make();
    file->durable = fake_content_make();
    return file;
}

static void fake_file_forget_changes(struct fake_file *file) {
    for (size_t i = 0; i < file->change_count; i++)
        memory_free(file->changes[i].bytes);
    file->change_count = 0;
}

static void fake_file_release(struct fake_file *file) {
    CHECK(file->references > 0);
    if (--file->references > 0)
        return;
    fake_file_forget_changes(file);
    memory_free(file->changes);
    fake_content_done(&file->now);
    fake_content_done(&file->durable);
    memory_free(file);
}

static void fake_file_add_change(struct fake_file *file, struct fake_change change) {
    if (file->change_count == file->change_capacity) {
        file->change_capacity = file->change_capacity == 0 ? 8 : file->change_capacity * 2;
        file->changes = memory_resize(file->changes, file->change_capacity * sizeof(change));
    }
    file->changes[file->change_count++] = change;
}

// Lets the durable content take what a disk may have made of one sector of a held-back write.
static void fake_file_settle_sector(struct fake_file *file, uint64_t offset, struct slice bytes,
                                    uint64_t *random) {
    uint8_t garbage[FAKE_DISK_SECTOR_BYTES];
    uint64_t sector = offset / FAKE_DISK_SECTOR_BYTES * FAKE_DISK_SECTOR_BYTES;
    switch (fake_random(random) % 4) {
    case 0: break;
    case 1: // torn
        fake_content_write(&file->durable, offset,
                           slice_of(bytes.bytes, fake_random(random) % (bytes.size + 1)));
        break;
    case 2: // garbage, which takes the neighbours in the sector along
        for (size_t i = 0; i < sizeof(garbage); i++)
            garbage[i] = (uint8_t)fake_random(random);
        fake_content_write(&file->durable, sector, slice_of(garbage, sizeof(garbage)));
        break;
    default: fake_content_write(&file->durable, offset, bytes); break;
    }
}

static void fake_file_settle_write(struct fake_file *file, uint64_t offset, struct slice bytes,
                                   uint64_t *random) {
    while (bytes.size > 0) {
        uint64_t room = FAKE_DISK_SECTOR_BYTES - offset % FAKE_DISK_SECTOR_BYTES;
        size_t piece = bytes.size < room ? bytes.size : (size_t)room;
        fake_file_settle_sector(file, offset, slice_of(bytes.bytes, piece), random);
        offset += piece;
        bytes = slice_of(bytes.bytes + piece, bytes.size - piece);
    }
}

// Decides for every held-back change of a file what the disk has made of it. Some crashes lose or
// keep all of them, which per-sector chances alone would make too rare to meet.
static void fake_file_settle(struct fake_file *file, uint64_t *random) {
    uint64_t fate = fake_random(random) % 4;
    for (size_t i = 0; i < file->change_count; i++) {
        const struct fake_change *change = &file->changes[i];
        struct slice bytes = slice_of(change->bytes, change->size);
        if (fate == 0)
            continue;
        if (change->is_truncation && (fate == 1 || fake_random(random) % 2 == 0))
            fake_content_resize(&file->durable, change->offset);
        else if (!change->is_truncation && fate == 1)
            fake_content_write(&file->durable, change->offset, bytes);
        else if (!change->is_truncation)
            fake_file_settle_write(file, change->offset, bytes, random);
    }
    fake_file_forget_changes(file);
}

static void fake_file_sync(struct fake_file *file) {
    for (size_t i = 0; i < file->change_count; i++) {
        const struct fake_change *change = &file->changes[i];
        if (change->is_truncation)
            fake_content_resize(&file->durable, change->offset);
        else
            fake_content_write(&file->durable, change->offset,
                               slice_of(change->bytes, change->size));
    }
    fake_file_forget_changes(file);
}

// The place of `name`, or where it would stand.
static size_t fake_names_place(const struct fake_names *names, const char *name, bool *ret_found) {
    size_t place = 0;
    while (place < names->count && strcmp(names->items[place].text, name) < 0)
        place++;
    *ret_found = place < names->count && strcmp(names->items[place].text, name) == 0;
    return place;
}

static struct fake_file *fake_names_find(const struct fake_names *names, const char *name) {
    bool found;
    size_t place = fake_names_place(names, name, &found);
    return found ? names->items[place].file : NULL;
}

static void fake_names_remove(struct fake_names *names, const char *name) {
    bool found;
    size_t place = fake_names_place(names, name, &found);
    if (!found)
        return;
    struct fake_file *file = names->items[place].file;
    memmove(&names->items[place], &names->items[place + 1],
            (names->count - place - 1) * sizeof(names->items[0]));
    names->count--;
    fake_file_release(file);
}

static void fake_names_put(struct fake_names *names, const char *name, struct fake_file *file) {
    file->references++; // before a removal that might have held the last one
    fake_names_remove(names, name);
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 8 : names->capacity * 2;
        names->items = memory_resize(names->items, names->capacity * sizeof(names->items[0]));
    }
    bool found;
    size_t place = fake_names_place(names, name, &found);
    memmove(&names->items[place + 1], &names->items[place],
            (names->count - place) * sizeof(names->items[0]));
    memcpy(names->items[place].text, name, strlen(name) + 1);
    names->items[place].file = file;
    names->count++;
}

static void fake_names_done(struct fake_names *names) {
    while (names->count > 0)
        fake_names_remove(names, names->items[names->count - 1].text);
    memory_free(names->items);
}

static void fake_names_apply(struct fake_names *names, const struct fake_name_change *change) {
    if (change->from[0] == '\0') {
        fake_names_put(names, change->to, change->file);
        return;
    }
    struct fake_file *file = fake_names_find(names, change->from);
    CHECK(file != NULL);
    if (change->to[0] != '\0')
        fake_names_put(names, change->to, file);
    fake_names_remove(names, change->from);
}

// Makes the first `count` held-back changes of names durable and forgets the rest.
static void fake_names_settle(struct fake_disk *fake, size_t count) {
    for (size_t i = 0; i < fake->change_count; i++) {
        if (i < count)
            fake_names_apply(&fake->durable, &fake->changes[i]);
        if (fake->changes[i].file != NULL)
            fake_file_release(fake->changes[i].file);
    }
    fake->change_count = 0;
}

static void fake_name_change(struct fake_disk *fake, const char *from, const char *to,
                             struct fake_file *file) {
    if (fake->change_count == fake->change_capacity) {
        fake->change_capacity = fake->change_capacity == 0 ? 8 : fake->change_capacity * 2;
        fake->changes =
            memory_resize(fake->changes, fake->change_capacity * sizeof(fake->changes[0]));
    }
    struct fake_name_change *change = &fake->changes[fake->change_count++];
    *change = (struct fake_name_change){.file = file};
    memcpy(change->from, from, strlen(from) + 1);
    memcpy(change->to, to, strlen(to) + 1);
    if (file != NULL)
        file->references++;
    fake_names_apply(&fake->now, change);
}

static void fake_name_check(const char *name) {
    const char *slash = strchr(name, '/');
    CHECK(name[0] != '\0' && strlen(name) < FAKE_DISK_NAME_BYTES);
    CHECK(slash == NULL || (slash != name && slash[1] != '\0' && strchr(slash + 1, '/') == NULL));
}

enum fake_call { FAKE_READS, FAKE_CHANGES };

// Counts a call and says whether it works; `ret_breaks` tells the one call that a test wants to
// fail or to be the last, whose half-done effects the caller plays, from a dead disk that does
// nothing. The lock is held.
static enum status fake_enter(struct fake_disk *fake, enum fake_call call, bool *ret_breaks) {
    *ret_breaks = false;
    fake->calls++;
    fake->change_calls += call == FAKE_CHANGES;
    if (fake->is_dead)
        return STATUS_disk_failed;
    if (fake->die_at != 0 && fake->calls >= fake->die_at) {
        fake->is_dead = true; // in the middle of this call
        *ret_breaks = true;
        return STATUS_disk_failed;
    }
    if (fake->fail_at != fake->calls)
        return STATUS_ok;
    *ret_breaks = true;
    return fake->fail_status;
}

static void fake_wait_unblocked(struct fake_disk *fake) {
    while (fake->is_blocked && !fake->is_dead)
        CHECK(pthread_cond_wait(&fake->unblocked, &fake->lock) == 0);
}

static uint64_t fake_bytes_used(const struct fake_disk *fake) {
    uint64_t used = 0;
    for (size_t i = 0; i < fake->now.count; i++)
        used += fake->now.items[i].file->now.size;
    return used;
}

static enum status fake_open_file(struct disk *disk, const char *name, bool create,
                                  struct disk_file **ret_file) {
    struct fake_disk *fake = fake_of(disk);
    bool breaks;
    fake_name_check(name);
    pthread_mutex_lock(&fake->lock);
    struct fake_file *file = fake_names_find(&fake->now, name);
    enum status status =
        fake_enter(fake, create && file == NULL ? FAKE_CHANGES : FAKE_READS, &breaks);
    if (status == STATUS_ok && file == NULL && !create)
        status = STATUS_not_found;
    bool creates = create && file == NULL &&
                   (status == STATUS_ok || (breaks && fake_random(&fake->random) % 2 == 0));
    if (creates) {
        file = fake_file_make();
        fake_name_change(fake, "", name, file);
    }
    if (status == STATUS_ok) {
        if (creates)
            fake_names_settle(fake, fake->change_count);
        struct fake_handle *handle = memory_take(sizeof(*handle));
        *handle =
            (struct fake_handle){.port = {.driver = &fake_driver}, .disk = fake, .file = file};
        file->references++;
        *ret_file = &handle->port;
    }
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static struct fake_handle *fake_handle_of(struct disk_file *file) {
    struct fake_handle *handle = (struct fake_handle *)file;
    CHECK(handle->port.driver == &fake_driver && handle->disk->magic == FAKE_DISK_MAGIC);
    return handle;
}

static void fake_close(struct disk_file *file) {
    if (file == NULL)
        return;
    struct fake_handle *handle = fake_handle_of(file);
    pthread_mutex_lock(&handle->disk->lock);
    fake_file_release(handle->file);
    pthread_mutex_unlock(&handle->disk->lock);
    memory_free(handle);
}

static enum status fake_size(struct disk_file *file, uint64_t *ret_bytes) {
    struct fake_handle *handle = fake_handle_of(file);
    bool breaks;
    pthread_mutex_lock(&handle->disk->lock);
    enum status status = fake_enter(handle->disk, FAKE_READS, &breaks);
    if (status == STATUS_ok)
        *ret_bytes = handle->file->now.size;
    pthread_mutex_unlock(&handle->disk->lock);
    return status;
}

static enum status fake_read(struct disk_file *file, uint64_t offset, void *bytes, size_t size,
                             size_t *ret_size) {
    struct fake_handle *handle = fake_handle_of(file);
    bool breaks;
    pthread_mutex_lock(&handle->disk->lock);
    enum status status = fake_enter(handle->disk, FAKE_READS, &breaks);
    if (status == STATUS_ok) {
        const struct fake_content *content = &handle->file->now;
        uint64_t there = offset < content->size ? content->size - offset : 0;
        *ret_size = there < size ? (size_t)there : size;
        memcpy(bytes, content->bytes + (*ret_size == 0 ? 0 : offset), *ret_size);
    }
    pthread_mutex_unlock(&handle->disk->lock);
    return status;
}

static void fake_hold_back_write(struct fake_file *file, uint64_t offset, struct slice bytes) {
    struct fake_change change = {
        .offset = offset, .size = bytes.size, .bytes = memory_take(bytes.size)};
    if (bytes.size > 0)
        memcpy(change.bytes, bytes.bytes, bytes.size);
    fake_file_add_change(file, change);
    fake_content_write(&file->now, offset, bytes);
}

static enum status fake_write(struct disk_file *file, uint64_t offset, struct slice bytes) {
    struct fake_handle *handle = fake_handle_of(file);
    struct fake_disk *fake = handle->disk;
    bool breaks;
    pthread_mutex_lock(&fake->lock);
    enum status status = fake_enter(fake, FAKE_CHANGES, &breaks);
    uint64_t size = handle->file->now.size;
    uint64_t growth = offset + bytes.size > size ? offset + bytes.size - size : 0;
    size_t fits = bytes.size; // at most this much of a failing write is done
    if (status == STATUS_ok && growth > 0 && fake_bytes_used(fake) + growth > fake->bytes_limit) {
        status = STATUS_storage_full;
        breaks = true;
        fits = growth < bytes.size ? bytes.size - (size_t)growth : 0;
    }
    if (breaks)
        bytes.size = (size_t)(fake_random(&fake->random) % (fits + 1));
    if (status == STATUS_ok || breaks)
        fake_hold_back_write(handle->file, offset, bytes);
    pthread_mutex_unlock(&fake->lock);
    return status;
}

// Its files hold all the place that they reach over, so only growing needs any.
static enum status fake_allocate(struct disk_file *file, uint64_t offset, uint64_t size) {
    struct fake_handle *handle = fake_handle_of(file);
    struct fake_disk *fake = handle->disk;
    bool breaks;
    pthread_mutex_lock(&fake->lock);
    enum status status = fake_enter(fake, FAKE_CHANGES, &breaks);
    uint64_t now = handle->file->now.size, end = offset + size;
    if (status == STATUS_ok && end > now && fake_bytes_used(fake) + end - now > fake->bytes_limit)
        status = STATUS_storage_full;
    if (end > now && (status == STATUS_ok || (breaks && fake_random(&fake->random) % 2 == 0))) {
        fake_file_add_change(handle->file,
                             (struct fake_change){.is_truncation = true, .offset = end});
        fake_content_resize(&handle->file->now, end);
    }
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static enum status fake_truncate(struct disk_file *file, uint64_t size) {
    struct fake_handle *handle = fake_handle_of(file);
    struct fake_disk *fake = handle->disk;
    bool breaks;
    pthread_mutex_lock(&fake->lock);
    enum status status = fake_enter(fake, FAKE_CHANGES, &breaks);
    uint64_t now = handle->file->now.size;
    if (status == STATUS_ok && size > now && fake_bytes_used(fake) + size - now > fake->bytes_limit)
        status = STATUS_storage_full;
    if (status == STATUS_ok || (breaks && fake_random(&fake->random) % 2 == 0)) {
        fake_file_add_change(handle->file,
                             (struct fake_change){.is_truncation = true, .offset = size});
        fake_content_resize(&handle->file->now, size);
    }
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static enum status fake_sync(struct disk_file *file) {
    struct fake_handle *handle = fake_handle_of(file);
    struct fake_disk *fake = handle->disk;
    bool breaks;
    pthread_mutex_lock(&fake->lock);
    fake_wait_unblocked(fake);
    enum status status = fake_enter(fake, FAKE_CHANGES, &breaks);
    if (status == STATUS_ok)
        fake_file_sync(handle->file);
    if (breaks && !fake->is_dead) // a crash decides for itself
        fake_file_settle(handle->file, &fake->random);
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static enum status fake_map(struct disk_file *file, uint64_t size, const uint8_t **ret_bytes) {
    struct fake_handle *handle = fake_handle_of(file);
    bool breaks;
    CHECK(size <= FAKE_DISK_FILE_BYTES_MAX);
    pthread_mutex_lock(&handle->disk->lock);
    enum status status = fake_enter(handle->disk, FAKE_READS, &breaks);
    if (status == STATUS_ok && size > handle->file->now.size)
        status = STATUS_disk_failed; // touching what lies behind the end would kill a real process
    if (status == STATUS_ok)
        *ret_bytes = handle->file->now.bytes;
    pthread_mutex_unlock(&handle->disk->lock);
    return status;
}

// Readers may be looking, so bytes that are there already are not written again.
static enum status fake_map_over(struct disk_file *file, uint64_t offset, size_t size, void *to) {
    const uint8_t *bytes;
    enum status status = fake_map(file, offset + size, &bytes);
    if (status == STATUS_ok && memcmp(to, bytes + offset, size) != 0)
        memcpy(to, bytes + offset, size);
    return status;
}

// Renames (or removes when `to` is empty) and makes names durable; a failing one may still have
// been done, and is then held back like any other change.
static enum status fake_change_name(struct disk *disk, const char *from, const char *to) {
    struct fake_disk *fake = fake_of(disk);
    bool breaks;
    fake_name_check(from);
    pthread_mutex_lock(&fake->lock);
    fake_wait_unblocked(fake);
    enum status status = fake_enter(fake, FAKE_CHANGES, &breaks);
    bool is_there = fake_names_find(&fake->now, from) != NULL;
    if (status == STATUS_ok && !is_there && to[0] != '\0')
        status = STATUS_not_found;
    if (is_there && strcmp(from, to) != 0 &&
        (status == STATUS_ok || (breaks && fake_random(&fake->random) % 2 == 0)))
        fake_name_change(fake, from, to, NULL);
    if (status == STATUS_ok)
        fake_names_settle(fake, fake->change_count);
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static enum status fake_rename(struct disk *disk, const char *from, const char *to) {
    fake_name_check(to);
    return fake_change_name(disk, from, to);
}

static enum status fake_remove(struct disk *disk, const char *name) {
    return fake_change_name(disk, name, "");
}

static enum status fake_sync_folder(struct disk *disk) {
    struct fake_disk *fake = fake_of(disk);
    bool breaks;
    pthread_mutex_lock(&fake->lock);
    fake_wait_unblocked(fake);
    enum status status = fake_enter(fake, FAKE_CHANGES, &breaks);
    if (status == STATUS_ok)
        fake_names_settle(fake, fake->change_count);
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static enum status fake_list(struct disk *disk, void (*found)(void *context, const char *name),
                             void *context) {
    struct fake_disk *fake = fake_of(disk);
    bool breaks;
    pthread_mutex_lock(&fake->lock);
    enum status status = fake_enter(fake, FAKE_READS, &breaks);
    size_t count = status == STATUS_ok ? fake->now.count : 0;
    struct fake_name *copies = memory_take((count + 1) * sizeof(*copies));
    if (count > 0)
        memcpy(copies, fake->now.items, count * sizeof(*copies));
    pthread_mutex_unlock(&fake->lock);
    for (size_t i = 0; i < count; i++) // without the lock: the callback may use the disk
        found(context, copies[i].text);
    memory_free(copies);
    return status;
}

static enum status fake_free_bytes(struct disk *disk, uint64_t *ret_bytes) {
    struct fake_disk *fake = fake_of(disk);
    bool breaks;
    pthread_mutex_lock(&fake->lock);
    enum status status = fake_enter(fake, FAKE_READS, &breaks);
    uint64_t used = fake_bytes_used(fake);
    if (status == STATUS_ok)
        *ret_bytes = fake->bytes_limit > used ? fake->bytes_limit - used : 0;
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static void fake_done(struct disk *disk) {
    if (disk == NULL)
        return;
    struct fake_disk *fake = fake_of(disk);
    fake_names_settle(fake, 0);
    memory_free(fake->changes);
    fake_names_done(&fake->now);
    fake_names_done(&fake->durable);
    pthread_mutex_destroy(&fake->lock);
    pthread_cond_destroy(&fake->unblocked);
    fake->magic = 0;
    memory_free(fake);
}

static const struct disk_driver fake_driver = {
    .open = fake_open_file,
    .close = fake_close,
    .size = fake_size,
    .read = fake_read,
    .write = fake_write,
    .write_past_cache = fake_write,
    .allocate = fake_allocate,
    .truncate = fake_truncate,
    .sync = fake_sync,
    .map = fake_map,
    .map_over = fake_map_over,
    .rename = fake_rename,
    .remove = fake_remove,
    .sync_folder = fake_sync_folder,
    .list = fake_list,
    .free_bytes = fake_free_bytes,
    .done = fake_done,
};

struct disk *fake_disk_open(uint64_t seed) {
    struct fake_disk *fake = memory_take_zeroed(sizeof(*fake));
    fake->port.driver = &fake_driver;
    fake->magic = FAKE_DISK_MAGIC;
    fake->random = seed;
    fake->bytes_limit = UINT64_MAX;
    CHECK(pthread_mutex_init(&fake->lock, NULL) == 0);
    CHECK(pthread_cond_init(&fake->unblocked, NULL) == 0);
    return &fake->port;
}

// A file of the next start with the given contents.
static struct fake_file *fake_file_copy(const struct fake_file *file) {
    struct fake_file *copy = fake_file_make();
    fake_content_write(&copy->now, 0, slice_of(file->now.bytes, file->now.size));
    fake_content_write(&copy->durable, 0, slice_of(file->durable.bytes, file->durable.size));
    for (size_t i = 0; i < file->change_count; i++) {
        struct fake_change change = file->changes[i];
        const uint8_t *bytes = change.bytes;
        change.bytes = memory_take(change.size);
        if (change.size > 0)
            memcpy(change.bytes, bytes, change.size);
        fake_file_add_change(copy, change);
    }
    return copy;
}

struct disk *fake_disk_crash(struct disk *disk, uint64_t seed) {
    struct fake_disk *fake = fake_of(disk);
    uint64_t random = seed ^ UINT64_C(0x5eed0fc2a5b00000);
    struct disk *next = fake_disk_open(seed);
    pthread_mutex_lock(&fake->lock);
    fake->is_dead = true;
    fake_names_settle(fake, (size_t)(fake_random(&random) % (fake->change_count + 1)));
    for (size_t i = 0; i < fake->durable.count; i++) {
        struct fake_file *file = fake->durable.items[i].file;
        fake_file_settle(file, &random);
        struct fake_file *copy = fake_file_make();
        struct slice bytes = slice_of(file->durable.bytes, file->durable.size);
        fake_content_write(&copy->now, 0, bytes);
        fake_content_write(&copy->durable, 0, bytes);
        fake_names_put(&fake_of(next)->now, fake->durable.items[i].text, copy);
        fake_names_put(&fake_of(next)->durable, fake->durable.items[i].text, copy);
    }
    CHECK(pthread_cond_broadcast(&fake->unblocked) == 0);
    pthread_mutex_unlock(&fake->lock);
    return next;
}

// The files of the next start, by the file of before; `count` of them.
struct fake_twins {
    struct fake_file **before;
    struct fake_file **after;
    size_t count;
};

static struct fake_file *fake_twin(struct fake_twins *twins, struct fake_file *file) {
    for (size_t i = 0; i < twins->count; i++)
        if (twins->before[i] == file)
            return twins->after[i];
    twins->before[twins->count] = file;
    twins->after[twins->count] = fake_file_copy(file);
    twins->after[twins->count]->references = 1; // until all names are taken over
    return twins->after[twins->count++];
}

struct disk *fake_disk_restart(struct disk *disk) {
    struct fake_disk *fake = fake_of(disk);
    struct disk *next = fake_disk_open(fake->random);
    struct fake_disk *then = fake_of(next);
    pthread_mutex_lock(&fake->lock);
    fake->is_dead = true;
    size_t count_max = fake->now.count + fake->durable.count + fake->change_count;
    struct fake_twins twins = {.before = memory_take((count_max + 1) * sizeof(struct fake_file *)),
                               .after = memory_take((count_max + 1) * sizeof(struct fake_file *))};
    for (size_t i = 0; i < fake->durable.count; i++)
        fake_names_put(&then->durable, fake->durable.items[i].text,
                       fake_twin(&twins, fake->durable.items[i].file));
    for (size_t i = 0; i < fake->durable.count; i++)
        fake_names_put(&then->now, fake->durable.items[i].text,
                       fake_twin(&twins, fake->durable.items[i].file));
    for (size_t i = 0; i < fake->change_count; i++) {
        struct fake_name_change *change = &fake->changes[i];
        struct fake_file *file = change->file == NULL ? NULL : fake_twin(&twins, change->file);
        fake_name_change(then, change->from, change->to, file);
    }
    for (size_t i = 0; i < twins.count; i++)
        fake_file_release(twins.after[i]);
    memory_free(twins.before);
    memory_free(twins.after);
    then->bytes_limit = fake->bytes_limit;
    CHECK(pthread_cond_broadcast(&fake->unblocked) == 0);
    pthread_mutex_unlock(&fake->lock);
    return next;
}

void fake_disk_fail_after(struct disk *disk, uint64_t call, enum status status) {
    struct fake_disk *fake = fake_of(disk);
    CHECK(status != STATUS_ok);
    pthread_mutex_lock(&fake->lock);
    fake->fail_at = call == 0 ? 0 : fake->calls + call;
    fake->fail_status = status;
    pthread_mutex_unlock(&fake->lock);
}

void fake_disk_die_after(struct disk *disk, uint64_t call) {
    struct fake_disk *fake = fake_of(disk);
    pthread_mutex_lock(&fake->lock);
    fake->die_at = call == 0 ? 0 : fake->calls + call;
    pthread_mutex_unlock(&fake->lock);
}

uint64_t fake_disk_calls(struct disk *disk) {
    struct fake_disk *fake = fake_of(disk);
    pthread_mutex_lock(&fake->lock);
    uint64_t calls = fake->calls;
    pthread_mutex_unlock(&fake->lock);
    return calls;
}

uint64_t fake_disk_changes(struct disk *disk) {
    struct fake_disk *fake = fake_of(disk);
    pthread_mutex_lock(&fake->lock);
    uint64_t changes = fake->change_calls;
    pthread_mutex_unlock(&fake->lock);
    return changes;
}

static void fake_set_blocked(struct disk *disk, bool is_blocked) {
    struct fake_disk *fake = fake_of(disk);
    pthread_mutex_lock(&fake->lock);
    fake->is_blocked = is_blocked;
    CHECK(pthread_cond_broadcast(&fake->unblocked) == 0);
    pthread_mutex_unlock(&fake->lock);
}

void fake_disk_block(struct disk *disk) {
    fake_set_blocked(disk, true);
}

void fake_disk_unblock(struct disk *disk) {
    fake_set_blocked(disk, false);
}

void fake_disk_limit(struct disk *disk, uint64_t bytes) {
    struct fake_disk *fake = fake_of(disk);
    pthread_mutex_lock(&fake->lock);
    fake->bytes_limit = bytes;
    pthread_mutex_unlock(&fake->lock);
}

void fake_disk_poke(struct disk *disk, const char *name, uint64_t offset, struct slice bytes) {
    struct fake_disk *fake = fake_of(disk);
    pthread_mutex_lock(&fake->lock);
    struct fake_file *file = fake_names_find(&fake->now, name);
    CHECK(file != NULL);
    CHECK(offset + bytes.size <= file->now.size);
    memcpy(file->now.bytes + offset, bytes.bytes, bytes.size);
    memcpy(file->durable.bytes + offset, bytes.bytes, bytes.size);
    pthread_mutex_unlock(&fake->lock);
}

void fake_disk_flip(struct disk *disk, const char *name, uint64_t offset, uint8_t mask) {
    struct fake_disk *fake = fake_of(disk);
    pthread_mutex_lock(&fake->lock);
    struct fake_file *file = fake_names_find(&fake->now, name);
    CHECK(file != NULL);
    CHECK(offset < file->now.size);
    file->now.bytes[offset] ^= mask;
    file->durable.bytes[offset] ^= mask;
    pthread_mutex_unlock(&fake->lock);
}

// SPDX-License-Identifier: MIT
// One window of bytes slides over the file: what is left of it moves to its begin before more is
// read behind.
#include "programs/import/import_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"

#define SOURCE_WINDOW_BYTES (4u * 1024 * 1024)
_Static_assert(SOURCE_WINDOW_BYTES >= 2 * IMPORT_RECORD_BYTES_MAX, "a record fits the window");

struct import_source {
    const char *path; // the caller's
    int descriptor;
    uint64_t bytes; // of the file, when it was opened
    struct timespec modified_at;
    uint8_t *window;     // owned; JSON_PADDING bytes longer than what is ever read into it
    size_t begin, end;   // of what is not yet taken, in the window
    uint64_t read_bytes; // from the file into the window so far
    uint64_t line;       // of the next record
    bool is_skipping;    // the rest of a line that was too long
};

bool import_source_open(const char *path, struct import_source **ret_source) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (descriptor < 0 || fstat(descriptor, &facts) != 0) {
        fprintf(stderr, "florin: %s cannot be read: %s.\n", path, strerror(errno));
        if (descriptor >= 0)
            (void)close(descriptor);
        return false;
    }
    if (!S_ISREG(facts.st_mode)) {
        fprintf(stderr, "florin: %s is no regular file, and an import reads its file twice.\n",
                path);
        (void)close(descriptor);
        return false;
    }
    struct import_source *source = memory_take_zeroed(sizeof(*source));
    source->path = path;
    source->descriptor = descriptor;
    source->bytes = (uint64_t)facts.st_size;
    source->modified_at = facts.st_mtim;
    source->window = memory_take_zeroed(SOURCE_WINDOW_BYTES + JSON_PADDING);
    source->line = 1;
    *ret_source = source;
    return true;
}

void import_source_close(struct import_source *source) {
    if (source == NULL)
        return;
    (void)close(source->descriptor); // it was only read
    memory_free(source->window);
    memory_free(source);
}

uint64_t import_source_bytes(const struct import_source *source) {
    return source->bytes;
}

uint64_t import_source_done_bytes(const struct import_source *source) {
    return source->read_bytes - (source->end - source->begin);
}

bool import_source_changed(const struct import_source *source) {
    struct stat facts;
    return fstat(source->descriptor, &facts) != 0 || (uint64_t)facts.st_size != source->bytes ||
           facts.st_mtim.tv_sec != source->modified_at.tv_sec ||
           facts.st_mtim.tv_nsec != source->modified_at.tv_nsec;
}

// Reads up to `size` bytes at `offset`, never beyond the file's end as it was when it was opened.
// A file that has become shorter since is a failure, because its hash would lie.
static bool source_read(const struct import_source *source, uint64_t offset, uint8_t *bytes,
                        size_t size, size_t *ret_size) {
    uint64_t left = source->bytes - offset;
    if (size > left)
        size = (size_t)left;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(source->descriptor, bytes + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fprintf(stderr, "florin: %s cannot be read: %s.\n", source->path,
                    got < 0 ? strerror(errno) : "it has become shorter");
            return false;
        }
        done += (size_t)got;
    }
    *ret_size = done;
    return true;
}

bool import_source_hash(struct import_source *source,
                        bool (*tell)(void *context, uint64_t done_bytes), void *context,
                        struct sha256 *ret_hash) {
    CHECK(source->read_bytes == 0);
    struct sha256_context *hashing = sha256_open();
    sha256_begin(hashing);
    bool goes_on = true;
    for (uint64_t offset = 0; goes_on && offset < source->bytes;) {
        size_t size = 0;
        goes_on = source_read(source, offset, source->window, SOURCE_WINDOW_BYTES, &size);
        if (!goes_on)
            break;
        sha256_add(hashing, slice_of(source->window, size));
        offset += size;
        goes_on = tell(context, offset);
    }
    struct sha256 hash = sha256_end(hashing);
    sha256_close(hashing);
    if (goes_on)
        *ret_hash = hash;
    return goes_on;
}

// Makes what is left the begin of the window and fills the rest of it.
static bool source_fill(struct import_source *source) {
    memmove(source->window, source->window + source->begin, source->end - source->begin);
    source->end -= source->begin;
    source->begin = 0;
    size_t size = 0;
    if (!source_read(source, source->read_bytes, source->window + source->end,
                     SOURCE_WINDOW_BYTES - source->end, &size))
        return false;
    bool is_first = source->read_bytes == 0;
    source->read_bytes += size;
    source->end += size;
    if (is_first && source->end >= 3 && memcmp(source->window, "\xef\xbb\xbf", 3) == 0)
        source->begin = 3;
    return true;
}

enum import_format import_source_guess(struct import_source *source, const char *path) {
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcasecmp(dot, ".csv") == 0)
        return IMPORT_CSV;
    if (dot != NULL && (strcasecmp(dot, ".ndjson") == 0 || strcasecmp(dot, ".jsonl") == 0))
        return IMPORT_NDJSON;
    if (source->read_bytes == 0 && !source_fill(source))
        return IMPORT_NDJSON; // the next read fails as well, and says so
    for (size_t at = source->begin; at < source->end; at++)
        if (strchr(" \t\r\n", source->window[at]) == NULL)
            return source->window[at] == '{' ? IMPORT_NDJSON : IMPORT_CSV;
    return IMPORT_NDJSON;
}

// Where the record's last line ends (at its LF), looking from `from` on. False: not within what is
// in the window; `ret_quoted` says whether the text breaks off inside quotes.
static bool find_end(const struct import_source *source, enum import_format format, size_t *ret_end,
                     bool *ret_quoted) {
    const uint8_t *window = source->window;
    bool quoted = false;
    for (size_t at = source->begin; at < source->end;) {
        const uint8_t *found = memchr(window + at, '\n', source->end - at);
        size_t line_end = found != NULL ? (size_t)(found - window) : source->end;
        for (; format == IMPORT_CSV && at < line_end; at++)
            quoted ^= window[at] == '"';
        if (found != NULL && !quoted) {
            *ret_end = line_end;
            return true;
        }
        at = line_end + 1;
    }
    *ret_quoted = quoted;
    return false;
}

// Gives out the record that ends at `end` and goes behind its line end.
static struct slice source_take(struct import_source *source, enum import_format format,
                                size_t end) {
    struct slice record = slice_of(source->window + source->begin, end - source->begin);
    if (format == IMPORT_CSV) // only its records hold line ends
        for (size_t at = source->begin; at < end; at++)
            source->line += source->window[at] == '\n';
    source->line++;
    source->begin = end < source->end ? end + 1 : end;
    if (record.size > 0 && record.bytes[record.size - 1] == '\r')
        record.size--;
    return record;
}

enum import_read import_source_next(struct import_source *source, enum import_format format,
                                    struct slice *ret_record, uint64_t *ret_line) {
    for (;;) {
        size_t end = 0;
        bool quoted = false;
        bool found = source->begin < source->end && find_end(source, format, &end, &quoted);
        bool is_all = source->read_bytes == source->bytes;
        *ret_line = source->line;
        if (!found && is_all) {
            if (source->begin == source->end && !source->is_skipping)
                return IMPORT_READ_END;
            end = source->end; // the last line needs no line end
            found = true;
        }
        size_t size = (found ? end : source->end) - source->begin;
        if (size > IMPORT_RECORD_BYTES_MAX && format == IMPORT_CSV && quoted)
            return IMPORT_READ_UNCLOSED;
        if (!found && size > IMPORT_RECORD_BYTES_MAX) {
            source->is_skipping =
                true; // forgets what is in the window and looks for the line's end
            source->begin = source->end;
        }
        if (!found) {
            if (!source_fill(source))
                return IMPORT_READ_FAILED;
            continue;
        }
        if (quoted && is_all && end == source->end)
            return IMPORT_READ_UNCLOSED;
        *ret_record = source_take(source, format, end);
        bool was_too_long = source->is_skipping || size > IMPORT_RECORD_BYTES_MAX;
        source->is_skipping = false;
        return was_too_long ? IMPORT_READ_TOO_LONG : IMPORT_READ_RECORD;
    }
}

// SPDX-License-Identifier: MIT
// Files as records with line numbers: line ends of both kinds, quotes over lines, records that are
// longer than memory allows, and records that lie across the edge of what is read at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "programs/import/import_source.h"

struct place {
    char path[64];
    struct import_source *source;
};

static void open_source(struct place *place, const void *bytes, size_t size) {
    (void)snprintf(place->path, sizeof(place->path), "/tmp/florin-source-XXXXXX");
    int descriptor = mkstemp(place->path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_true(import_source_open(place->path, &place->source));
    assert_int_equal(import_source_bytes(place->source), size);
}

static void close_source(struct place *place) {
    import_source_close(place->source);
    assert_int_equal(unlink(place->path), 0);
}

static void expect(struct place *place, enum import_format format, const char *text,
                   uint64_t line) {
    struct slice record = {0};
    uint64_t got_line = 0;
    assert_int_equal(import_source_next(place->source, format, &record, &got_line),
                     IMPORT_READ_RECORD);
    assert_int_equal(got_line, line);
    assert_int_equal(record.size, strlen(text));
    assert_memory_equal(record.bytes, text, record.size);
}

static void expect_result(struct place *place, enum import_format format, enum import_read result,
                          uint64_t line) {
    struct slice record = {0};
    uint64_t got_line = line;
    assert_int_equal(import_source_next(place->source, format, &record, &got_line), result);
    assert_int_equal(got_line, line);
}

static void line_ends_of_both_kinds(void **state) {
    static const char text[] = "\xef\xbb\xbf"
                               "one\r\n\ntwo\n\rthree\r\n\"four";
    struct place place;
    open_source(&place, text, sizeof(text) - 1);
    expect(&place, IMPORT_NDJSON, "one", 1);
    expect(&place, IMPORT_NDJSON, "", 2);
    expect(&place, IMPORT_NDJSON, "two", 3);
    expect(&place, IMPORT_NDJSON, "\rthree", 4);
    expect(&place, IMPORT_NDJSON, "\"four", 5);
    assert_int_equal(import_source_done_bytes(place.source), sizeof(text) - 1);
    struct slice record;
    uint64_t line;
    assert_int_equal(import_source_next(place.source, IMPORT_NDJSON, &record, &line),
                     IMPORT_READ_END);
    close_source(&place);
}

static void quotes_keep_lines_together(void **state) {
    static const char text[] = "a,\"b\nc\r\nd\"\n\"x\"\"\n\"\ny\n\"open\nfor ever";
    struct place place;
    open_source(&place, text, sizeof(text) - 1);
    expect(&place, IMPORT_CSV, "a,\"b\nc\r\nd\"", 1);
    expect(&place, IMPORT_CSV, "\"x\"\"\n\"", 4);
    expect(&place, IMPORT_CSV, "y", 6);
    expect_result(&place, IMPORT_CSV, IMPORT_READ_UNCLOSED, 7);
    close_source(&place);
}

static void empty_files_end_at_once(void **state) {
    struct place place;
    struct slice record;
    uint64_t line;
    open_source(&place, "", 0);
    assert_int_equal(import_source_next(place.source, IMPORT_CSV, &record, &line), IMPORT_READ_END);
    close_source(&place);
    open_source(&place, "\n", 1);
    expect(&place, IMPORT_NDJSON, "", 1);
    assert_int_equal(import_source_next(place.source, IMPORT_NDJSON, &record, &line),
                     IMPORT_READ_END);
    close_source(&place);
}

static void long_lines_are_skipped(void **state) {
    static const size_t sizes[] = {IMPORT_RECORD_BYTES_MAX, IMPORT_RECORD_BYTES_MAX + 1, 5 << 20,
                                   9 << 20};
    for (size_t at = 0; at < 4; at++) {
        struct buffer text = {0};
        struct place place;
        BUFFER_ADD(&text, "first\n");
        memset(buffer_room(&text, sizes[at]), 'x', sizes[at]);
        text.size += sizes[at];
        BUFFER_ADD(&text, "\nlast");
        open_source(&place, text.bytes, text.size);
        expect(&place, IMPORT_NDJSON, "first", 1);
        expect_result(&place, IMPORT_NDJSON, at == 0 ? IMPORT_READ_RECORD : IMPORT_READ_TOO_LONG,
                      2);
        expect(&place, IMPORT_NDJSON, "last", 3);
        close_source(&place);
        buffer_done(&text);
    }
}

static void records_lie_across_every_edge(void **state) {
    // Three windows of lines whose lengths have nothing to do with powers of two.
    struct buffer text = {0};
    struct place place;
    uint64_t count = 0;
    for (; text.size < 13u << 20; count++) {
        buffer_add_format(&text, "%llu,\"", (unsigned long long)count);
        size_t size = count * 7919 % 1733;
        memset(buffer_room(&text, size), 'y', size);
        text.size += size;
        BUFFER_ADD(&text, "\"\n");
    }
    open_source(&place, text.bytes, text.size);
    size_t begin = 0;
    for (uint64_t number = 0; number < count; number++) {
        size_t end =
            begin + (size_t)((uint8_t *)memchr(text.bytes + begin, '\n', text.size - begin) -
                             (text.bytes + begin));
        struct slice record;
        uint64_t line;
        assert_int_equal(import_source_next(place.source, IMPORT_CSV, &record, &line),
                         IMPORT_READ_RECORD);
        assert_int_equal(line, number + 1);
        assert_true(slice_equal(record, slice_of(text.bytes + begin, end - begin)));
        begin = end + 1;
    }
    close_source(&place);
    buffer_done(&text);
}

static bool tell(void *context, uint64_t done_bytes) {
    *(uint64_t *)context = done_bytes;
    return true;
}

static void the_hash_is_of_the_bytes(void **state) {
    struct place place;
    struct sha256 hash;
    uint64_t told = 0;
    open_source(&place, "abc", 3);
    assert_true(import_source_hash(place.source, tell, &told, &hash));
    assert_int_equal(told, 3);
    assert_memory_equal(hash.bytes, sha256_of(SLICE("abc")).bytes, 32);
    expect(&place, IMPORT_NDJSON, "abc", 1);
    assert_false(import_source_changed(place.source));
    FILE *file = fopen(place.path, "a");
    assert_non_null(file);
    assert_true(fputs("more", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_true(import_source_changed(place.source));
    close_source(&place);
}

static void formats_are_guessed(void **state) {
    struct place place;
    open_source(&place, "\n {\"a\":1}", 9);
    assert_int_equal(import_source_guess(place.source, "x"), IMPORT_NDJSON);
    assert_int_equal(import_source_guess(place.source, "x.CSV"), IMPORT_CSV);
    expect(&place, IMPORT_NDJSON, "", 1);
    close_source(&place);
    open_source(&place, "type,owner", 10);
    assert_int_equal(import_source_guess(place.source, "x.txt"), IMPORT_CSV);
    assert_int_equal(import_source_guess(place.source, "x.jsonl"), IMPORT_NDJSON);
    close_source(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_of_both_kinds),
        cmocka_unit_test(quotes_keep_lines_together),
        cmocka_unit_test(empty_files_end_at_once),
        cmocka_unit_test(long_lines_are_skipped),
        cmocka_unit_test(records_lie_across_every_edge),
        cmocka_unit_test(the_hash_is_of_the_bytes),
        cmocka_unit_test(formats_are_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// A line is put together on the stack and written with one call, so that lines of several threads
// never mix and a server short of memory can still say so. What is not printable is escaped after
// formatting: values come from clients, and neither a forged line nor a terminal's control sequence
// may come out of them.
//
// With FLORIN_LOG=json in the environment a line is a JSON object, for programs that gather logs:
//   {"time":"...","level":"error","component":"journal","message":"..."}
// and a line about one request has its id as well, as "request_id".
// The environment is asked at each line: lines are rare, and nothing has to be remembered.
#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define LOG_SENTENCE_BYTES 2048             // longer ones are cut
#define LOG_HEAD_BYTES_MAX 128
#define LOG_REQUEST_ID_BYTES 128             // likewise
// Every byte may become five.
#define LOG_LINE_BYTES (5 * (LOG_SENTENCE_BYTES + LOG_REQUEST_ID_BYTES) + 256)

static const char *log_level_name(enum log_level level) {
    switch (level) {
    case LOG_DEBUG: return "debug";
    case LOG_INFO: return "info";
    case LOG_WARNING: return "warning";
    case LOG_ERROR: return "error";
    }
    UNREACHABLE("an unknown log level");
}

// How many bytes at `at` are one printable character: 1 for ASCII, more for well-formed UTF-8 but
// for the C1 controls, 0 for all else.
static size_t log_printable(const uint8_t *at, size_t left) {
    if (at[0] >= 0x20 && at[0] < 0x7f)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    size_t size = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return at[0] == 0xc2 && at[1] < 0xa0 ? 0 : size;
}

static size_t log_escape(char *room, uint8_t byte) {
    static const char hex[16] = "0123456789abcdef";
    if (byte == '\n' || byte == '\r' || byte == '\t') {
        room[0] = '\\';
        room[1] = byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't';
        return 2;
    }
    const char escape[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    memcpy(room, escape, sizeof(escape));
    return sizeof(escape);
}

// Appends the sentence; what is not printable is escaped, and in JSON so are quotes and
// backslashes, those of the escapes included. Returns the new end.
static size_t log_add_sentence(char *line, size_t used, const char *sentence, size_t size,
                               bool is_json) {
    for (size_t at = 0; at < size;) {
        size_t printable = log_printable((const uint8_t *)sentence + at, size - at);
        if (is_json && (printable == 0 || sentence[at] == '"' || sentence[at] == '\\'))
            line[used++] = '\\';
        memcpy(line + used, sentence + at, printable);
        used += printable != 0 ? printable : log_escape(line + used, (uint8_t)sentence[at]);
        at += printable != 0 ? printable : 1;
    }
    return used;
}

static bool log_is_json(void) {
    const char *format = getenv("FLORIN_LOG");
    return format != NULL && strcmp(format, "json") == 0;
}

// Puts what stands before the sentence; returns its size.
static size_t log_begin(char *line, bool is_json, enum log_level level, const char *component) {
    char time[CLOCK_TEXT_BYTES + 1] = "";
    clock_format(clock_now_ms(), time);
    const char *format = is_json ? "{\"time\":\"%.*s\",\"level\":\"%s\",\"component\":\"%s\","
                                   "\"message\":\""
                                 : "%.*s %-7s %s: ";
    int size = snprintf(line, CLOCK_TEXT_BYTES + LOG_HEAD_BYTES_MAX, format, CLOCK_TEXT_BYTES, time,
                        log_level_name(level), component);
    CHECK(size > 0 && size < CLOCK_TEXT_BYTES + LOG_HEAD_BYTES_MAX);
    return (size_t)size;
}

static size_t log_add(char *line, size_t used, const char *text) {
    size_t size = strlen(text);
    memcpy(line + used, text, size);
    return used + size;
}

static void log_write(enum log_level level, const char *component, struct slice request_id,
                      const char *format, va_list arguments) {
    char sentence[LOG_SENTENCE_BYTES];
    int wanted = vsnprintf(sentence, sizeof(sentence), format, arguments);
    CHECK(wanted >= 0);
    bool cut = (size_t)wanted >= sizeof(sentence);
    size_t size = cut ? sizeof(sentence) - 1 : (size_t)wanted;
    size_t id_size = request_id.size;
    if (id_size > LOG_REQUEST_ID_BYTES)
        id_size = LOG_REQUEST_ID_BYTES;

    char line[LOG_LINE_BYTES];
    bool is_json = log_is_json();
    size_t used = log_begin(line, is_json, level, component);
    used = log_add_sentence(line, used, sentence, size, is_json);
    if (cut)
        used = log_add(line, used, " ...");
    if (id_size != 0) {
        used = log_add(line, used, is_json ? "\",\"request_id\":\"" : "; request ");
        used = log_add_sentence(line, used, (const char *)request_id.bytes, id_size, is_json);
    }
    if (is_json)
        used = log_add(line, used, "\"}");
    line[used++] = '\n';
    CHECK(used <= sizeof(line));
    // A stderr that is gone or full must not stop the server.
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}

void log_line(enum log_level level, const char *component, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(level, component, (struct slice){0}, format, arguments);
    va_end(arguments);
}

void log_request(enum log_level level, const char *component, struct slice request_id,
                 const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write(level, component, request_id, format, arguments);
    va_end(arguments);
}

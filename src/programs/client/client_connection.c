// SPDX-License-Identifier: MIT
// libcurl behind six functions. One easy handle keeps its connection open between requests, which
// is what makes an import and the demo fast; the answer's body grows in one buffer that is used
// again.
#include "programs/client/client_connection.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"

#define CONNECTION_DEFAULT_URL "http://127.0.0.1:8080"
#define CONNECTION_DEFAULT_FOLDER "florin-data"
#define CONNECTION_CONNECT_TIMEOUT_MS 5000L
#define CONNECTION_ANSWER_TIMEOUT_MS 60000L // the server promises an answer or `busy` within 10 s
#define CONNECTION_ANSWER_BYTES_MAX (256u * 1024 * 1024)
#define CONNECTION_KEY_BYTES_MAX 4096

struct client_connection {
    CURL *curl;             // owned
    struct buffer url;      // of the server, zero-terminated, without a "/" at its end
    struct buffer key;      // zero-terminated
    struct buffer full_url; // of the request being made
    struct buffer header;   // one header line being made
    struct buffer body;     // of the last answer
    const char *key_source; // static
    bool replayed;          // of the answer being read
    uint32_t retry_after_s; // of the answer being read
    char trouble[CURL_ERROR_SIZE];
};

static bool option_is_given(const char *option) {
    return option != NULL && option[0] != '\0';
}

static void text_set(struct buffer *buffer, const char *text) {
    buffer_reset(buffer);
    buffer_add_text(buffer, text);
    BUFFER_ADD(buffer, "\0");
}

static const char *text_of(const struct buffer *buffer) {
    return (const char *)buffer->bytes;
}

// A key stands in a header, so it may hold nothing that would end the header.
static bool key_is_clean(const char *key) {
    for (const char *at = key; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f)
            return false;
    return true;
}

// Reads the first line of FOLDER/admin.key. False, with errno: it cannot be read.
static bool key_read_file(struct client_connection *connection, const char *folder) {
    struct buffer path = {0};
    buffer_add_format(&path, "%s/admin.key", folder);
    BUFFER_ADD(&path, "\0");
    FILE *file = fopen(text_of(&path), "re");
    buffer_done(&path);
    if (file == NULL)
        return false;
    char line[CONNECTION_KEY_BYTES_MAX];
    bool is_read = fgets(line, sizeof(line), file) != NULL;
    (void)fclose(file); // it was only read
    if (!is_read) {
        errno = ENODATA;
        return false;
    }
    line[strcspn(line, " \t\r\n")] = '\0';
    text_set(&connection->key, line);
    connection->key_source = "admin.key";
    return true;
}

// What is said on the command line goes before what the environment says.
static bool key_find(struct client_connection *connection, const struct client_options *options) {
    const char *environment = getenv("FLORIN_KEY");
    text_set(&connection->key, "");
    connection->key_source = "no key";
    if (option_is_given(options->key)) {
        text_set(&connection->key, options->key);
        connection->key_source = "--key";
    } else if (option_is_given(options->data_folder)) {
        if (!key_read_file(connection, options->data_folder)) {
            fprintf(stderr, "florin: %s/admin.key cannot be read: %s.\n", options->data_folder,
                    strerror(errno));
            return false;
        }
    } else if (option_is_given(environment)) {
        text_set(&connection->key, environment);
        connection->key_source = "FLORIN_KEY";
    } else {
        // Without a key the server's own sentence is the best there is, so a missing file is fine
        // here.
        (void)key_read_file(connection, CONNECTION_DEFAULT_FOLDER);
    }
    if (!key_is_clean(text_of(&connection->key))) {
        fprintf(stderr, "florin: the key from %s holds a character that no API key has.\n",
                connection->key_source);
        return false;
    }
    return true;
}

static bool url_find(struct client_connection *connection, const struct client_options *options) {
    const char *environment = getenv("FLORIN_URL");
    const char *url = CONNECTION_DEFAULT_URL;
    if (option_is_given(options->url))
        url = options->url;
    else if (option_is_given(environment))
        url = environment;
    // "127.0.0.1:9090" is what servers print and people type.
    if (strstr(url, "://") == NULL) {
        buffer_reset(&connection->url);
        buffer_add_format(&connection->url, "http://%s", url);
        BUFFER_ADD(&connection->url, "\0");
    } else {
        text_set(&connection->url, url);
    }
    if (strncasecmp(text_of(&connection->url), "http://", 7) != 0 &&
        strncasecmp(text_of(&connection->url), "https://", 8) != 0) {
        fprintf(stderr, "florin: the address must begin with http:// or https://, not %s.\n", url);
        return false;
    }
    size_t size = strlen(text_of(&connection->url));
    while (size > 0 && connection->url.bytes[size - 1] == '/')
        connection->url.bytes[--size] = '\0';
    return true;
}

static size_t connection_take_body(char *bytes, size_t size, size_t count, void *context) {
    struct client_connection *connection = context;
    size_t total = size * count;
    if (connection->body.size + total > CONNECTION_ANSWER_BYTES_MAX)
        return 0; // libcurl ends the transfer; no answer of Florin is that large
    buffer_add(&connection->body, bytes, total);
    return total;
}

// The value of a header line when it has that name, else an empty slice.
static struct slice header_value(struct slice line, const char *name) {
    size_t size = strlen(name);
    if (line.size <= size || line.bytes[size] != ':' ||
        strncasecmp((const char *)line.bytes, name, size) != 0)
        return (struct slice){0};
    size_t at = size + 1;
    size_t end = line.size;
    while (at < end && (line.bytes[at] == ' ' || line.bytes[at] == '\t'))
        at++;
    while (end > at && line.bytes[end - 1] <= ' ')
        end--;
    return slice_of(line.bytes + at, end - at);
}

static size_t connection_take_header(char *bytes, size_t size, size_t count, void *context) {
    struct client_connection *connection = context;
    struct slice line = slice_of(bytes, size * count);
    if (slice_equal(header_value(line, "Idempotent-Replayed"), SLICE("true")))
        connection->replayed = true;
    struct slice seconds = header_value(line, "Retry-After");
    uint32_t value = 0;
    for (size_t at = 0; at < seconds.size && value < 100000; at++) {
        if (seconds.bytes[at] < '0' || seconds.bytes[at] > '9')
            return line.size; // a date: the caller's own patience does as well
        value = value * 10 + (uint32_t)(seconds.bytes[at] - '0');
    }
    if (seconds.size != 0)
        connection->retry_after_s = value;
    return line.size;
}

#define CURL_SET(curl, option, value) CHECK(curl_easy_setopt((curl), (option), (value)) == CURLE_OK)

static void connection_set_up(struct client_connection *connection) {
    CURL *curl = connection->curl;
    CURL_SET(curl, CURLOPT_NOSIGNAL, 1L);
    CURL_SET(curl, CURLOPT_ERRORBUFFER, connection->trouble);
    CURL_SET(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    CURL_SET(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    CURL_SET(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECTION_CONNECT_TIMEOUT_MS);
    CURL_SET(curl, CURLOPT_TCP_NODELAY, 1L);
    CURL_SET(curl, CURLOPT_TCP_KEEPALIVE, 1L); // a server that is gone is noticed
    CURL_SET(curl, CURLOPT_BUFFERSIZE, 512L * 1024);
    CURL_SET(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    CURL_SET(curl, CURLOPT_WRITEFUNCTION, connection_take_body);
    CURL_SET(curl, CURLOPT_WRITEDATA, connection);
    CURL_SET(curl, CURLOPT_HEADERFUNCTION, connection_take_header);
    CURL_SET(curl, CURLOPT_HEADERDATA, connection);
}

bool client_connection_open(const struct client_options *options,
                            struct client_connection **ret_connection) {
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    struct client_connection *connection = memory_take_zeroed(sizeof(*connection));
    connection->curl = curl_easy_init();
    CHECK(connection->curl != NULL);
    if (!key_find(connection, options) || !url_find(connection, options)) {
        client_connection_close(connection);
        return false;
    }
    connection_set_up(connection);
    *ret_connection = connection;
    return true;
}

void client_connection_close(struct client_connection *connection) {
    if (connection == NULL)
        return;
    curl_easy_cleanup(connection->curl);
    buffer_done(&connection->url);
    buffer_done(&connection->key);
    buffer_done(&connection->full_url);
    buffer_done(&connection->header);
    buffer_done(&connection->body);
    memory_free(connection);
    curl_global_cleanup();
}

static struct curl_slist *header_add(struct client_connection *connection, struct curl_slist *list,
                                     const char *name, const char *before, const char *value,
                                     const char *after) {
    buffer_reset(&connection->header);
    buffer_add_format(&connection->header, "%s: %s%s%s", name, before, value, after);
    BUFFER_ADD(&connection->header, "\0");
    struct curl_slist *longer = curl_slist_append(list, text_of(&connection->header));
    CHECK(longer != NULL); // only without memory
    return longer;
}

static struct curl_slist *connection_headers(struct client_connection *connection,
                                             const struct client_request *request) {
    struct curl_slist *list = header_add(connection, NULL, "Accept", "application/json", "", "");
    // Without this line libcurl would ask first whether a large body is welcome, and wait.
    list = header_add(connection, list, "Expect", "", "", "");
    if (connection->key.size > 1)
        list =
            header_add(connection, list, "Authorization", "Bearer ", text_of(&connection->key), "");
    if (request->body.size != 0)
        list = header_add(connection, list, "Content-Type", "application/json", "", "");
    if (request->idempotency_key != NULL)
        list = header_add(connection, list, "Idempotency-Key", "", request->idempotency_key, "");
    if (request->if_version != NULL)
        list = header_add(connection, list, "If-Match", "\"", request->if_version, "\"");
    if (request->prefer != NULL)
        list = header_add(connection, list, "Prefer", "", request->prefer, "");
    return list;
}

static enum client_reach reach_of(struct client_connection *connection, CURLcode code) {
    if (code == CURLE_OK)
        return CLIENT_ANSWERED;
    if (connection->trouble[0] == '\0')
        (void)snprintf(connection->trouble, sizeof(connection->trouble), "%s",
                       curl_easy_strerror(code));
    curl_off_t sent = 0;
    long request_bytes = 0;
    CHECK(curl_easy_getinfo(connection->curl, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK);
    CHECK(curl_easy_getinfo(connection->curl, CURLINFO_REQUEST_SIZE, &request_bytes) == CURLE_OK);
    return sent == 0 && request_bytes == 0 ? CLIENT_NOT_REACHED : CLIENT_LOST;
}

enum client_reach client_connection_send(struct client_connection *connection,
                                         const struct client_request *request,
                                         struct client_answer *ret_answer) {
    CHECK(request->path[0] == '/');
    CURL *curl = connection->curl;
    buffer_reset(&connection->full_url);
    buffer_add_format(&connection->full_url, "%s%s", text_of(&connection->url), request->path);
    BUFFER_ADD(&connection->full_url, "\0");
    buffer_reset(&connection->body);
    connection->replayed = false;
    connection->retry_after_s = 0;
    connection->trouble[0] = '\0';
    if (curl_easy_setopt(curl, CURLOPT_URL, text_of(&connection->full_url)) != CURLE_OK)
        return CLIENT_NOT_REACHED;
    if (strcmp(request->method, "GET") == 0) {
        CURL_SET(curl, CURLOPT_HTTPGET, 1L);
    } else {
        CURL_SET(curl, CURLOPT_POST, 1L);
        CURL_SET(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
        CURL_SET(curl, CURLOPT_POSTFIELDS,
                 request->body.size == 0 ? "" : (const char *)request->body.bytes);
    }
    CURL_SET(curl, CURLOPT_CUSTOMREQUEST, request->method);
    CURL_SET(curl, CURLOPT_TIMEOUT_MS, request->takes_long ? 0L : CONNECTION_ANSWER_TIMEOUT_MS);
    struct curl_slist *headers = connection_headers(connection, request);
    CURL_SET(curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(curl);
    CURL_SET(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    enum client_reach reach = reach_of(connection, code);
    if (reach != CLIENT_ANSWERED)
        return reach;
    long http = 0;
    CHECK(curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http) == CURLE_OK);
    memset(buffer_room(&connection->body, JSON_PADDING), 0, JSON_PADDING);
    *ret_answer = (struct client_answer){.http = (int)http,
                                         .body = buffer_slice(&connection->body),
                                         .replayed = connection->replayed,
                                         .retry_after_s = connection->retry_after_s};
    return CLIENT_ANSWERED;
}

const char *client_connection_url(const struct client_connection *connection) {
    return text_of(&connection->url);
}

const char *client_connection_key(const struct client_connection *connection) {
    return text_of(&connection->key);
}

const char *client_connection_key_source(const struct client_connection *connection) {
    return connection->key_source;
}

const char *client_connection_trouble(const struct client_connection *connection) {
    return connection->trouble;
}

void client_connection_complain(const struct client_connection *connection) {
    fprintf(stderr,
            "florin: no answer from %s: %s.\n"
            "Is the server running? Another address is set with --url or FLORIN_URL.\n",
            client_connection_url(connection), client_connection_trouble(connection));
}

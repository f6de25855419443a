// SPDX-License-Identifier: MIT
// Takes connection strings apart with libpq's own parser and puts them together again.
#include "engine/postgres/servers.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

// The part of a comma-separated list at a place; an empty list has one empty part.
static struct slice part_of(const char *list, uint32_t place) {
    if (list == NULL)
        return (struct slice){0};
    for (;;) {
        const char *end = strchrnul(list, ',');
        if (place-- == 0)
            return slice_of(list, (size_t)(end - list));
        if (*end == '\0')
            return (struct slice){0};
        list = end + 1;
    }
}

static uint32_t count_parts(const char *list) {
    if (list == NULL || *list == '\0')
        return 0;
    uint32_t count = 1;
    for (; *list != '\0'; list++)
        count += *list == ',';
    return count;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword) {
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    return NULL;
}

static void add_setting(struct buffer *buffer, const char *keyword, struct slice value) {
    buffer_add_format(buffer, "%s='", keyword);
    for (size_t i = 0; i < value.size; i++) {
        if (value.bytes[i] == '\'' || value.bytes[i] == '\\')
            BUFFER_ADD(buffer, "\\");
        buffer_add_slice(buffer, slice_of(&value.bytes[i], 1));
    }
    BUFFER_ADD(buffer, "' ");
}

static bool is_listed(const char *keyword) {
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 ||
           strcmp(keyword, "port") == 0;
}

// A single port is every host's.
static struct slice port_of(const PQconninfoOption *options, uint32_t place) {
    const char *ports = value_of(options, "port");
    return part_of(ports, count_parts(ports) == 1 ? 0 : place);
}

static char *make_url(const PQconninfoOption *options, uint32_t place, enum servers_wish wish) {
    struct buffer buffer = {0};
    for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
        if (option->val != NULL && !is_listed(option->keyword) &&
            strcmp(option->keyword, "target_session_attrs") != 0 &&
            strcmp(option->keyword, "load_balance_hosts") != 0)
            add_setting(&buffer, option->keyword, slice_of_text(option->val));
    struct slice host = part_of(value_of(options, "host"), place);
    struct slice address = part_of(value_of(options, "hostaddr"), place);
    struct slice port = port_of(options, place);
    if (host.size != 0)
        add_setting(&buffer, "host", host);
    if (address.size != 0)
        add_setting(&buffer, "hostaddr", address);
    if (port.size != 0)
        add_setting(&buffer, "port", port);
    add_setting(&buffer, "target_session_attrs",
                wish == SERVERS_PRIMARY ? SLICE("read-write") : SLICE("any"));
    char *url = memory_take(buffer.size + 1);
    memcpy(url, buffer.bytes, buffer.size);
    url[buffer.size] = '\0';
    buffer_done(&buffer);
    return url;
}

static void make_name(const PQconninfoOption *options, uint32_t place,
                      char ret_name[SERVER_NAME_MAX]) {
    struct slice host = part_of(value_of(options, "host"), place);
    struct slice port = port_of(options, place);
    if (host.size == 0)
        host = part_of(value_of(options, "hostaddr"), place);
    if (host.size == 0)
        host = SLICE("default");
    (void)snprintf(ret_name, SERVER_NAME_MAX, "%.*s%s%.*s", host.size < 50 ? (int)host.size : 50,
                   (const char *)host.bytes, port.size != 0 ? ":" : "",
                   port.size < 8 ? (int)port.size : 8,
                   port.size != 0 ? (const char *)port.bytes : "");
    for (char *c = ret_name; *c != '\0'; c++) // it stands in quotes in /metrics
        if (*c < ' ' || *c == '"' || *c == '\\')
            *c = '_';
}

enum status servers_parse(const char *url, enum servers_wish wish, struct servers *ret_servers,
                          char *ret_why, size_t why_bytes) {
    char *failure = NULL;
    *ret_servers = (struct servers){0};
    PQconninfoOption *options = PQconninfoParse(url, &failure);
    if (options == NULL) {
        (void)snprintf(ret_why, why_bytes, "The connection string cannot be understood: %s",
                       failure != NULL ? failure : "no memory");
        PQfreemem(failure);
        return STATUS_invalid_request;
    }
    uint32_t hosts = count_parts(value_of(options, "host"));
    uint32_t addresses = count_parts(value_of(options, "hostaddr"));
    uint32_t count = hosts > addresses ? hosts : addresses;
    uint32_t ports = count_parts(value_of(options, "port"));
    count = count == 0 ? 1 : count;
    enum status status = STATUS_ok;
    if (count > SERVERS_MAX || (hosts != 0 && addresses != 0 && hosts != addresses) ||
        (ports > 1 && ports != count)) {
        (void)snprintf(ret_why, why_bytes,
                       "The connection string must name at most %d hosts, and as many ports, or "
                       "one.",
                       SERVERS_MAX);
        status = STATUS_invalid_request;
    }
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++) {
        ret_servers->urls[i] = make_url(options, i, wish);
        make_name(options, i, ret_servers->names[i]);
        ret_servers->count++;
    }
    PQconninfoFree(options);
    return status;
}

void servers_done(struct servers *servers) {
    for (uint32_t i = 0; i < servers->count; i++)
        memory_free(servers->urls[i]);
    servers->count = 0;
}

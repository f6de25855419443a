// SPDX-License-Identifier: MIT
// Reads the endpoints of webhooks. Where events go is decided here alone, and nobody else can say
// it: no request, and no answer of an endpoint.
#include "programs/config/config_webhooks.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events/cloud_event.h"
#include "ledger/things.h"
#include "programs/config/config_number.h"
#include "programs/config/config_text.h"

#define SECRET_FILE_BYTES_MAX 1024
#define TIMEOUT_MS            15000
#define CONNECTIONS           4
#define RETRY_S_MAX           300
#define FAILING_AFTER_S       (3 * 24 * 3600)

enum member {
    NAME, URL, SECRET_FILE, EVENTS, OWNERS, KIND, TIMEOUT, AT_ONCE, RETRY, FAILING, CA_FILE,
    PLAIN, FROM, MEMBER_COUNT
};

static const struct {
    const char *name;
    const char *expected;
} members[MEMBER_COUNT] = {
    [NAME] = {"name", "must be 1 to 32 of a to z, 0 to 9 and -"},
    [URL] = {"url", "must be an https:// address of at most 1023 characters, without a user, "
                    "password or fragment"},
    [SECRET_FILE] = {"secret_file", "must be the path of a file"},
    [EVENTS] = {"events", "must be an array of at most 16 types of events, such as "
                          "\"florin.hold.opened\" or \"florin.transaction.*\""},
    [OWNERS] = {"owners", "must be an array of 1 to 8 owners of wallets"},
    [KIND] = {"wallet_kind", "must be customer or merchant"},
    [TIMEOUT] = {"timeout_ms", "must be an integer from 100 to 60000"},
    [AT_ONCE] = {"connections", "must be an integer from 1 to 16"},
    [RETRY] = {"retry_seconds", "must be an integer from 1 to 86400"},
    [FAILING] = {"failing_after_seconds", "must be an integer from 1 to 31622400"},
    [CA_FILE] = {"ca_file", "must be the path of a file"},
    [PLAIN] = {"allow_http", "must be true or false"},
    [FROM] = {"from", "must be \"now\" or \"beginning\""},
};

static bool read_name(struct json_value value, char *ret_name) {
    if (!config_text_read(value, ret_name, WEBHOOK_NAME_BYTES_MAX))
        return false;
    return strspn(ret_name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(ret_name);
}

// ---- addresses --------------------------------------------------------------------------------

static bool has_part(CURLU *url, CURLUPart part) {
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static bool part_is(CURLU *url, CURLUPart part, const char *const *words) {
    char *text = NULL;
    bool is_one = false;
    if (curl_url_get(url, part, &text, 0) == CURLUE_OK)
        for (; *words != NULL && !is_one; words++)
            is_one = strcmp(text, *words) == 0;
    curl_free(text);
    return is_one;
}

// NULL, or what is wrong with it. What goes unencrypted stays on this machine.
static const char *url_fault(const char *address, bool allows_plain) {
    static const char *const encrypted[] = {"https", NULL}, *const plain[] = {"http", NULL};
    static const char *const here[] = {"127.0.0.1", "localhost", "[::1]", NULL};
    const char *why = members[URL].expected;
    CURLU *url = curl_url();
    CHECK(url != NULL);
    if (curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK &&
        has_part(url, CURLUPART_HOST) && !has_part(url, CURLUPART_USER) &&
        !has_part(url, CURLUPART_PASSWORD) && !has_part(url, CURLUPART_FRAGMENT)) {
        bool is_safe = part_is(url, CURLUPART_SCHEME, encrypted);
        bool is_plain = part_is(url, CURLUPART_SCHEME, plain);
        if (is_safe || (is_plain && (allows_plain || part_is(url, CURLUPART_HOST, here))))
            why = NULL;
        else if (is_plain)
            why = "must be https://, or http:// on this machine; \"allow_http\": true lets events "
                  "go unencrypted all the same";
    }
    curl_url_cleanup(url);
    return why;
}

// ---- what is told -----------------------------------------------------------------------------

// A type that there is not would be waited for in vain.
static bool is_type(const char *pattern) {
    size_t size = strlen(pattern);
    bool is_open = size >= 2 && strcmp(pattern + size - 2, ".*") == 0;
    for (const char *const *type = cloud_event_types(); *type != NULL; type++)
        if (is_open ? strncmp(pattern, *type, size - 1) == 0 : strcmp(pattern, *type) == 0)
            return true;
    return false;
}

static bool read_types(struct json_value value, struct webhook_endpoint *endpoint) {
    struct json_value item;
    if (json_kind(value) != JSON_ARRAY)
        return false;
    struct json_cursor items = json_items(value);
    while (json_next_item(&items, &item)) {
        if (endpoint->type_count == WEBHOOK_TYPES_MAX)
            return false;
        char *type = endpoint->types[endpoint->type_count++];
        if (!config_text_read(item, type, WEBHOOK_TYPE_BYTES_MAX) || !is_type(type))
            return false;
    }
    return true;
}

static bool read_owners(struct json_value value, struct webhook_endpoint *endpoint) {
    struct json_value item;
    if (json_kind(value) != JSON_ARRAY)
        return false;
    struct json_cursor items = json_items(value);
    while (json_next_item(&items, &item)) {
        if (endpoint->owner_count == WEBHOOK_OWNERS_MAX ||
            !config_text_read(item, endpoint->owners[endpoint->owner_count],
                              sizeof(endpoint->owners[0]) - 1))
            return false;
        endpoint->owner_count++;
    }
    return endpoint->owner_count != 0;
}

static bool read_kind(struct json_value value, struct webhook_endpoint *endpoint) {
    struct slice word = json_kind(value) == JSON_TEXT ? json_text(value) : (struct slice){0};
    if (slice_equal(word, SLICE("customer")))
        endpoint->wallet_kind = WALLET_CUSTOMER;
    else if (slice_equal(word, SLICE("merchant")))
        endpoint->wallet_kind = WALLET_MERCHANT;
    return endpoint->wallet_kind >= 0;
}

static bool read_from(struct json_value value, struct webhook_endpoint *endpoint) {
    struct slice word = json_kind(value) == JSON_TEXT ? json_text(value) : (struct slice){0};
    endpoint->from_beginning = slice_equal(word, SLICE("beginning"));
    return endpoint->from_beginning || slice_equal(word, SLICE("now"));
}

// ---- one endpoint -----------------------------------------------------------------------------

static bool read_flag(struct json_value value, bool *ret_flag) {
    if (json_kind(value) != JSON_BOOL)
        return false;
    *ret_flag = json_bool(value);
    return true;
}

static bool read_member(enum member member, struct json_value value,
                        struct webhook_endpoint *endpoint, char *secret_file,
                        bool *ret_allows_plain) {
    switch (member) {
    case NAME: return read_name(value, endpoint->name);
    case URL: return config_text_read(value, endpoint->url, WEBHOOK_URL_BYTES_MAX);
    case SECRET_FILE:
        return config_text_read(value, secret_file, CONFIG_WEBHOOK_PATH_BYTES - 1);
    case EVENTS: return read_types(value, endpoint);
    case OWNERS: return read_owners(value, endpoint);
    case KIND: return read_kind(value, endpoint);
    case TIMEOUT: return config_number_read(value, 100, 60000, &endpoint->timeout_ms);
    case AT_ONCE:
        return config_number_read(value, 1, WEBHOOK_CONNECTIONS_MAX, &endpoint->connections);
    case RETRY: return config_number_read(value, 1, 86400, &endpoint->retry_s_max);
    case FAILING: return config_number_read(value, 1, 31622400, &endpoint->failing_after_s);
    case CA_FILE:
        return config_text_read(value, endpoint->ca_file, sizeof(endpoint->ca_file) - 1);
    case PLAIN: return read_flag(value, ret_allows_plain);
    case FROM: return read_from(value, endpoint);
    case MEMBER_COUNT: break;
    }
    UNREACHABLE("a member of an endpoint");
}

static enum member find_member(struct slice name) {
    unsigned member = 0;
    while (member < MEMBER_COUNT && !slice_equal(slice_of_text(members[member].name), name))
        member++;
    return (enum member)member;
}

// NULL, or what is wrong; `ret_member` is what it is about, or "".
static const char *read_endpoint(struct json_value value, struct webhook_endpoint *endpoint,
                                 char *secret_file, const char **ret_member) {
    bool seen[MEMBER_COUNT] = {false}, allows_plain = false;
    *endpoint = (struct webhook_endpoint){.wallet_kind = -1,
                                          .timeout_ms = TIMEOUT_MS,
                                          .connections = CONNECTIONS,
                                          .retry_s_max = RETRY_S_MAX,
                                          .failing_after_s = FAILING_AFTER_S};
    *ret_member = "";
    if (json_kind(value) != JSON_OBJECT)
        return "must be an object with name and url";
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value item;
    while (json_next_member(&cursor, &name, &item)) {
        enum member member = find_member(name);
        if (slice_equal(name, SLICE("secret")))
            return "has a secret in the configuration; name its file as secret_file, or put it "
                   "into the environment";
        if (member == MEMBER_COUNT)
            return "knows only name, url, secret_file, events, owners, wallet_kind, timeout_ms, "
                   "connections, retry_seconds, failing_after_seconds, ca_file, allow_http and "
                   "from";
        *ret_member = members[member].name;
        if (seen[member])
            return "stands there twice";
        seen[member] = true;
        if (!read_member(member, item, endpoint, secret_file, &allows_plain))
            return members[member].expected;
    }
    *ret_member = "";
    if (!seen[NAME] || !seen[URL])
        return "needs name and url";
    *ret_member = "url";
    return url_fault(endpoint->url, allows_plain);
}

bool config_read_webhooks(struct json_value value, struct config_webhooks *ret_webhooks,
                          char *ret_why, size_t why_bytes) {
    struct json_value item;
    ret_webhooks->count = 0;
    if (json_kind(value) != JSON_ARRAY) {
        snprintf(ret_why, why_bytes, "webhooks must be an array of endpoints.");
        return false;
    }
    struct json_cursor items = json_items(value);
    while (json_next_item(&items, &item)) {
        uint32_t index = ret_webhooks->count;
        const char *member = "", *why = NULL;
        if (index == WEBHOOKS_MAX)
            why = "is one too many: there may be 16";
        else
            why = read_endpoint(item, &ret_webhooks->endpoints[index],
                                ret_webhooks->secret_files[index], &member);
        for (uint32_t i = 0; why == NULL && i < index; i++)
            if (strcmp(ret_webhooks->endpoints[i].name, ret_webhooks->endpoints[index].name) == 0)
                why = "has the name of an earlier one";
        if (why != NULL) {
            snprintf(ret_why, why_bytes, "webhooks: %s%sthe endpoint at index %u %s.", member,
                     member[0] != '\0' ? " of " : "", index, why);
            return false;
        }
        ret_webhooks->count++;
    }
    return true;
}

// ---- secrets ----------------------------------------------------------------------------------

void config_webhook_variable(const char *name,
                             char ret_variable[CONFIG_WEBHOOK_VARIABLE_BYTES]) {
    int size = snprintf(ret_variable, CONFIG_WEBHOOK_VARIABLE_BYTES, "FLORIN_WEBHOOK_SECRET_%s",
                        name);
    for (int i = 0; i < size; i++)
        if (ret_variable[i] == '-')
            ret_variable[i] = '_';
        else if (ret_variable[i] >= 'a' && ret_variable[i] <= 'z')
            ret_variable[i] = (char)(ret_variable[i] - 'a' + 'A');
}

// How many bytes; -1: `ret_why`.
static ssize_t read_file(const char *path, char text[SECRET_FILE_BYTES_MAX + 1], char *ret_why,
                         size_t why_bytes) {
    struct stat found;
    ssize_t size = -1;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0 || fstat(file, &found) != 0 ||
        (size = read(file, text, SECRET_FILE_BYTES_MAX + 1)) < 0) {
        (void)snprintf(ret_why, why_bytes, "%s cannot be read: %s.", path, strerror(errno));
    } else if (size > SECRET_FILE_BYTES_MAX) {
        (void)snprintf(ret_why, why_bytes, "%s is larger than %d bytes.", path,
                       SECRET_FILE_BYTES_MAX);
        size = -1;
    } else if ((found.st_mode & S_IRWXO) != 0) {
        (void)snprintf(ret_why, why_bytes,
                       "others may read the secret in %s. Take that from them: chmod 600 %s", path,
                       path);
        size = -1;
    }
    if (file >= 0)
        (void)close(file);
    return size;
}

bool config_webhook_secrets(const struct config_webhooks *webhooks, uint32_t index,
                            struct webhook_secrets *ret_secrets, char *ret_why,
                            size_t why_bytes) {
    char variable[CONFIG_WEBHOOK_VARIABLE_BYTES], text[SECRET_FILE_BYTES_MAX + 1];
    const char *path = webhooks->secret_files[index], *why = NULL;
    CHECK(index < webhooks->count);
    config_webhook_variable(webhooks->endpoints[index].name, variable);
    const char *value = path[0] != '\0' ? NULL : getenv(variable);
    if (path[0] == '\0' && value == NULL) {
        (void)snprintf(ret_why, why_bytes,
                       "webhooks: %s has no secret: name its file as secret_file, or set %s.",
                       webhooks->endpoints[index].name, variable);
        return false;
    }
    if (value != NULL) {
        if (webhook_secrets_parse(slice_of_text(value), ret_secrets, &why))
            return true;
        (void)snprintf(ret_why, why_bytes, "webhooks: %s: %s.", variable, why);
        return false;
    }
    char trouble[SECRET_FILE_BYTES_MAX];
    ssize_t size = read_file(path, text, trouble, sizeof(trouble));
    if (size < 0)
        (void)snprintf(ret_why, why_bytes, "webhooks: the secret of %s: %s",
                       webhooks->endpoints[index].name, trouble);
    bool is_read = size >= 0 &&
                   webhook_secrets_parse(slice_of(text, (size_t)size), ret_secrets, &why);
    explicit_bzero(text, sizeof(text));
    if (why != NULL)
        (void)snprintf(ret_why, why_bytes, "webhooks: %s: %s.", path, why);
    return is_read;
}

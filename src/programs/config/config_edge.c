// SPDX-License-Identifier: MIT
// Reads the settings of the edge.
#include "programs/config/config_edge.h"

#include <stdio.h>
#include <string.h>

#include "programs/config/config_text.h"

bool config_read_tls(struct json_value value, struct config_edge *edge, char *ret_why,
                     size_t why_bytes) {
    struct tls_files *files = &edge->tls;
    const struct {
        const char *name;
        char *place;
    } members[] = {{"certificate", files->certificate},
                   {"key", files->key},
                   {"client_authority", files->client_authority}};
    snprintf(ret_why, why_bytes,
             "tls must be an object of the paths `certificate` and `key`, and optionally "
             "`client_authority`.");
    if (json_kind(value) != JSON_OBJECT)
        return false;
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value item;
    while (json_next_member(&cursor, &name, &item)) {
        bool known = false;
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
            if (slice_equal(name, slice_of_text(members[i].name)))
                known = members[i].place[0] == '\0' &&
                        config_text_read(item, members[i].place, TLS_PATH_BYTES_MAX);
        if (!known)
            return false;
    }
    return files->certificate[0] != '\0' && files->key[0] != '\0';
}

bool config_read_proxies(struct json_value value, struct config_edge *edge, char *ret_why,
                         size_t why_bytes) {
    snprintf(ret_why, why_bytes,
             "trusted_proxies must be an array of at most %d networks such as \"10.0.0.0/8\" or "
             "\"::1/128\".",
             NETWORKS_MAX);
    if (json_kind(value) != JSON_ARRAY)
        return false;
    struct json_cursor cursor = json_items(value);
    struct json_value item;
    while (json_next_item(&cursor, &item)) {
        if (edge->trusted_proxy_count == NETWORKS_MAX || json_kind(item) != JSON_TEXT ||
            !network_parse(json_text(item), &edge->trusted_proxies[edge->trusted_proxy_count]))
            return false;
        edge->trusted_proxy_count++;
    }
    return true;
}

bool config_read_origins(struct json_value value, struct config_edge *edge, char *ret_why,
                         size_t why_bytes) {
    snprintf(ret_why, why_bytes,
             "cors_origins must be an array of at most %d origins such as "
             "\"https://shop.example\"; * is none.",
             CONFIG_ORIGINS_MAX);
    if (json_kind(value) != JSON_ARRAY)
        return false;
    struct json_cursor cursor = json_items(value);
    struct json_value item;
    while (json_next_item(&cursor, &item)) {
        if (edge->cors_origin_count == CONFIG_ORIGINS_MAX)
            return false;
        char *origin = edge->cors_origins[edge->cors_origin_count];
        if (!config_text_read(item, origin, CONFIG_ORIGIN_BYTES_MAX) ||
            (strncmp(origin, "https://", 8) != 0 && strncmp(origin, "http://", 7) != 0) ||
            strchr(strstr(origin, "://") + 3, '/') != NULL || strchr(origin, '*') != NULL)
            return false;
        edge->cors_origin_count++;
    }
    return true;
}

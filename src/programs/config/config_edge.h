// SPDX-License-Identifier: MIT
// Settings of the edge: `tls`, `trusted_proxies` and `cors_origins`. Each reads one JSON value.
// False: `ret_why` says in one sentence what is wrong.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/networks.h"
#include "base/json.h"
#include "http/tls.h"

#define CONFIG_ORIGINS_MAX       16
#define CONFIG_ORIGIN_BYTES_MAX  255

struct config_edge {
    struct tls_files tls; // an empty certificate: plain HTTP
    struct network trusted_proxies[NETWORKS_MAX];
    uint32_t trusted_proxy_count;
    char cors_origins[CONFIG_ORIGINS_MAX][CONFIG_ORIGIN_BYTES_MAX + 1];
    uint32_t cors_origin_count;
};

bool config_read_tls(struct json_value value, struct config_edge *edge, char *ret_why,
                     size_t why_bytes);
bool config_read_proxies(struct json_value value, struct config_edge *edge, char *ret_why,
                         size_t why_bytes);
bool config_read_origins(struct json_value value, struct config_edge *edge, char *ret_why,
                         size_t why_bytes);

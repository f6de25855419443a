// SPDX-License-Identifier: MIT
// Reads the list of shards.
#include "programs/config/config_shards.h"

#include <stdio.h>
#include <string.h>

static const char shape[] =
    "shards must be like [{\"name\": \"a\", \"url\": \"host=db1 dbname=florin user=florin\"}]: "
    "1 to 16, each name once, of up to 32 small letters, digits, - and _, beginning with a letter "
    "or digit; and \"replicas\", an array of up to 4 connection strings";

static bool take_text(struct json_value value, char *place, size_t bytes) {
    struct slice text = json_kind(value) == JSON_TEXT ? json_text(value) : SLICE("");
    if (text.size == 0 || text.size >= bytes || memchr(text.bytes, 0, text.size) != NULL)
        return false;
    memcpy(place, text.bytes, text.size);
    place[text.size] = '\0';
    return true;
}

static bool read_replicas(struct json_value value, struct config_shard *shard) {
    bool ok = json_kind(value) == JSON_ARRAY;
    if (!ok)
        return false;
    struct json_cursor items = json_items(value);
    struct json_value item;
    shard->replica_count = 0;
    while (ok && json_next_item(&items, &item)) {
        ok = shard->replica_count < SHARD_REPLICAS_MAX &&
             take_text(item, shard->replicas[shard->replica_count], sizeof(shard->replicas[0]));
        shard->replica_count += ok;
    }
    return ok;
}

static bool read_one(struct json_value value, struct config_shard *shard) {
    if (json_kind(value) != JSON_OBJECT)
        return false;
    struct json_cursor members = json_members(value);
    struct slice name;
    struct json_value member;
    bool ok = true;
    while (ok && json_next_member(&members, &name, &member)) {
        if (slice_equal(name, SLICE("url")))
            ok = take_text(member, shard->url, sizeof(shard->url));
        else if (slice_equal(name, SLICE("replicas")))
            ok = read_replicas(member, shard);
        else
            ok = slice_equal(name, SLICE("name")) &&
                 take_text(member, shard->name, sizeof(shard->name)) &&
                 shard_name_is_valid(slice_of_text(shard->name));
    }
    return ok && shard->name[0] != '\0' && shard->url[0] != '\0';
}

static bool is_new(const struct config_shards *shards, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(shards->items[i].name, shards->items[count].name) == 0 ||
            strcmp(shards->items[i].url, shards->items[count].url) == 0)
            return false;
    return true;
}

bool config_read_shards(struct json_value value, struct config_shards *ret_shards, char *ret_why,
                        size_t why_bytes) {
    bool ok = json_kind(value) == JSON_ARRAY;
    memset(ret_shards, 0, sizeof(*ret_shards));
    if (ok) {
        struct json_cursor items = json_items(value);
        struct json_value item;
        while (ok && json_next_item(&items, &item)) {
            uint32_t count = ret_shards->count;
            ok = count < SHARDS_MAX && read_one(item, &ret_shards->items[count]) &&
                 is_new(ret_shards, count);
            ret_shards->count += ok;
        }
    }
    ok = ok && ret_shards->count != 0;
    if (!ok)
        snprintf(ret_why, why_bytes, "%s.", shape);
    return ok;
}

void config_shard_places(const struct config_shards *shards,
                         struct shard_place ret_places[SHARDS_MAX]) {
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct config_shard *shard = &shards->items[i];
        ret_places[i] = (struct shard_place){
            .name = shard->name, .url = shard->url, .replica_count = shard->replica_count};
        for (uint32_t k = 0; k < shard->replica_count; k++)
            ret_places[i].replicas[k] = shard->replicas[k];
    }
}

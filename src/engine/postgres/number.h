// SPDX-License-Identifier: MIT
// One number orders everything in the database: the time of its round in milliseconds, shifted
// left, and counted up from there. So partitions by number are partitions by time, and whoever has
// an id, which holds time and count, knows the partition. A record's position is 8 x its number.
#pragma once
#include "base/id.h"

#define NUMBER_TIME_SHIFT 17
// What a round may have beyond the numbers of its millisecond before pruning by time would err; of
// books that moved in it is more (books.number_slack).
#define NUMBER_SLACK      (UINT64_C(1) << 24)
// A round on the shard with number n begins so far into its millisecond, so two shards make the
// same number only when one has made 8192 records in a millisecond. Nothing rests on it but the
// order in which lists over both are cut into pages.
#define NUMBER_SHARD_SHIFT 13
#define NUMBER_TIME_MAX   (UINT64_C(1) << 43)

// The smallest number of that time; saturates.
static inline uint64_t number_of_time(uint64_t time_ms) {
    return time_ms >= NUMBER_TIME_MAX ? INT64_MAX : time_ms << NUMBER_TIME_SHIFT;
}

// A bound above all numbers that are earlier than that time.
static inline uint64_t number_before_time(uint64_t time_ms, uint64_t slack) {
    return time_ms >= NUMBER_TIME_MAX ? INT64_MAX : number_of_time(time_ms) + slack;
}

// False when the id was not made with this key. Thread: any.
static inline bool number_of_id(const struct id_seal *seal, struct id id, uint64_t *ret_number) {
    uint64_t locator;
    if (id_is_zero(id) || id_time_ms(id) >= NUMBER_TIME_MAX || !id_open(seal, id, &locator))
        return false;
    *ret_number = number_of_time(id_time_ms(id)) + locator;
    return true;
}

// The locator of an id that is made now for the thing with that number.
static inline uint64_t number_locator(uint64_t number, uint64_t now_ms) {
    return number - number_of_time(now_ms);
}

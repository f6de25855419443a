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
// Of each millisecond the shard with number n has so many numbers, from n times as many on. A round
// has numbers without a gap, so for one that may have more records every fourth millisecond is left
// free: all numbers of that are one shard's alone, of the next such one the next shard's.
#define NUMBER_SHARD_SHIFT 13
#define NUMBER_SHARD_COUNT (UINT64_C(1) << NUMBER_SHARD_SHIFT)
#define NUMBER_WHOLE_EVERY 4
#define NUMBER_WHOLE_CYCLE (NUMBER_WHOLE_EVERY << (NUMBER_TIME_SHIFT - NUMBER_SHARD_SHIFT))
#define NUMBER_TIME_MAX   (UINT64_C(1) << 43)
// The number of the shard that made a record, out of the record's number: an expression that is C
// as well as SQL, so that both say the same. The first factor of each product is 1 or 0.
#define NUMBER_IS_WHOLE(number)                                                                    \
    ((((number) >> NUMBER_TIME_SHIFT) % NUMBER_WHOLE_EVERY) / (NUMBER_WHOLE_EVERY - 1))
#define NUMBER_SHARDS (NUMBER_WHOLE_CYCLE / NUMBER_WHOLE_EVERY)
#define NUMBER_SHARD(number)                                                                       \
    (NUMBER_IS_WHOLE(number) *                                                                     \
         ((((number) >> NUMBER_TIME_SHIFT) / NUMBER_WHOLE_EVERY) % NUMBER_SHARDS) +                \
     (1 - NUMBER_IS_WHOLE(number)) * (((number) >> NUMBER_SHARD_SHIFT) % NUMBER_SHARDS))
#define NUMBER_TEXT(expression)     NUMBER_TEXT_OF(expression)
#define NUMBER_TEXT_OF(expression)  #expression
// `column` is of type bigint, and so is the expression.
#define NUMBER_SHARD_SQL(column)    NUMBER_TEXT(NUMBER_SHARD(column))

// The smallest number of that time; saturates.
static inline uint64_t number_of_time(uint64_t time_ms) {
    return time_ms >= NUMBER_TIME_MAX ? INT64_MAX : time_ms << NUMBER_TIME_SHIFT;
}

// A bound above all numbers that are earlier than that time.
static inline uint64_t number_before_time(uint64_t time_ms, uint64_t slack) {
    return time_ms >= NUMBER_TIME_MAX ? INT64_MAX : number_of_time(time_ms) + slack;
}

// The first number of the next millisecond from that one on of which that shard has all numbers.
static inline uint64_t number_of_whole(uint64_t ms, uint32_t shard) {
    uint64_t wanted = (uint64_t)shard * NUMBER_WHOLE_EVERY + NUMBER_WHOLE_EVERY - 1;
    return number_of_time(ms + (wanted - ms) % NUMBER_WHOLE_CYCLE);
}

// The time of a shard's round: none that is left free, but that of its numbers, so that what shards
// list by number stands in the order of its times.
static inline uint64_t number_round_time(uint64_t time_ms) {
    return time_ms + (time_ms % NUMBER_WHOLE_EVERY == NUMBER_WHOLE_EVERY - 1);
}

// Which shard made the record with that number: the inverse of number_of_round. Of books that moved
// in from the other engine it says nothing.
static inline uint32_t number_shard(uint64_t number) {
    return (uint32_t)NUMBER_SHARD(number);
}

// Where a shard's round at that time begins, behind `last`: with its own numbers of a millisecond,
// as soon as `count` of them are left, or with a millisecond that is its own.
static inline uint64_t number_of_round(uint64_t last, uint64_t time_ms, uint32_t shard,
                                       uint64_t count) {
    uint64_t last_ms = last >> NUMBER_TIME_SHIFT, ms = time_ms > last_ms ? time_ms : last_ms;
    if (count > NUMBER_SHARD_COUNT) {
        uint64_t first = number_of_whole(ms, shard);
        return first > last ? first : number_of_whole(ms + 1, shard);
    }
    uint64_t own = (uint64_t)shard << NUMBER_SHARD_SHIFT;
    ms = number_round_time(ms);
    uint64_t first = number_of_time(ms) + own;
    if (first > last)
        return first;
    if (last + 1 + count <= first + NUMBER_SHARD_COUNT)
        return last + 1;
    return number_of_time(number_round_time(ms + 1)) + own;
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

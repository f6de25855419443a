// SPDX-License-Identifier: MIT
// Clocks, and times as text. The calendar is computed with integers on years that begin in March,
// so that the leap day is the last of its year and needs no table of cases; formatting costs some
// ten nanoseconds without a cache, and parsing needs no locale.
#include "base/clock.h"

#include <time.h>

#include "base/check.h"
#include "base/limits.h"

#define CLOCK_SECOND_MS UINT64_C(1000)
#define CLOCK_DAY_S INT64_C(86400)

#define CLOCK_DAYS_OF_ERA 146097 // 400 years
#define CLOCK_DAYS_TO_1970 719468 // from 0000-03-01 to 1970-01-01

uint64_t clock_now_ms(void) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    CHECK(failed == 0);
    CHECK(now.tv_sec >= 0); // a clock set before 1970 would make ids that cannot be read back
    return (uint64_t)now.tv_sec * CLOCK_SECOND_MS + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_ns(void) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    CHECK(failed == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct clock_date {
    unsigned year;
    unsigned month; // 1 to 12
    unsigned day;   // 1 to 31
};

static struct clock_date clock_date_of_days(uint32_t days_since_1970) {
    uint32_t days = days_since_1970 + CLOCK_DAYS_TO_1970;
    uint32_t era = days / CLOCK_DAYS_OF_ERA;
    uint32_t day_of_era = days % CLOCK_DAYS_OF_ERA;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    struct clock_date date = {
        .year = era * 400 + year_of_era,
        .month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };
    date.year += date.month <= 2; // January and February belong to the year that began last March
    return date;
}

// Days since 1970; negative before. The date must exist.
static int64_t clock_days_of_date(struct clock_date date) {
    int64_t year = (int64_t)date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * CLOCK_DAYS_OF_ERA + day_of_era - CLOCK_DAYS_TO_1970;
}

static void clock_put_two(char *room, unsigned value) {
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    memcpy(room, pairs + (size_t)value * 2, 2);
}

void clock_format(uint64_t time_ms, char *ret_text) {
    CHECK(time_ms <= LIMIT_TIME_MS_MAX);
    uint64_t seconds = time_ms / CLOCK_SECOND_MS;
    unsigned ms = (unsigned)(time_ms % CLOCK_SECOND_MS);
    unsigned second_of_day = (unsigned)(seconds % (uint64_t)CLOCK_DAY_S);
    struct clock_date date = clock_date_of_days((uint32_t)(seconds / (uint64_t)CLOCK_DAY_S));
    memcpy(ret_text, "0000-00-00T00:00:00.000Z", CLOCK_TEXT_BYTES);
    clock_put_two(ret_text, date.year / 100);
    clock_put_two(ret_text + 2, date.year % 100);
    clock_put_two(ret_text + 5, date.month);
    clock_put_two(ret_text + 8, date.day);
    clock_put_two(ret_text + 11, second_of_day / 3600);
    clock_put_two(ret_text + 14, second_of_day / 60 % 60);
    clock_put_two(ret_text + 17, second_of_day % 60);
    ret_text[20] = (char)('0' + ms / 100);
    clock_put_two(ret_text + 21, ms % 100);
}

// What is left of a text that is being read.
struct clock_reader {
    const uint8_t *at;
    const uint8_t *end;
};

static bool clock_take_digits(struct clock_reader *reader, int count, unsigned *ret_value) {
    if (reader->end - reader->at < count)
        return false;
    unsigned value = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned)reader->at[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    reader->at += count;
    *ret_value = value;
    return true;
}

// Upper and lower case of letters are the same to RFC 3339.
static bool clock_take_sign(struct clock_reader *reader, char upper, char lower) {
    if (reader->at == reader->end)
        return false;
    if (*reader->at != (uint8_t)upper && *reader->at != (uint8_t)lower)
        return false;
    reader->at++;
    return true;
}

static unsigned clock_days_of_month(unsigned year, unsigned month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (unsigned)(month == 2 && leap);
}

static bool clock_take_date(struct clock_reader *reader, struct clock_date *ret_date) {
    struct clock_date date;
    if (!clock_take_digits(reader, 4, &date.year) || !clock_take_sign(reader, '-', '-') ||
        !clock_take_digits(reader, 2, &date.month) || !clock_take_sign(reader, '-', '-') ||
        !clock_take_digits(reader, 2, &date.day))
        return false;
    if (date.month < 1 || date.month > 12)
        return false;
    if (date.day < 1 || date.day > clock_days_of_month(date.year, date.month))
        return false;
    *ret_date = date;
    return true;
}

// "." and at least one digit; digits beyond the third are cut. Without a "." there are no
// milliseconds.
static bool clock_take_fraction(struct clock_reader *reader, unsigned *ret_ms) {
    unsigned ms = 0;
    if (clock_take_sign(reader, '.', '.')) {
        unsigned weight = 100;
        unsigned digit;
        if (!clock_take_digits(reader, 1, &digit))
            return false;
        do {
            ms += digit * weight;
            weight /= 10;
        } while (clock_take_digits(reader, 1, &digit));
    }
    *ret_ms = ms;
    return true;
}

// "Z", or how far local time is ahead of UTC.
static bool clock_take_zone(struct clock_reader *reader, int64_t *ret_ahead_s) {
    if (clock_take_sign(reader, 'Z', 'z')) {
        *ret_ahead_s = 0;
        return true;
    }
    bool behind = clock_take_sign(reader, '-', '-');
    if (!behind && !clock_take_sign(reader, '+', '+'))
        return false;
    unsigned hours;
    unsigned minutes;
    if (!clock_take_digits(reader, 2, &hours) || !clock_take_sign(reader, ':', ':') ||
        !clock_take_digits(reader, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    int64_t ahead_s = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *ret_ahead_s = behind ? -ahead_s : ahead_s;
    return true;
}

// The part after the date: how many milliseconds after its midnight in UTC.
static bool clock_take_time(struct clock_reader *reader, int64_t *ret_ms) {
    unsigned hour, minute, second, ms;
    int64_t ahead_s;
    if (!clock_take_sign(reader, 'T', 't') || !clock_take_digits(reader, 2, &hour) ||
        !clock_take_sign(reader, ':', ':') || !clock_take_digits(reader, 2, &minute) ||
        !clock_take_sign(reader, ':', ':') || !clock_take_digits(reader, 2, &second) ||
        !clock_take_fraction(reader, &ms) || !clock_take_zone(reader, &ahead_s))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    int64_t utc_s = (int64_t)hour * 3600 + (int64_t)minute * 60 + (int64_t)second - ahead_s;
    // A leap second is the last of a day in UTC; like the clock, it counts as the first of the
    // next.
    if (second == 60 && ((utc_s % CLOCK_DAY_S) + CLOCK_DAY_S) % CLOCK_DAY_S != 0)
        return false;
    *ret_ms = utc_s * (int64_t)CLOCK_SECOND_MS + ms;
    return true;
}

bool clock_parse(struct slice text, uint64_t *ret_time_ms) {
    struct clock_reader reader = {.at = text.bytes, .end = text.bytes + text.size};
    struct clock_date date;
    int64_t ms_of_day = 0;
    if (text.size == 0 || !clock_take_date(&reader, &date))
        return false;
    if (reader.at != reader.end && !clock_take_time(&reader, &ms_of_day))
        return false;
    if (reader.at != reader.end)
        return false;
    int64_t time_ms =
        clock_days_of_date(date) * CLOCK_DAY_S * (int64_t)CLOCK_SECOND_MS + ms_of_day;
    if (time_ms < 0 || (uint64_t)time_ms > LIMIT_TIME_MS_MAX)
        return false;
    *ret_time_ms = (uint64_t)time_ms;
    return true;
}

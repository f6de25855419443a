// SPDX-License-Identifier: MIT
// The thread that follows. Which of several nodes does is observed, as with the publisher of
// events: whoever sees the cursors stand still for long takes them over. Two at once tell
// things twice for a moment, and miss nothing.
#include "watch/pattern_watch.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "base/thread.h"
#include "watch/pattern_feeds.h"

#define IDLE_NS      UINT64_C(100000000)
#define RETRY_NS     UINT64_C(500000000)
#define LOOK_NS      UINT64_C(2000000000)
#define LEASE_NS     UINT64_C(180000000000) // cursors that stand still so long are free
#define WARM_MS      (UINT64_C(86400) * 1000)
#define BEHIND_MS    (2 * WARM_MS)
#define FOUND_MAX    256 // between two looks at what was found
#define MOVE_NS      UINT64_C(30000000000) // between two moves of the cursors

struct pattern_watch {
    struct engine *engine;
    struct pattern_setting settings[PATTERN_COUNT];
    struct patterns *patterns; // owned; anew with each claim
    bool alone;
    enum pattern_told (*tell)(void *context, struct engine_wait *wait,
                              const struct pattern_finding *finding);
    void *context;
    pthread_t thread;
    struct signal_gate stop;
    struct engine_wait wait;
    struct pattern_feeds feeds;
    uint64_t warm_until_ms; // what is found before is not told; 0: not known yet
    uint64_t moved_ns;
    uint64_t now_ms; // of the newest record
    struct pattern_finding *found; // owned, FOUND_MAX
    uint32_t found_count;

    pthread_mutex_t lock; // of what follows
    struct pattern_watch_stats stats;
    struct pattern_setting wanted[PATTERN_COUNT];
    bool is_off, is_new; // nobody is to look; `wanted` was not taken up yet
};

static bool is_stopping(const struct pattern_watch *watch) {
    return signal_gate_sequence(&watch->stop) != 0;
}

static void pause_ns(struct pattern_watch *watch, uint64_t ns) {
    (void)signal_gate_wait(&watch->stop, 1, ns);
}

static void note(struct pattern_watch *watch, bool is_watching) {
    uint64_t position, end;
    pattern_feeds_stand(&watch->feeds, &position, &end);
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    watch->stats.position = position;
    watch->stats.end = end;
    watch->stats.is_watching = is_watching;
    watch->stats.turns += is_watching;
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
}

static void note_idle(struct pattern_watch *watch) {
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    watch->stats.is_watching = false;
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
}

// ---- findings -----------------------------------------------------------------------------------

static void take_found(void *context, const struct pattern_finding *finding) {
    struct pattern_watch *watch = context;
    if (watch->now_ms < watch->warm_until_ms || watch->found_count == FOUND_MAX)
        return;
    watch->found[watch->found_count++] = *finding;
}

struct digest128 pattern_digest(const struct pattern_finding *finding, uint64_t seed) {
    CHECK(finding->transaction_count != 0);
    const struct id *last = &finding->transactions[finding->transaction_count - 1];
    struct slice parts[] = {SLICE("florin pattern"), slice_of_text(pattern_name(finding->pattern)),
                            slice_of(&finding->wallet, sizeof(finding->wallet)),
                            slice_of(last, sizeof(*last))};
    return hash128_parts(parts, 4, seed);
}

// Until it is told, or the house is taken down.
static bool tell_finding(struct pattern_watch *watch, const struct pattern_finding *finding) {
    enum pattern_told told;
    while ((told = watch->tell(watch->context, &watch->wait, finding)) == PATTERN_TELL_LATER) {
        if (is_stopping(watch))
            return false;
        pause_ns(watch, RETRY_NS);
    }
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    watch->stats.findings[finding->pattern] += told == PATTERN_TOLD;
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
    return true;
}

// ---- the feed -----------------------------------------------------------------------------------

// What is at hand and comes next, until enough was found to be told. Whether there was any.
static bool take_records(struct pattern_watch *watch) {
    struct pattern_feed *feed;
    bool any = false;
    watch->found_count = 0;
    while (watch->found_count <= FOUND_MAX / 2 && !is_stopping(watch) &&
           (feed = pattern_feeds_next(&watch->feeds)) != NULL) {
        struct record record;
        const char *why;
        if (watch->warm_until_ms == 0) {
            uint64_t complete_ms = pattern_feeds_complete_ms(&watch->feeds);
            watch->warm_until_ms = complete_ms == 0 ? 1 : complete_ms + WARM_MS;
        }
        enum status status = record_decode(pattern_feed_take(feed), &record, &why);
        CHECK(status == STATUS_ok); // it was when it was read
        watch->now_ms = record.time_ms > watch->now_ms ? record.time_ms : watch->now_ms;
        patterns_take(watch->patterns, &record);
        any = true;
    }
    return any;
}

static struct cursor_wish wish_of(const struct pattern_feed *feed) {
    return (struct cursor_wish){.cursor = {.kind = CURSOR_PATTERNS,
                                           .epoch = feed->cursor.epoch,
                                           .source = feed->cursor.source,
                                           .partitions = feed->cursor.partitions}};
}

// To where two days ago begin. False: another node holds it.
static bool move_cursor(const struct pattern_watch *watch, struct pattern_feed *feed) {
    struct cursor_wish wish = wish_of(feed);
    uint64_t behind_ms = watch->now_ms < BEHIND_MS ? 0 : watch->now_ms - BEHIND_MS;
    uint64_t to = pattern_feed_position_at(feed, behind_ms);
    if (to <= feed->cursor.next)
        return true;
    wish.from = feed->cursor.next;
    wish.cursor.next = to;
    enum status status = engine_wait_cursor(&feed->wait, COMMAND_CURSOR_MOVE, &wish, &feed->cursor);
    return status != STATUS_fenced && status != STATUS_out_of_place; // else again later
}

static bool move_cursors(struct pattern_watch *watch) {
    uint64_t now_ns = clock_monotonic_ns();
    bool ours = true;
    if (now_ns - watch->moved_ns < MOVE_NS)
        return true;
    watch->moved_ns = now_ns;
    for (uint32_t i = 0; i < watch->feeds.count; i++)
        ours = move_cursor(watch, &watch->feeds.items[i]) && ours;
    return ours;
}

// ---- what is looked for -------------------------------------------------------------------------

void pattern_watch_set(struct pattern_watch *watch, bool is_off,
                       const struct pattern_setting settings[PATTERN_COUNT]) {
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    memcpy(watch->wanted, settings, sizeof(watch->wanted));
    watch->is_off = is_off;
    watch->is_new = true;
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
}

// False: nothing.
static bool take_settings(struct pattern_watch *watch) {
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    bool is_off = watch->is_off, is_new = watch->is_new;
    memcpy(watch->settings, watch->wanted, sizeof(watch->settings));
    watch->is_new = false;
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
    if (is_new && watch->patterns != NULL)
        patterns_set(watch->patterns, watch->settings);
    return !is_off;
}

// False: another node is at it.
static bool follow(struct pattern_watch *watch) {
    bool any_read, any = false;
    enum status status = pattern_feeds_read(&watch->feeds, &any_read);
    while (take_records(watch)) {
        any = true;
        for (uint32_t i = 0; i < watch->found_count; i++)
            if (!tell_finding(watch, &watch->found[i]))
                return true;
    }
    bool goes_on = move_cursors(watch);
    note(watch, goes_on);
    if (status != STATUS_ok)
        pause_ns(watch, RETRY_NS);
    else if (!any_read && !any)
        pause_ns(watch, IDLE_NS);
    return goes_on;
}

// ---- who ----------------------------------------------------------------------------------------

// As the cursors of all feeds stand. False: not all can be asked.
static bool read_cursors(struct pattern_watch *watch, struct cursor ret_cursors[]) {
    const struct cursor_wish wish = {.cursor = {.kind = CURSOR_PATTERNS}};
    bool all = true;
    for (uint32_t i = 0; i < watch->feeds.count && all; i++)
        all = engine_wait_cursor(&watch->feeds.items[i].wait, COMMAND_READ_CURSOR, &wish,
                                 &ret_cursors[i]) == STATUS_ok;
    return all;
}

// Whether nobody else can be at it, by what they say.
static bool are_free(const struct pattern_watch *watch, const struct cursor cursors[]) {
    bool ours = true, nobodys = true;
    for (uint32_t i = 0; i < watch->feeds.count; i++) {
        uint64_t epoch = watch->feeds.items[i].cursor.epoch;
        ours = ours && epoch != 0 && cursors[i].epoch == epoch;
        nobodys = nobodys && cursors[i].epoch == 0;
    }
    return ours || nobodys;
}

// Waits until the cursors are free. False: the house is taken down.
static bool stand_by(struct pattern_watch *watch) {
    struct cursor seen[STANDING_PLACES_MAX] = {{0}};
    uint64_t since_ns = clock_monotonic_ns();
    while (!is_stopping(watch)) {
        struct cursor now[STANDING_PLACES_MAX] = {{0}};
        if (!take_settings(watch)) {
            note_idle(watch);
            since_ns = clock_monotonic_ns();
            pause_ns(watch, RETRY_NS);
            continue;
        }
        if (read_cursors(watch, now)) {
            if (watch->alone || are_free(watch, now) || clock_monotonic_ns() - since_ns > LEASE_NS)
                return true;
            for (uint32_t i = 0; i < watch->feeds.count; i++)
                if (now[i].epoch != seen[i].epoch || now[i].next != seen[i].next)
                    since_ns = clock_monotonic_ns();
            memcpy(seen, now, sizeof(seen));
            note_idle(watch);
        }
        pause_ns(watch, LOOK_NS);
    }
    return false;
}

static bool claim(struct pattern_watch *watch) {
    const struct cursor_wish wish = {.cursor = {.kind = CURSOR_PATTERNS}};
    for (uint32_t i = 0; i < watch->feeds.count; i++) {
        struct pattern_feed *feed = &watch->feeds.items[i];
        if (engine_wait_cursor(&feed->wait, COMMAND_CURSOR_CLAIM, &wish, &feed->cursor) !=
            STATUS_ok)
            return false;
    }
    patterns_close(watch->patterns);
    watch->patterns = patterns_open(watch->settings, take_found, watch);
    pattern_feeds_begin(&watch->feeds);
    watch->warm_until_ms = watch->now_ms = 0;
    return true;
}

static void *watch_main(void *context) {
    struct pattern_watch *watch = context;
    while (stand_by(watch)) {
        if (!claim(watch)) {
            pause_ns(watch, RETRY_NS);
            continue;
        }
        bool ours = true;
        while (ours && !is_stopping(watch) && take_settings(watch))
            ours = follow(watch);
        watch->alone = watch->alone && ours;
    }
    return NULL;
}

struct pattern_watch *pattern_watch_open(const struct pattern_watch_options *options) {
    struct pattern_watch *watch = memory_take_zeroed(sizeof(*watch));
    watch->engine = options->engine;
    watch->alone = options->alone;
    watch->tell = options->tell;
    watch->context = options->context;
    memcpy(watch->wanted, options->settings, sizeof(watch->wanted));
    watch->is_off = options->is_off;
    watch->found = memory_take_zeroed(FOUND_MAX * sizeof(*watch->found));
    signal_gate_init(&watch->stop, 0, 0);
    engine_wait_init(&watch->wait, options->engine);
    pattern_feeds_open(&watch->feeds, options->engine);
    CHECK(pthread_mutex_init(&watch->lock, NULL) == 0);
    thread_start(&watch->thread, "patterns", watch_main, watch);
    return watch;
}

void pattern_watch_stats(struct pattern_watch *watch, struct pattern_watch_stats *ret_stats) {
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    *ret_stats = watch->stats;
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
}

void pattern_watch_close(struct pattern_watch *watch) {
    if (watch == NULL)
        return;
    signal_gate_publish(&watch->stop, 1);
    CHECK(pthread_join(watch->thread, NULL) == 0);
    engine_wait_done(&watch->wait);
    pattern_feeds_close(&watch->feeds);
    patterns_close(watch->patterns);
    pthread_mutex_destroy(&watch->lock);
    memory_free(watch->found);
    memory_free(watch);
}

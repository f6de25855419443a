// SPDX-License-Identifier: MIT
// The thread that follows. Which of several nodes does is observed, as with the publisher of
// events: whoever sees the cursor stand still for long takes it over. Two at once tell
// things twice for a moment, and miss nothing.
#include "watch/pattern_watch.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "base/thread.h"

#define CHUNK_BYTES  (UINT64_C(1) << 20) // of the feed, between two looks at what was found
#define IDLE_NS      UINT64_C(100000000)
#define RETRY_NS     UINT64_C(500000000)
#define LOOK_NS      UINT64_C(2000000000)
#define LEASE_NS     UINT64_C(180000000000) // a cursor that stands still so long is free
#define WARM_MS      (UINT64_C(86400) * 1000)
#define BEHIND_MS    (2 * WARM_MS)
#define MARK_MS      60000 // between two marks
#define MARKS        4096
#define FOUND_MAX    256 // of a chunk
#define MOVE_NS      UINT64_C(30000000000) // between two moves of the cursor

// Where the feed was at a time.
struct mark {
    uint64_t at_ms, position;
};

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
    struct cursor cursor; // as we hold it
    uint64_t read;        // the next record
    uint64_t warm_until_ms; // what is found before is not told; 0: not known yet
    uint64_t moved_ns;
    struct mark marks[MARKS]; // a ring
    uint64_t mark_first, mark_count;
    uint64_t now_ms; // of the last record
    struct pattern_finding *found; // owned, FOUND_MAX
    uint32_t found_count;
    bool is_full; // the chunk ends here

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

// `end`: where the feed ended when it was read; all of it was, or up to watch->read.
static void note(struct pattern_watch *watch, bool is_watching, uint64_t end, bool is_all) {
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    watch->stats.position = is_all ? end : watch->read;
    watch->stats.end = end;
    watch->stats.is_watching = is_watching;
    watch->stats.turns += is_watching;
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
}

// ---- findings -----------------------------------------------------------------------------------

static void take_found(void *context, const struct pattern_finding *finding) {
    struct pattern_watch *watch = context;
    if (watch->now_ms < watch->warm_until_ms || watch->found_count == FOUND_MAX)
        return;
    watch->found[watch->found_count++] = *finding;
    watch->is_full = watch->found_count > FOUND_MAX / 2;
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

static void mark(struct pattern_watch *watch, uint64_t at_ms, uint64_t position) {
    struct mark *last = watch->mark_count == 0
                            ? NULL
                            : &watch->marks[(watch->mark_first + watch->mark_count - 1) % MARKS];
    if (last != NULL && at_ms < last->at_ms + MARK_MS)
        return;
    if (watch->mark_count == MARKS) {
        watch->mark_first++;
        watch->mark_count--;
    }
    watch->marks[(watch->mark_first + watch->mark_count++) % MARKS] =
        (struct mark){.at_ms = at_ms, .position = position};
}

static bool take_record(void *context, const struct feed_record *found) {
    struct pattern_watch *watch = context;
    struct record record;
    const char *why;
    if (record_decode(found->bytes, &record, &why) != STATUS_ok)
        return false; // the recount tells of damage
    if (watch->warm_until_ms == 0)
        watch->warm_until_ms = watch->cursor.next == 0 ? 1 : record.time_ms + WARM_MS;
    watch->now_ms = record.time_ms;
    mark(watch, record.time_ms, found->position);
    patterns_take(watch->patterns, &record);
    watch->read = found->next;
    return !watch->is_full && !is_stopping(watch);
}

static struct cursor_wish wish_of(const struct pattern_watch *watch) {
    return (struct cursor_wish){.cursor = {.kind = CURSOR_PATTERNS,
                                           .epoch = watch->cursor.epoch,
                                           .source = watch->cursor.source,
                                           .partitions = watch->cursor.partitions}};
}

// To where two days ago begin. False: another node holds it.
static bool move_cursor(struct pattern_watch *watch) {
    struct cursor_wish wish = wish_of(watch);
    uint64_t to = watch->cursor.next, now_ns = clock_monotonic_ns();
    if (now_ns - watch->moved_ns < MOVE_NS)
        return true;
    watch->moved_ns = now_ns;
    while (watch->mark_count > 1 &&
           watch->marks[(watch->mark_first + 1) % MARKS].at_ms + BEHIND_MS <= watch->now_ms) {
        watch->mark_first++;
        watch->mark_count--;
    }
    if (watch->mark_count != 0 &&
        watch->marks[watch->mark_first % MARKS].at_ms + BEHIND_MS <= watch->now_ms)
        to = watch->marks[watch->mark_first % MARKS].position;
    if (to <= watch->cursor.next)
        return true;
    wish.from = watch->cursor.next;
    wish.cursor.next = to;
    enum status status =
        engine_wait_cursor(&watch->wait, COMMAND_CURSOR_MOVE, &wish, &watch->cursor);
    return status != STATUS_fenced && status != STATUS_out_of_place; // else again later
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
    uint64_t before = watch->read, next;
    uint64_t end = watch->engine->port->published_end(watch->engine);
    watch->found_count = 0;
    watch->is_full = false;
    enum status status = watch->engine->port->feed(watch->engine, watch->read, CHUNK_BYTES,
                                                   take_record, watch, &next);
    for (uint32_t i = 0; i < watch->found_count; i++)
        if (!tell_finding(watch, &watch->found[i]))
            return true;
    bool goes_on = move_cursor(watch);
    note(watch, goes_on, end, status == STATUS_ok && watch->read == before);
    if (status != STATUS_ok)
        pause_ns(watch, RETRY_NS);
    else if (watch->read == before)
        pause_ns(watch, IDLE_NS);
    return goes_on;
}

// ---- who ----------------------------------------------------------------------------------------

// Waits until the cursor is free. False: the house is taken down.
static bool stand_by(struct pattern_watch *watch) {
    struct cursor seen = {0};
    uint64_t since_ns = clock_monotonic_ns();
    while (!is_stopping(watch)) {
        const struct cursor_wish wish = {.cursor = {.kind = CURSOR_PATTERNS}};
        struct cursor now;
        if (!take_settings(watch)) {
            note(watch, false, watch->stats.end, false);
            since_ns = clock_monotonic_ns();
            pause_ns(watch, RETRY_NS);
            continue;
        }
        if (engine_wait_cursor(&watch->wait, COMMAND_READ_CURSOR, &wish, &now) == STATUS_ok) {
            bool is_ours = watch->cursor.epoch != 0 && now.epoch == watch->cursor.epoch;
            bool is_free = now.epoch == 0 || clock_monotonic_ns() - since_ns > LEASE_NS;
            if (watch->alone || is_ours || is_free)
                return true;
            if (now.epoch != seen.epoch || now.next != seen.next)
                since_ns = clock_monotonic_ns();
            seen = now;
            note(watch, false, watch->stats.end, false);
        }
        pause_ns(watch, LOOK_NS);
    }
    return false;
}

static bool claim(struct pattern_watch *watch) {
    const struct cursor_wish wish = {.cursor = {.kind = CURSOR_PATTERNS}};
    if (engine_wait_cursor(&watch->wait, COMMAND_CURSOR_CLAIM, &wish, &watch->cursor) != STATUS_ok)
        return false;
    patterns_close(watch->patterns);
    watch->patterns = patterns_open(watch->settings, take_found, watch);
    watch->read = watch->cursor.next;
    watch->warm_until_ms = 0;
    watch->mark_first = watch->mark_count = 0;
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
    patterns_close(watch->patterns);
    pthread_mutex_destroy(&watch->lock);
    memory_free(watch->found);
    memory_free(watch);
}

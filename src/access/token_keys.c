// SPDX-License-Identifier: MIT
// One thread reads the keys of all issuers, one after the other; it sleeps on a condition between.
#include "access/token_keys.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/thread.h"

#define SECOND_NS      UINT64_C(1000000000)
#define FILE_LOOK_S    1   // how often a file is looked at
#define FAILED_RETRY_S 10  // how soon after a failure it is tried again
#define UNASKED_S_MIN  10  // between two readings that unknown keys ask for
#define CONNECT_MS_MAX 3000L
#define FETCH_MS_MAX   5000L
#define WHY_BYTES      256

struct source {
    const struct token_issuer *issuer;
    bool is_file;
    struct jwk_set *set;  // under the lock
    bool wanted;          // under the lock
    bool reading;         // under the lock
    uint64_t wanted_ns;   // when it was last wanted by a token; under the lock
    struct token_keys_state state; // under the lock
    uint64_t due_ns;      // the rest is the thread's
    bool failing;
    struct sha256 hash; // of what `set` was read from
    struct timespec changed; // of a file, when it was last read
    off_t size;
    ino_t inode;
};

struct token_keys {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool started, stopping;
    atomic_uint_least64_t generation;
    token_keys_tell tell;
    void *context;
    uint32_t source_count;
    struct source sources[TOKEN_ISSUERS_MAX];
};

static bool is_address(const char *keys) {
    return strncmp(keys, "https://", 8) == 0 || strncmp(keys, "http://", 7) == 0;
}

// ---- reading ----------------------------------------------------------------------------------

static bool read_file(const char *path, struct buffer *text, char *ret_why) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = -1;
    if (file >= 0) {
        do {
            size = read(file, buffer_room(text, 4096), 4096);
            text->size += size > 0 ? (size_t)size : 0;
        } while ((size > 0 && text->size <= JWK_SET_BYTES_MAX) || (size < 0 && errno == EINTR));
    }
    if (size < 0)
        snprintf(ret_why, WHY_BYTES, "It cannot be read: %s.", strerror(errno));
    if (file >= 0)
        close(file);
    return size >= 0;
}

static size_t take_bytes(char *bytes, size_t one, size_t count, void *context) {
    struct buffer *text = context;
    if (text->size + one * count > JWK_SET_BYTES_MAX)
        return 0; // ends the transfer
    buffer_add(text, bytes, one * count);
    return one * count;
}

// What is asked without encryption must be on this machine.
static bool is_safe_address(const char *address) {
    if (strncmp(address, "https://", 8) == 0)
        return true;
    char *host = NULL;
    CURLU *url = curl_url();
    bool is_here = url != NULL && curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK &&
                   curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                   (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0 ||
                    strcmp(host, "[::1]") == 0);
    curl_free(host);
    curl_url_cleanup(url);
    return is_here;
}

static bool fetch(const char *address, struct buffer *text, char *ret_why) {
    CURL *curl = curl_easy_init();
    CHECK(curl != NULL);
    long code = 0;
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS_MAX);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, FETCH_MS_MAX);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    CURLcode result = curl_easy_perform(curl);
    if (result == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    if (result == CURLE_WRITE_ERROR)
        snprintf(ret_why, WHY_BYTES, "It is larger than %d bytes.", JWK_SET_BYTES_MAX);
    else if (result != CURLE_OK)
        snprintf(ret_why, WHY_BYTES, "It cannot be fetched: %s.", curl_easy_strerror(result));
    else if (code != 200)
        snprintf(ret_why, WHY_BYTES, "It was answered with %ld%s.", code,
                 code / 100 == 3 ? ", and redirections are not followed" : "");
    curl_easy_cleanup(curl);
    return result == CURLE_OK && code == 200;
}

// Whether a file is another than when it was last read; what is gone counts as changed, so that
// reading it says so.
static bool file_changed(struct source *source) {
    struct stat now;
    if (stat(source->issuer->keys, &now) != 0)
        return true;
    bool same = now.st_mtim.tv_sec == source->changed.tv_sec &&
                now.st_mtim.tv_nsec == source->changed.tv_nsec && now.st_size == source->size &&
                now.st_ino == source->inode;
    source->changed = now.st_mtim;
    source->size = now.st_size;
    source->inode = now.st_ino;
    return !same;
}

static struct jwk_set *read_keys(struct source *source, struct sha256 *ret_hash,
                                 char ret_why[WHY_BYTES]) {
    struct buffer text = {0};
    struct jwk_set *set = NULL;
    const char *keys = source->issuer->keys;
    bool is_read = source->is_file ? read_file(keys, &text, ret_why) : fetch(keys, &text, ret_why);
    if (is_read)
        set = jwk_set_parse(buffer_slice(&text), ret_why, WHY_BYTES);
    if (set != NULL)
        *ret_hash = sha256_of(buffer_slice(&text));
    buffer_done(&text);
    return set;
}

// Reads and takes what was read; tells only when it begins to fail or works again.
static bool refresh(struct token_keys *keys, struct source *source, char ret_why[WHY_BYTES]) {
    struct sha256 hash = {{0}};
    struct jwk_set *set = read_keys(source, &hash, ret_why), *unused = set;
    bool is_read = set != NULL;
    CHECK(pthread_mutex_lock(&keys->lock) == 0);
    source->reading = false;
    // Tokens that were checked with the same keys stay checked.
    if (is_read && (source->set == NULL || memcmp(&hash, &source->hash, sizeof(hash)) != 0)) {
        unused = source->set;
        source->set = set;
        source->hash = hash;
        source->state.keys = jwk_set_count(set);
        atomic_fetch_add(&keys->generation, 1);
    }
    if (is_read)
        source->state.read_ns = clock_monotonic_ns();
    else
        source->state.failures++;
    CHECK(pthread_mutex_unlock(&keys->lock) == 0);
    jwk_set_release(unused);
    if (is_read == source->failing)
        keys->tell(keys->context, source->issuer, is_read ? NULL : ret_why);
    source->failing = !is_read;
    return is_read;
}

static void set_due(struct source *source, bool is_read) {
    uint64_t span_s = source->issuer->refresh_s;
    if (source->is_file)
        span_s = FILE_LOOK_S;
    else if (!is_read && span_s > FAILED_RETRY_S)
        span_s = FAILED_RETRY_S;
    source->due_ns = clock_monotonic_ns() + span_s * SECOND_NS;
}

// ---- the thread -------------------------------------------------------------------------------

static bool take_wish(struct token_keys *keys, struct source *source) {
    CHECK(pthread_mutex_lock(&keys->lock) == 0);
    bool wanted = source->wanted;
    source->wanted = false;
    source->reading = wanted;
    CHECK(pthread_mutex_unlock(&keys->lock) == 0);
    return wanted;
}

static void end_wish(struct token_keys *keys, struct source *source) {
    CHECK(pthread_mutex_lock(&keys->lock) == 0);
    source->reading = false;
    CHECK(pthread_mutex_unlock(&keys->lock) == 0);
}

static void look_at(struct token_keys *keys, struct source *source) {
    char why[WHY_BYTES] = "";
    bool wanted = take_wish(keys, source);
    if (!wanted && clock_monotonic_ns() < source->due_ns)
        return;
    // A file that stays as it is is not read for a wish either: nothing could come of it.
    bool is_as_it_was = source->is_file && !file_changed(source);
    bool is_read = is_as_it_was ? !source->failing : refresh(keys, source, why);
    if (is_as_it_was)
        end_wish(keys, source);
    set_due(source, is_read);
}

static uint64_t next_due_ns(const struct token_keys *keys) {
    uint64_t due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < keys->source_count; i++)
        if (keys->sources[i].due_ns < due_ns)
            due_ns = keys->sources[i].due_ns;
    return due_ns;
}

static bool is_wanted(const struct token_keys *keys) {
    for (uint32_t i = 0; i < keys->source_count; i++)
        if (keys->sources[i].wanted)
            return true;
    return false;
}

static void *thread_main(void *context) {
    struct token_keys *keys = context;
    for (;;) {
        uint64_t due_ns = next_due_ns(keys);
        struct timespec due = {.tv_sec = (time_t)(due_ns / SECOND_NS),
                               .tv_nsec = (long)(due_ns % SECOND_NS)};
        CHECK(pthread_mutex_lock(&keys->lock) == 0);
        int result = 0;
        while (!keys->stopping && !is_wanted(keys) && result != ETIMEDOUT)
            result = pthread_cond_timedwait(&keys->wake, &keys->lock, &due);
        bool stopping = keys->stopping;
        CHECK(pthread_mutex_unlock(&keys->lock) == 0);
        if (stopping)
            return NULL;
        for (uint32_t i = 0; i < keys->source_count; i++)
            look_at(keys, &keys->sources[i]);
    }
}

// ---- open, close, ask -------------------------------------------------------------------------

static enum status read_first(struct token_keys *keys, struct source *source, char *ret_why,
                              size_t why_bytes) {
    char why[WHY_BYTES] = "";
    if (!source->is_file && !is_safe_address(source->issuer->keys)) {
        snprintf(ret_why, why_bytes,
                 "The keys of %s: %s must be https://, or http:// on this machine.",
                 source->issuer->issuer, source->issuer->keys);
        return STATUS_invalid_request;
    }
    if (source->is_file)
        (void)file_changed(source); // remembers what it is
    bool is_read = refresh(keys, source, why);
    set_due(source, is_read);
    if (is_read || !source->is_file)
        return STATUS_ok;
    snprintf(ret_why, why_bytes, "The keys of %s in %s: %s", source->issuer->issuer,
             source->issuer->keys, why);
    return STATUS_invalid_request;
}

enum status token_keys_open(const struct token_issuer *issuers, uint32_t issuer_count,
                            token_keys_tell tell, void *context, char *ret_why, size_t why_bytes,
                            struct token_keys **ret_keys) {
    CHECK(issuer_count >= 1 && issuer_count <= TOKEN_ISSUERS_MAX);
    struct token_keys *keys = memory_take_zeroed(sizeof(*keys));
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&keys->wake, &attributes) == 0);
    CHECK(pthread_mutex_init(&keys->lock, NULL) == 0);
    pthread_condattr_destroy(&attributes);
    keys->tell = tell;
    keys->context = context;
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < issuer_count && status == STATUS_ok; i++) {
        struct source *source = &keys->sources[keys->source_count++];
        *source = (struct source){.issuer = &issuers[i], .is_file = !is_address(issuers[i].keys)};
        status = read_first(keys, source, ret_why, why_bytes);
    }
    if (status != STATUS_ok) {
        token_keys_close(keys);
        return status;
    }
    thread_start(&keys->thread, "token-keys", thread_main, keys);
    keys->started = true;
    *ret_keys = keys;
    return STATUS_ok;
}

void token_keys_close(struct token_keys *keys) {
    if (keys == NULL)
        return;
    if (keys->started) {
        CHECK(pthread_mutex_lock(&keys->lock) == 0);
        keys->stopping = true;
        CHECK(pthread_cond_signal(&keys->wake) == 0);
        CHECK(pthread_mutex_unlock(&keys->lock) == 0);
        CHECK(pthread_join(keys->thread, NULL) == 0);
    }
    for (uint32_t i = 0; i < keys->source_count; i++)
        jwk_set_release(keys->sources[i].set);
    CHECK(pthread_mutex_destroy(&keys->lock) == 0);
    CHECK(pthread_cond_destroy(&keys->wake) == 0);
    memory_free(keys);
}

struct jwk_set *token_keys_of(struct token_keys *keys, uint32_t issuer, uint64_t *ret_generation) {
    CHECK(issuer < keys->source_count);
    CHECK(pthread_mutex_lock(&keys->lock) == 0);
    struct jwk_set *set = keys->sources[issuer].set;
    if (set != NULL)
        jwk_set_hold(set);
    *ret_generation = atomic_load(&keys->generation);
    CHECK(pthread_mutex_unlock(&keys->lock) == 0);
    return set;
}

uint64_t token_keys_generation(const struct token_keys *keys) {
    return atomic_load_explicit(&keys->generation, memory_order_acquire);
}

bool token_keys_refresh(struct token_keys *keys, uint32_t issuer) {
    CHECK(issuer < keys->source_count);
    struct source *source = &keys->sources[issuer];
    uint64_t now_ns = clock_monotonic_ns();
    CHECK(pthread_mutex_lock(&keys->lock) == 0);
    bool is_new =
        source->wanted_ns == 0 || now_ns - source->wanted_ns >= UNASKED_S_MIN * SECOND_NS;
    if (is_new) {
        source->wanted = true;
        source->wanted_ns = now_ns;
        CHECK(pthread_cond_signal(&keys->wake) == 0);
    }
    bool is_on_its_way = source->wanted || source->reading;
    CHECK(pthread_mutex_unlock(&keys->lock) == 0);
    return is_on_its_way;
}

struct token_keys_state token_keys_state(struct token_keys *keys, uint32_t issuer) {
    CHECK(issuer < keys->source_count);
    CHECK(pthread_mutex_lock(&keys->lock) == 0);
    struct token_keys_state state = keys->sources[issuer].state;
    CHECK(pthread_mutex_unlock(&keys->lock) == 0);
    return state;
}

// SPDX-License-Identifier: MIT
// The operator's console over HTTP: where queued commands stand, what waits for a person, dead
// letters, and what is decided about them. Brokers are asked, so all of it is done by a reader
// thread. Every decision is in the audit twice: as what was asked at the door, and, of places that
// were moved, as a record of each slot that has the reason as its request's id.
#include "api/answers.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/requests.h"
#include "ledger/request.h"
#include "queue/console.h"

#define WHY_BYTES 512

static void refuse(struct job *job, enum status status, const char *why) {
    // What a broker or the books are too busy for is worth another try.
    bool is_busy = status_class(status) == STATUS_CLASS_BUSY;
    enum status shown = is_busy                      ? STATUS_busy
                        : status == STATUS_not_found ? STATUS_not_found
                                                     : STATUS_internal;
    buffer_reset(&job->body);
    problem_render_door(&job->body, shown, why[0] == '\0' ? NULL : why, PROBLEM_NO_OPERATION);
    job->http = status_http(shown);
    job->status = shown;
}

static void done(struct job *job) {
    job->http = 200;
    job->content_type = "application/json";
    job->status = STATUS_ok;
}

// ---- looking ----------------------------------------------------------------------------------

static void show_partition(struct job *job, const struct console_partition *found) {
    struct wire_queue_stop stops[WORKER_STOPS_MAX];
    for (uint32_t i = 0; i < found->stop_count; i++)
        stops[i] = (struct wire_queue_stop){.has_slot = found->stops[i].slot != LIMIT_SLOTS,
                                            .slot = found->stops[i].slot,
                                            .record = found->stops[i].record,
                                            .why = slice_of_text(found->stops[i].why)};
    struct wire_queue_partition shown = {
        .topic = found->topic->name,
        .principal = found->topic->principal,
        .state = console_state(&found->place),
        .partition = found->partition,
        .first = found->place.first,
        .last = found->place.last,
        .has_log = found->place.has_log,
        .log_begins = found->place.low,
        .log_ends = found->place.high,
        .stops = stops,
        .stop_count = found->stop_count,
    };
    wire_render_queue_partition(&job->body, &shown);
}

static void show_queue(struct job *job, const struct console *console) {
    struct console_partition *partitions;
    uint32_t count;
    char why[WHY_BYTES] = "";
    enum status status =
        console_partitions(console, &job->arena, &partitions, &count, why, sizeof(why));
    if (status != STATUS_ok) {
        refuse(job, status, why);
        return;
    }
    BUFFER_ADD(&job->body, "{\"partitions\":[");
    for (uint32_t i = 0; i < count; i++) {
        if (i != 0)
            BUFFER_ADD(&job->body, ",");
        show_partition(job, &partitions[i]);
    }
    BUFFER_ADD(&job->body, "]}");
    done(job);
}

static void show_letters(struct job *job, const struct console *console) {
    struct console_letter *letters;
    uint32_t count;
    char why[WHY_BYTES] = "";
    enum status status = console_letters(console, &job->arena, &letters, &count, why, sizeof(why));
    if (status != STATUS_ok) {
        refuse(job, status, why);
        return;
    }
    BUFFER_ADD(&job->body, "{\"items\":[");
    for (uint32_t i = 0; i < count; i++) {
        const struct wire_letter shown = {.partition = letters[i].partition,
                                          .offset = letters[i].offset,
                                          .time_ms = letters[i].time_ms,
                                          .reason = letters[i].reason,
                                          .topic = letters[i].topic,
                                          .from_partition = letters[i].from_partition,
                                          .from_offset = letters[i].from_offset,
                                          .principal = letters[i].principal,
                                          .key = letters[i].key,
                                          .value = letters[i].value,
                                          .repeats = letters[i].repeats};
        if (i != 0)
            BUFFER_ADD(&job->body, ",");
        wire_render_letter(&job->body, &shown);
    }
    BUFFER_ADD(&job->body, "]}");
    done(job);
}

// ---- deciding ---------------------------------------------------------------------------------

static void decide(struct job *job, const struct console *console) {
    uint32_t partition;
    uint64_t next = 0;
    char why[WHY_BYTES] = "";
    const struct command *asked = &job->command;
    const struct console_topic *topic = console_find(console, job->token, &partition);
    bool is_reset = job->operation->code == OPERATION_QUEUE_RESET;
    struct console_asker asker = {.who = job->origin, .key = console_key(job)};
    enum status status;
    if (topic == NULL) {
        refuse(job, STATUS_not_found, "There is no such partition; GET /v1/queue lists them.");
        return;
    }
    asker.who.request_id = asked->reason; // as florin queue keeps it
    if (is_reset) {
        status = console_reset(console, topic, partition, asked->name, &asker, &next,
                               &job->replayed, why, sizeof(why));
    } else {
        next = (uint64_t)asked->amount;
        status = console_skip(console, topic, partition, asked->amount, &asker, &job->replayed,
                              why, sizeof(why));
    }
    if (status == STATUS_ok) {
        wire_render_queue_decision(&job->body, topic->name, partition, next);
        done(job);
    } else if (status == STATUS_invalid_request || status == STATUS_out_of_place ||
               (status == STATUS_not_found && why[0] != '\0')) {
        jobs_refuse_field(job, is_reset ? SLICE("/to") : SLICE("/record"), slice_of_text(why));
    } else if (status == STATUS_idempotency_key_reused) {
        jobs_refuse_reused(job);
    } else {
        refuse(job, status, why);
    }
}

// "0-12": partition and offset among the letters.
static bool read_letter(struct slice token, int32_t *ret_partition, int64_t *ret_offset) {
    uint64_t numbers[2] = {0, 0};
    uint32_t which = 0, digits = 0;
    for (size_t i = 0; i < token.size; i++) {
        uint8_t byte = token.bytes[i];
        if (byte == '-' && which == 0 && digits != 0) {
            which = 1;
            digits = 0;
        } else if (byte >= '0' && byte <= '9' && digits < (which == 0 ? 4 : 18)) {
            numbers[which] = numbers[which] * 10 + (byte - '0');
            digits++;
        } else {
            return false;
        }
    }
    *ret_partition = (int32_t)numbers[0];
    *ret_offset = (int64_t)numbers[1];
    return which == 1 && digits != 0 && numbers[0] < KAFKA_PARTITIONS_MAX;
}

static void retry(struct job *job, const struct console *console) {
    int32_t partition;
    int64_t offset;
    const struct console_asker asker = {.who = job->origin, .key = console_key(job)};
    struct console_sent sent;
    char why[WHY_BYTES] = "There is no such letter; GET /v1/dead-letters lists them.";
    enum status status = STATUS_not_found;
    if (read_letter(job->token, &partition, &offset))
        status = console_retry(console, partition, offset, &asker, &sent, why, sizeof(why));
    if (status == STATUS_idempotency_key_reused) {
        jobs_refuse_reused(job);
    } else if (status != STATUS_ok) {
        refuse(job, status, why);
    } else {
        job->replayed = sent.is_replayed;
        wire_render_queue_decision(&job->body, sent.topic, (uint32_t)sent.partition,
                                   (uint64_t)sent.offset);
        done(job);
    }
}

void console_run(struct job *job) {
    const struct console *console = job->api->options.console;
    switch ((enum operation_code)job->operation->code) {
    case OPERATION_QUEUE_READ: show_queue(job, console); return;
    case OPERATION_LETTER_LIST: show_letters(job, console); return;
    case OPERATION_LETTER_RETRY: retry(job, console); return;
    default: decide(job, console); return;
    }
}

// False: he has been answered.
static bool read_body(struct asking *asking, struct job *job) {
    struct wire_context wire = asker_wire_context(asking, &job->arena);
    struct wire_faults faults;
    if (!asking->operation->is_write)
        return true;
    enum status status = wire_decode_fields(&wire, asking->operation, &asking->headers.wire,
                                            http_body(asking->request), &job->command, &faults);
    if (status == STATUS_ok)
        return true;
    answers_refuse_faults(asking, &faults);
    return false;
}

// The same operation on the same path with the same fields is the same request.
struct decision_key console_key(const struct job *job) {
    const struct command *asked = &job->command;
    const int64_t numbers[] = {asked->has_amount, asked->amount};
    const struct slice parts[] = {slice_of_text(job->operation->name), job->token, asked->name,
                                  asked->reason, slice_of(numbers, sizeof(numbers))};
    uint64_t low = hash128_parts(parts, sizeof(parts) / sizeof(parts[0]), 0).low;
    return (struct decision_key){
        .has_key = asked->has_key,
        .key = asked->key,
        .request = {.low = low, .high = request_textless(low)},
    };
}

void console_start(struct asking *asking, enum job_kind kind) {
    struct job *job = jobs_take(asking, kind);
    bool is_read = read_body(asking, job);
    job->token = arena_copy(&job->arena, asking->token);
    if (is_read && jobs_push(&asking->loop->api->lists, job))
        return;
    if (is_read)
        answers_refuse(asking, STATUS_busy, NULL);
    job->request = NULL;
    jobs_release(asking->loop, job);
}

void console_request(struct asking *asking) {
    if (asking->loop->api->options.console == NULL) {
        answers_refuse(asking, STATUS_not_found,
                       "This server has no queue: it runs without "
                       "--kafka.");
        return;
    }
    console_start(asking, JOB_QUEUE);
}

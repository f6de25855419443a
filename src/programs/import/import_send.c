// SPDX-License-Identifier: MIT
// A batch is tried until it is answered, the user has enough, or patience is at its end. Waits
// double from a tenth of a second to five seconds, so that a restarting server is neither flooded
// nor missed.
#include "programs/import/import_send.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "programs/client/client_json.h"
#include "programs/client/client_print.h"

#define SEND_WAIT_MS_MIN 100
#define SEND_WAIT_MS_MAX 5000
#define MS_PER_S 1000

// Which operations of the batch are in the body, in its order.
struct sent {
    uint32_t count;
    uint16_t operations[IMPORT_BATCH_OPERATIONS_MAX];
};

static struct slice operation_json(const struct import_batch *batch,
                                   const struct import_operation *operation, struct buffer *copy) {
    buffer_reset(copy);
    buffer_add(copy, batch->text.bytes + operation->begin, operation->end - operation->begin);
    BUFFER_ADD(copy, "}");
    return buffer_slice(copy);
}

// An operation that names what was refused a moment ago is refused without asking the server.
static void refuse_for_name(struct import_sender *sender, const struct import_batch *batch,
                            const struct import_operation *operation, uint32_t name) {
    struct buffer detail = {0};
    struct buffer copy = {0};
    buffer_add_format(&detail,
                      "It names what line %llu was to make, and that line was refused, or waits "
                      "for somebody to decide.",
                      (unsigned long long)import_names_line(sender->names, name));
    import_report_refuse(sender->report, operation->line, SLICE("unknown_name"),
                         buffer_slice(&detail), operation_json(batch, operation, &copy), true);
    if (operation->name != IMPORT_NO_NAME)
        import_names_set_refused(sender->names, operation->name);
    buffer_done(&detail);
    buffer_done(&copy);
}

static void build_body(struct import_sender *sender, const struct import_batch *batch,
                       struct sent *ret_sent) {
    struct buffer *body = &sender->body;
    buffer_reset(body);
    BUFFER_ADD(body, "{\"operations\":[");
    ret_sent->count = 0;
    for (uint32_t at = 0; at < batch->count; at++) {
        uint32_t name;
        size_t before = body->size;
        if (ret_sent->count > 0)
            BUFFER_ADD(body, ",");
        if (import_operation_add_to(batch, &batch->operations[at], sender->names, body, &name)) {
            ret_sent->operations[ret_sent->count++] = (uint16_t)at;
        } else {
            body->size = before;
            refuse_for_name(sender, batch, &batch->operations[at], name);
        }
    }
    BUFFER_ADD(body, "]}");
}

static void say(struct import_sender *sender, const char *what, uint64_t wait_ms) {
    client_progress_end(sender->progress);
    fprintf(stderr, "florin: %s; trying again in %llu.%llu s\n", what,
            (unsigned long long)(wait_ms / MS_PER_S), (unsigned long long)(wait_ms / 100 % 10));
}

// Sleeps unless the user interrupts.
static void pause_ms(const struct import_sender *sender, uint64_t wait_ms) {
    struct timespec left = {.tv_sec = (time_t)(wait_ms / MS_PER_S),
                            .tv_nsec = (long)(wait_ms % MS_PER_S * 1000000)};
    while (!*sender->is_interrupted && nanosleep(&left, &left) != 0)
        continue; // another signal than the user's
}

// A result that says nothing about the operation itself, only about the server's state.
static bool is_passing(int64_t http) {
    return http == 429 || http >= 500;
}

// Why the server takes nothing of this kind now: what people do about it differs.
static const char *why_not(struct slice code) {
    static const struct {
        const char *code, *why;
    } reasons[] = {
        {"payments_stopped", "payments are stopped, since the books differ (payments_stopped)"},
        {"rules_not_loaded", "the server's rules for payments do not load (rules_not_loaded)"},
        {"storage_full", "the server's disk is full"},
        {"rate_limited", "the server lets this key ask less often"},
        {"internal", "the server has made a mistake"},
    };
    for (size_t at = 0; at < sizeof(reasons) / sizeof(reasons[0]); at++)
        if (slice_equal(code, slice_of_text(reasons[at].code)))
            return reasons[at].why;
    return "the server is busy";
}

// Parses the answer. False: it says nothing final about at least one operation, so all are sent
// again.
static bool read_results(struct import_sender *sender, struct slice body,
                         uint32_t count, struct json_value *ret_results, const char **ret_why) {
    struct json_value document;
    if (!json_parse(sender->parser, body, &document, ret_why))
        return false;
    *ret_why = "the server's answer has another form than expected";
    if (!client_json_find(document, "results", ret_results) ||
        json_kind(*ret_results) != JSON_ARRAY || json_item_count(*ret_results) != count)
        return false;
    struct json_cursor cursor = json_items(*ret_results);
    struct json_value item;
    while (json_next_item(&cursor, &item)) {
        struct slice code = client_json_text(item, "code");
        if (code.size == 0)
            continue;
        *ret_why = why_not(code);
        if (is_passing(client_json_integer(item, "status", 0)))
            return false;
    }
    return true;
}

static void take_refused(struct import_sender *sender, const struct import_batch *batch,
                         const struct import_operation *operation, struct slice code,
                         struct slice detail) {
    struct buffer copy = {0};
    import_report_refuse(sender->report, operation->line, code, detail,
                         operation_json(batch, operation, &copy), true);
    buffer_done(&copy);
    if (operation->name != IMPORT_NO_NAME)
        import_names_set_refused(sender->names, operation->name);
}

// What somebody has to decide, a rule's finding or an approval, answers with its id and where it
// stands; once it was approved, with what it made.
static bool take_kept(struct import_sender *sender, const struct import_batch *batch,
                      const struct import_operation *operation, struct json_value item,
                      struct slice *ret_made) {
    struct slice status = client_json_text(item, "status");
    if (slice_equal(status, SLICE("pending"))) {
        sender->report->kept_count++;
        if (operation->name != IMPORT_NO_NAME)
            import_names_set_refused(sender->names, operation->name);
        return true;
    }
    static const char *const made[] = {"withdrawal", "hold", "transaction"};
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        *ret_made = client_json_text(item, made[i]);
        if (ret_made->size != 0)
            return false;
    }
    struct slice refusal = client_json_text(item, "refusal");
    struct buffer detail = {0};
    BUFFER_ADD(&detail, "It waited for somebody to decide, and nothing came of it: ");
    buffer_add_slice(&detail, client_json_text(item, "id"));
    BUFFER_ADD(&detail, " tells more.");
    take_refused(sender, batch, operation, refusal.size != 0 ? refusal : status,
                 buffer_slice(&detail));
    buffer_done(&detail);
    return true;
}

static bool is_approval(struct json_value item) {
    struct slice id = client_json_text(item, "id");
    return id.size > 4 && memcmp(id.bytes, "apr_", 4) == 0;
}

static void take_result(struct import_sender *sender, const struct import_batch *batch,
                        const struct import_operation *operation, struct json_value item,
                        bool is_first_try) {
    struct slice code = client_json_text(item, "code"), id = client_json_text(item, "id");
    if (code.size != 0) {
        take_refused(sender, batch, operation, code, client_json_text(item, "detail"));
        return;
    }
    if (client_json_is_kept(item) && take_kept(sender, batch, operation, item, &id))
        return;
    // After a lost answer a replay is this import's own doing. An approval that was given is one.
    if (is_first_try && (client_json_bool(item, "replayed", false) || is_approval(item)))
        sender->report->replayed_count++;
    else
        sender->report->done_count++;
    if (operation->name != IMPORT_NO_NAME &&
        !import_names_set_made(sender->names, operation->name, id))
        import_names_set_refused(sender->names, operation->name); // an answer without an id
}

static void take_results(struct import_sender *sender, const struct import_batch *batch,
                         const struct sent *sent, struct json_value results, bool is_first_try) {
    struct json_cursor cursor = json_items(results);
    struct json_value item;
    for (uint32_t at = 0; json_next_item(&cursor, &item); at++)
        take_result(sender, batch, &batch->operations[sent->operations[at]], item, is_first_try);
}

// Asks what became of a queued operation, patiently. False: that is not known yet.
static bool ask(struct import_sender *sender, const char *place, struct slice *ret_told,
                const char **ret_why) {
    const struct client_request request = {.method = "GET", .path = place, .prefer = "wait=20"};
    struct client_answer answer;
    struct json_value told;
    *ret_why = "what was queued has not been carried out yet";
    if (*sender->is_interrupted ||
        client_connection_send(sender->connection, &request, &answer) != CLIENT_ANSWERED ||
        answer.http != 200 || !json_parse(sender->parser, answer.body, &told, ret_why) ||
        slice_equal(client_json_text(told, "status"), SLICE("queued")))
        return false;
    *ret_told = answer.body;
    return true;
}

// What needed an approval answers a retry as the first time for ever. What has become of it, it
// tells itself.
static bool is_old_approval(struct json_value item) {
    return is_approval(item) && client_json_bool(item, "replayed", false);
}

static bool any_is_old_approval(struct json_value results) {
    struct json_cursor cursor = json_items(results);
    struct json_value item;
    while (json_next_item(&cursor, &item))
        if (is_old_approval(item))
            return true;
    return false;
}

// Adds what is known of a result to `known`: a size, the bytes, and room for the parser. Who has a
// place is asked about there first. False: nothing is known yet, and it was not `told` before.
static bool learn(struct import_sender *sender, struct slice place, struct slice told,
                  struct buffer *known, const char **ret_why) {
    struct slice bytes = told;
    if (place.size != 0) {
        struct buffer path = {0};
        buffer_add(&path, place.bytes, place.size);
        BUFFER_ADD(&path, "\0");
        bool ok = ask(sender, (const char *)path.bytes, &bytes, ret_why);
        buffer_done(&path);
        if (!ok && told.size == 0)
            return false;
    }
    uint64_t size = bytes.size;
    buffer_add(known, &size, sizeof(size));
    buffer_add(known, bytes.bytes, bytes.size);
    memset(buffer_room(known, JSON_PADDING), 0, JSON_PADDING);
    known->size += JSON_PADDING;
    return true;
}

static bool learn_all(struct import_sender *sender, struct json_value results,
                      struct buffer *known, const char **ret_why) {
    struct buffer all = {0}, text = {0};
    struct json_cursor cursor = json_items(results);
    struct json_value item;
    uint64_t sizes[2]; // of its place, and of what was told already
    // Two copies, because each question takes the parser.
    while (json_next_item(&cursor, &item)) {
        bool is_queued = slice_equal(client_json_text(item, "status"), SLICE("queued"));
        buffer_reset(&text);
        if (is_queued)
            buffer_add_slice(&text, client_json_text(item, "location"));
        if (is_old_approval(item)) {
            BUFFER_ADD(&text, "/v1/approvals/");
            buffer_add_slice(&text, client_json_text(item, "id"));
        }
        sizes[0] = text.size;
        if (sizes[0] == 0 || !is_queued)
            json_write_value(&text, item);
        sizes[1] = text.size - sizes[0];
        buffer_add(&all, sizes, sizeof(sizes));
        buffer_add(&all, text.bytes, text.size);
    }
    bool ok = true;
    for (size_t at = 0; at < all.size && ok; at += sizes[0] + sizes[1]) {
        memcpy(sizes, all.bytes + at, sizeof(sizes));
        at += sizeof(sizes);
        ok = learn(sender, slice_of(all.bytes + at, sizes[0]),
                   slice_of(all.bytes + at + sizes[0], sizes[1]), known, ret_why);
    }
    buffer_done(&all);
    buffer_done(&text);
    return ok;
}

// Takes an answer of which something has to be asked for, since it waits in the queue or has waited
// for an approval. Nothing is taken before everything is known: until then the batch may be sent
// again, which changes nothing.
static bool take_asking(struct import_sender *sender, const struct import_batch *batch,
                        const struct sent *sent, struct slice body, bool is_first_try,
                        const char **ret_why) {
    struct buffer known = {0};
    struct json_value results, told, result;
    bool ok = read_results(sender, body, sent->count, &results, ret_why) &&
              learn_all(sender, results, &known, ret_why);
    size_t at = 0;
    for (uint32_t i = 0; ok && at < known.size; i++) {
        const char *why;
        uint64_t size;
        memcpy(&size, known.bytes + at, sizeof(size));
        struct slice text = slice_of(known.bytes + at + sizeof(size), size);
        at += sizeof(size) + size + JSON_PADDING;
        bool is_read = json_parse(sender->parser, text, &told, &why);
        CHECK(is_read); // it was before
        if (!client_json_find(told, "result", &result) &&
            !client_json_find(told, "problem", &result))
            result = told; // refused at the door
        take_result(sender, batch, &batch->operations[sent->operations[i]], result, is_first_try);
    }
    buffer_done(&known);
    return ok;
}

// What an answer that is not 200 means. True: try again.
static bool may_try_again(struct import_sender *sender, const struct client_answer *answer,
                          const char **ret_why) {
    struct json_value problem;
    const char *no_json;
    if (!is_passing(answer->http))
        return false;
    bool is_read = json_parse(sender->parser, answer->body, &problem, &no_json);
    *ret_why = why_not(is_read ? client_json_text(problem, "code") : (struct slice){0});
    return true;
}

// One try. IMPORT_SENT_OK: taken. IMPORT_SENT_NO_ANSWER: worth another try, `ret_why` says why it
// was none.
static enum import_sent try_once(struct import_sender *sender, const struct import_batch *batch,
                                 const struct sent *sent, bool is_first_try, const char **ret_why,
                                 uint32_t *ret_retry_after_s) {
    const struct client_request request = {
        .method = "POST", .path = "/v1/batches", .body = buffer_slice(&sender->body),
        .prefer = sender->queues ? "respond-async" : NULL};
    struct client_answer answer;
    if (client_connection_send(sender->connection, &request, &answer) != CLIENT_ANSWERED) {
        *ret_why = client_connection_trouble(sender->connection);
        *ret_retry_after_s = 0;
        return IMPORT_SENT_NO_ANSWER;
    }
    *ret_retry_after_s = answer.retry_after_s;
    if (answer.http == 202)
        return take_asking(sender, batch, sent, answer.body, false, ret_why)
                   ? IMPORT_SENT_OK
                   : IMPORT_SENT_NO_ANSWER;
    if (answer.http != 200) {
        if (may_try_again(sender, &answer, ret_why))
            return IMPORT_SENT_NO_ANSWER;
        client_progress_end(sender->progress);
        client_print_problem(answer.http, answer.body);
        return IMPORT_SENT_REFUSED;
    }
    struct json_value results;
    if (!read_results(sender, answer.body, sent->count, &results, ret_why))
        return IMPORT_SENT_NO_ANSWER;
    if (any_is_old_approval(results))
        return take_asking(sender, batch, sent, answer.body, is_first_try, ret_why)
                   ? IMPORT_SENT_OK
                   : IMPORT_SENT_NO_ANSWER;
    take_results(sender, batch, sent, results, is_first_try);
    return IMPORT_SENT_OK;
}

static enum import_sent send_batch(struct import_sender *sender, const struct import_batch *batch) {
    struct sent sent;
    if (batch->count == 0)
        return IMPORT_SENT_OK;
    build_body(sender, batch, &sent);
    if (sent.count == 0)
        return IMPORT_SENT_OK;
    uint64_t begun_ns = clock_monotonic_ns();
    uint64_t wait_ms = SEND_WAIT_MS_MIN;
    for (bool is_first_try = true;; is_first_try = false) {
        const char *why = NULL;
        uint32_t retry_after_s = 0;
        enum import_sent result =
            try_once(sender, batch, &sent, is_first_try, &why, &retry_after_s);
        if (result != IMPORT_SENT_NO_ANSWER)
            return result;
        if (*sender->is_interrupted)
            return IMPORT_SENT_INTERRUPTED;
        if ((clock_monotonic_ns() - begun_ns) / 1000000000 >= sender->patience_s) {
            client_progress_end(sender->progress);
            fprintf(stderr, "florin: %s; given up after %u s.\n", why, sender->patience_s);
            return IMPORT_SENT_NO_ANSWER;
        }
        uint64_t told_ms = (uint64_t)retry_after_s * MS_PER_S;
        uint64_t pause = told_ms > wait_ms ? told_ms : wait_ms;
        if (pause > 10 * SEND_WAIT_MS_MAX)
            pause = 10 * SEND_WAIT_MS_MAX;
        say(sender, why, pause);
        pause_ms(sender, pause);
        wait_ms = wait_ms * 2 < SEND_WAIT_MS_MAX ? wait_ms * 2 : SEND_WAIT_MS_MAX;
    }
}

enum import_sent import_sender_send(struct import_sender *sender, struct import_window *window) {
    enum import_sent result = send_batch(sender, &window->wallets);
    if (result == IMPORT_SENT_OK)
        result = send_batch(sender, &window->others);
    if (result == IMPORT_SENT_OK) {
        import_batch_reset(&window->wallets);
        import_batch_reset(&window->others);
        import_report_settle(sender->report);
    }
    return result;
}

void import_sender_done(struct import_sender *sender) {
    buffer_done(&sender->body);
}

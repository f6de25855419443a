// SPDX-License-Identifier: MIT
// A file that does not load closes the door or leaves it open, as the configuration says: the rules
// that were in force before stay in either case.
#include "programs/serve/serve_rules.h"

#include <string.h>

#include "base/log.h"
#include "ledger/rules.h"

#define WHY_BYTES 512

static void fail(struct serve_rules *rules, const char *why) {
    bool closed = !rules->config->open_on_error;
    atomic_store(&rules->engine->rules_failed, closed);
    log_line(LOG_ERROR, "rules", "%s: %s %s", rules->config->file, why,
             closed ? "Whatever takes money is refused until it loads."
                    : "The rules of before stay in force.");
}

// Asks the books to judge by these rules from here on.
static enum status submit(struct serve_rules *rules, const struct rule_set *set) {
    struct command command = {
        .type = COMMAND_RULES,
        .metadata = slice_of(set->rules, set->count * sizeof(set->rules[0])),
        .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
    };
    return engine_wait_command(&rules->wait, &command, NULL);
}

static void bring(struct serve_rules *rules, const struct rule_set *set) {
    enum status status = submit(rules, set);
    rules->pending = status != STATUS_ok;
    if (rules->pending) {
        log_line(LOG_ERROR, "rules", "The books do not take the rules yet: %s",
                 status_sentence(status));
        return;
    }
    atomic_store(&rules->engine->rules_failed, false);
    log_line(LOG_INFO, "rules", "%u rules are in force.", set->count);
}

static void tell_patterns(const struct serve_rules *rules) {
    bool is_off = !rules->house->has_patterns && !rules->patterns.are_there;
    if (rules->watch != NULL)
        pattern_watch_set(rules->watch, is_off, rules->patterns.settings);
}

void serve_rules_tell(struct serve_rules *rules, struct pattern_watch *watch) {
    rules->watch = watch;
    if (rules->is_open && rules->config->file[0] != '\0')
        tell_patterns(rules);
}

void serve_rules_reload(struct serve_rules *rules) {
    struct rule_set set;
    struct rule_file_patterns patterns = {0};
    char why[WHY_BYTES] = "";
    if (!rules->is_open || rules->config->file[0] == '\0')
        return;
    if (stat(rules->config->file, &rules->seen) != 0)
        memset(&rules->seen, 0, sizeof(rules->seen));
    memcpy(patterns.settings, rules->house->patterns, sizeof(patterns.settings));
    if (rule_file_load(rules->config->file, &set, &patterns, why, sizeof(why)) != STATUS_ok) {
        fail(rules, why);
        return;
    }
    rules->patterns = patterns;
    tell_patterns(rules);
    bring(rules, &set);
}

void serve_rules_look(struct serve_rules *rules) {
    struct stat now;
    if (!rules->is_open || rules->config->file[0] == '\0')
        return;
    if (stat(rules->config->file, &now) != 0)
        memset(&now, 0, sizeof(now));
    if (rules->pending || now.st_mtim.tv_sec != rules->seen.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != rules->seen.st_mtim.tv_nsec || now.st_size != rules->seen.st_size ||
        now.st_ino != rules->seen.st_ino)
        serve_rules_reload(rules);
}

// What an engine on a database has in force it knows once it has read something.
static uint32_t rules_in_force(struct serve_rules *rules) {
    struct cursor_wish wish = {.cursor = {.kind = CURSOR_EVENTS}};
    struct cursor now;
    struct engine_stats stats;
    (void)engine_wait_cursor(&rules->wait, COMMAND_READ_CURSOR, &wish, &now); // else: none known
    rules->engine->port->stats(rules->engine, &stats);
    return stats.rule_count;
}

void serve_rules_open(struct serve_rules *rules, const struct config *house,
                      struct engine *engine) {
    const struct config_rules *config = &house->rules;
    rules->config = config;
    rules->house = house;
    memcpy(rules->patterns.settings, house->patterns, sizeof(rules->patterns.settings));
    rules->engine = engine;
    engine_wait_init(&rules->wait, engine);
    rules->is_open = true;
    if (config->file[0] != '\0') {
        serve_rules_reload(rules);
    } else if (rules_in_force(rules) != 0) {
        struct rule_set none = {0};
        bring(rules, &none); // they were taken out of the configuration
    }
}

void serve_rules_close(struct serve_rules *rules) {
    if (rules->is_open)
        engine_wait_done(&rules->wait);
    rules->is_open = false;
}

// SPDX-License-Identifier: MIT
// A finding that is found again after a restart has the same idempotency key, so the books have it
// once.
#include "programs/serve/serve_patterns.h"

#include <stdio.h>

#include "base/log.h"
#include "base/metric.h"

static enum pattern_told tell(void *context, struct engine_wait *wait,
                              const struct pattern_finding *finding) {
    char wallet[ID_TEXT_BYTES_MAX];
    struct command command = {
        .type = COMMAND_FINDING,
        .has_key = true,
        .key = pattern_digest(finding, 0),
        .request = pattern_digest(finding, 1),
        .wallet = finding->wallet,
        .slot = (uint16_t)id_slot(finding->wallet),
        .score = finding->score,
        .amount = finding->amount,
        .name = slice_of_text(pattern_name(finding->pattern)),
        .reason = slice_of_text(finding->sentence),
        .metadata = slice_of(finding->transactions,
                             finding->transaction_count * sizeof(finding->transactions[0])),
        .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
    };
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    (void)context;
    engine_wait_submit(wait, &submission);
    bool is_passing = outcome_is_passing(&outcome);
    bool is_new = outcome.status == STATUS_ok && !outcome.replayed;
    engine_wait_release(wait);
    if (is_passing)
        return PATTERN_TELL_LATER;
    if (is_new)
        log_line(LOG_INFO, "patterns", "%s (score %u): %.*s: %s", pattern_name(finding->pattern),
                 finding->score, (int)id_format(ID_WALLET, finding->wallet, wallet), wallet,
                 finding->sentence);
    return is_new ? PATTERN_TOLD : PATTERN_KNOWN;
}

struct pattern_watch *serve_patterns_open(const struct config *config, struct engine *engine,
                                          bool alone) {
    if (!config->has_patterns && config->rules.file[0] == '\0')
        return NULL;
    struct pattern_watch_options options = {
        .engine = engine, .is_off = !config->has_patterns, .alone = alone, .tell = tell};
    memcpy(options.settings, config->patterns, sizeof(options.settings));
    return pattern_watch_open(&options);
}

void serve_patterns_metrics(struct pattern_watch *watch, struct buffer *buffer) {
    struct pattern_watch_stats stats;
    if (watch == NULL)
        return;
    pattern_watch_stats(watch, &stats);
    metric_head(buffer, "pattern_findings_total", "counter",
                "Patterns over several wallets that were found since the start.");
    for (int i = 0; i < PATTERN_COUNT; i++)
        buffer_add_format(buffer, "florin_pattern_findings_total{pattern=\"%s\"} %llu\n",
                          pattern_name((enum pattern)i), (unsigned long long)stats.findings[i]);
    metric_value(buffer, "patterns_position", "gauge",
                 "How far the feed was looked at for patterns.", stats.position);
    metric_value(buffer, "patterns_feed_end", "gauge", "Where the feed ended then.", stats.end);
    metric_value(buffer, "patterns_turns_total", "counter", "How often the feed was read on.",
                 stats.turns);
}

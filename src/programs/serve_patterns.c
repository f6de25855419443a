// SPDX-License-Identifier: MIT
// What was found, for people: the wallet, the numbers, the transactions that led to it.
#include "programs/serve_patterns.h"

#include <stdio.h>

#include "base/log.h"

static bool tell(void *context, struct engine_wait *wait, const struct pattern_finding *finding) {
    char wallet[ID_TEXT_BYTES_MAX], ids[PATTERN_TRANSACTIONS_MAX * (ID_TEXT_BYTES_MAX + 1)];
    size_t used = 0;
    (void)context;
    (void)wait;
    for (uint32_t i = 0; i < finding->transaction_count; i++) {
        if (i != 0)
            ids[used++] = ' ';
        used += id_format(ID_TRANSACTION, finding->transactions[i], ids + used);
    }
    log_line(LOG_WARNING, "patterns", "%s (score %u): %.*s: %s Transactions: %.*s",
             pattern_name(finding->pattern), finding->score,
             (int)id_format(ID_WALLET, finding->wallet, wallet), wallet, finding->sentence,
             (int)used, ids);
    return true;
}

struct pattern_watch *serve_patterns_open(const struct config *config, struct engine *engine,
                                          bool alone) {
    if (!config->has_patterns)
        return NULL;
    struct pattern_watch_options options = {.engine = engine, .alone = alone, .tell = tell};
    memcpy(options.settings, config->patterns, sizeof(options.settings));
    return pattern_watch_open(&options);
}

void serve_patterns_metrics(struct pattern_watch *watch, struct buffer *buffer) {
    struct pattern_watch_stats stats;
    if (watch == NULL)
        return;
    pattern_watch_stats(watch, &stats);
    buffer_add_format(buffer, "# HELP florin_pattern_findings_total Patterns over several wallets "
                              "that were found since the start.\n"
                              "# TYPE florin_pattern_findings_total counter\n");
    for (int i = 0; i < PATTERN_COUNT; i++)
        buffer_add_format(buffer, "florin_pattern_findings_total{pattern=\"%s\"} %llu\n",
                          pattern_name((enum pattern)i), (unsigned long long)stats.findings[i]);
    buffer_add_format(buffer,
                      "# HELP florin_patterns_position How far the feed was looked at for "
                      "patterns.\n# TYPE florin_patterns_position gauge\n"
                      "florin_patterns_position %llu\n",
                      (unsigned long long)stats.position);
    buffer_add_format(buffer,
                      "# HELP florin_patterns_feed_end Where the feed ended then.\n"
                      "# TYPE florin_patterns_feed_end gauge\nflorin_patterns_feed_end %llu\n",
                      (unsigned long long)stats.end);
    buffer_add_format(buffer,
                      "# HELP florin_patterns_turns_total How often the feed was read on.\n"
                      "# TYPE florin_patterns_turns_total counter\n"
                      "florin_patterns_turns_total %llu\n",
                      (unsigned long long)stats.turns);
}

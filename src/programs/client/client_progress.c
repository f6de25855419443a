// SPDX-License-Identifier: MIT
// Redrawing is limited by time, because terminals are slow and a job that draws is a job that
// waits.
#include "programs/client/client_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define PROGRESS_DRAW_EVERY_NS UINT64_C(100000000)  // on a terminal
#define PROGRESS_LINE_EVERY_NS UINT64_C(5000000000) // elsewhere
#define PROGRESS_BAR_WIDTH 30

void client_progress_begin(struct client_progress *progress, const char *what, uint64_t total) {
    uint64_t now_ns = clock_monotonic_ns();
    *progress = (struct client_progress){.what = what,
                                         .total = total,
                                         .begun_ns = now_ns,
                                         .shown_ns = now_ns,
                                         .is_terminal = isatty(STDERR_FILENO) == 1};
}

static void draw(struct client_progress *progress, unsigned percent, const char *words) {
    char bar[PROGRESS_BAR_WIDTH + 1];
    unsigned filled = percent * PROGRESS_BAR_WIDTH / 100;
    for (unsigned at = 0; at < PROGRESS_BAR_WIDTH; at++)
        bar[at] = at < filled ? '#' : '.';
    bar[PROGRESS_BAR_WIDTH] = '\0';
    // Back to the line's begin, and away with what is left of a longer line.
    fprintf(stderr, "\r%s [%s] %3u %%  %s\033[K", progress->what, bar, percent, words);
    progress->is_drawn = true;
}

void client_progress_show(struct client_progress *progress, uint64_t done, const char *words) {
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t every_ns = progress->is_terminal ? PROGRESS_DRAW_EVERY_NS : PROGRESS_LINE_EVERY_NS;
    if (now_ns - progress->shown_ns < every_ns)
        return;
    progress->shown_ns = now_ns;
    unsigned percent = 0;
    if (progress->total > 0)
        percent = (unsigned)((unsigned __int128)done * 100 / progress->total);
    if (percent > 100)
        percent = 100;
    if (progress->is_terminal)
        draw(progress, percent, words);
    else
        fprintf(stderr, "%s: %u %%, %s\n", progress->what, percent, words);
}

void client_progress_end(struct client_progress *progress) {
    if (progress->is_drawn)
        fprintf(stderr, "\r\033[K");
    progress->is_drawn = false;
}

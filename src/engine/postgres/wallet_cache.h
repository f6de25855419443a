// SPDX-License-Identifier: MIT
// Wallets as they were read lately, for who allows an age. Each entry knows since when it may be
// out of date and how far the books had come by then, so it is right to use or not whether or not
// anybody said that the wallet has changed. Bounded; memory is taken once.
#pragma once
#include "engine/engine.h"

struct wallet_cache;

struct wallet_cache_stats {
    uint64_t hits, misses, wallets;
};

// NULL for no wallets. Thread: any for all functions; waits for no more than a copy.
struct wallet_cache *wallet_cache_open(uint32_t wallet_count_max);
void wallet_cache_close(struct wallet_cache *cache); // accepts NULL, like the others
// `read_ns` is a time of the monotonic clock before which nothing is missing in the outcome, and
// `position` one before which nothing is missing either. Large records are not kept.
void wallet_cache_put(struct wallet_cache *cache, const struct outcome *outcome,
                      struct position position, uint64_t read_ns);
// False: there is none, or none that is fresh enough now. The record is copied to `arena`.
bool wallet_cache_get(struct wallet_cache *cache, struct id wallet,
                      const struct freshness *freshness, struct arena *arena,
                      struct outcome *ret_outcome);
void wallet_cache_drop(struct wallet_cache *cache, struct id wallet);
void wallet_cache_count(struct wallet_cache *cache, struct wallet_cache_stats *ret_stats);

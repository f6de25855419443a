// SPDX-License-Identifier: MIT
// An index and, beside it, the plainest thing that gives the same answers: a list of everything
// that was put. It is also the journal: what a reopened index does not cover is put again from it,
// as the engine does.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "engine/embedded/index/index.h"

struct index_model_put {
    uint32_t family;
    uint64_t fingerprint;
    uint64_t position;
};

struct index_model_seal {
    uint64_t segment;
    uint64_t end_position;
    uint64_t time_ms;
    size_t put_count; // before it
};

struct index_model {
    struct disk *disk;   // owned
    struct index *index; // owned; NULL while closed
    struct index_options options;
    struct index_covered covered; // of the last opening
    struct index_model_put *puts; // owned, all that were ever settled or are pending
    size_t put_count;
    size_t put_capacity;
    size_t settled;                 // puts before are safe from undoing
    struct index_model_seal *seals; // owned
    size_t seal_count;
    size_t seal_capacity;
    uint64_t position; // of the last put or the end of the last segment
    uint64_t next_segment;
    uint64_t time_ms;
    uint64_t random;
};

uint64_t index_model_random(struct index_model *model, uint64_t below);
// A hash: uniform over all 64 bits, one of `kinds`.
uint64_t index_model_fingerprint(uint64_t kind);

void index_model_open(struct index_model *ret_model, uint64_t seed);
void index_model_close(struct index_model *model); // the index, the disk and the list

void index_model_put(struct index_model *model, uint32_t family, uint64_t fingerprint);
size_t index_model_mark(const struct index_model *model);
void index_model_undo(struct index_model *model, size_t mark);
void index_model_settle(struct index_model *model);
void index_model_seal(struct index_model *model);
void index_model_work(struct index_model *model); // all of the background's work

// Opens the index on what the disk has (again) and puts what it does not cover.
void index_model_start(struct index_model *model);
// Closes the index, in order or by a power cut.
void index_model_stop(struct index_model *model);
void index_model_crash(struct index_model *model, uint64_t seed);

// Asks for all positions of a fingerprint below `below` and compares.
void index_model_compare(struct index_model *model, const struct index_snapshot *snapshot,
                         uint32_t family, uint64_t fingerprint, uint64_t below);
// Every fingerprint of `kinds`, in all families, as the writer sees them.
void index_model_compare_all(struct index_model *model, uint64_t kinds);

// SPDX-License-Identifier: MIT
// Slow on purpose: a lookup walks the whole list from its end.
#include "index_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "fake_disk.h"

uint64_t index_model_random(struct index_model *model, uint64_t below) {
    model->random = model->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (model->random >> 33) % below;
}

uint64_t index_model_fingerprint(uint64_t kind) {
    return hash64(slice_of(&kind, sizeof(kind)), 42);
}

void index_model_open(struct index_model *ret_model, uint64_t seed) {
    *ret_model = (struct index_model){
        .disk = fake_disk_open(seed),
        .options = {.folder = "index/",
                    .first_segment = 1,
                    .journal_end = UINT64_MAX,
                    .without_thread = true},
        .position = 1000,
        .next_segment = 1,
        .time_ms = UINT64_C(1700000000000),
        .random = seed,
    };
}

void index_model_close(struct index_model *model) {
    index_close(model->index);
    model->disk->driver->done(model->disk);
    memory_free(model->puts);
    memory_free(model->seals);
}

void index_model_put(struct index_model *model, uint32_t family, uint64_t fingerprint) {
    if (model->put_count == model->put_capacity) {
        model->put_capacity = model->put_capacity == 0 ? 1024 : model->put_capacity * 2;
        model->puts = memory_resize(model->puts, model->put_capacity * sizeof(model->puts[0]));
    }
    model->position += 8 * (1 + index_model_random(model, 30));
    model->puts[model->put_count++] = (struct index_model_put){
        .family = family, .fingerprint = fingerprint, .position = model->position};
    index_put(model->index, family, fingerprint, model->position);
}

size_t index_model_mark(const struct index_model *model) {
    return model->put_count;
}

void index_model_undo(struct index_model *model, size_t mark) {
    CHECK(mark >= model->settled);
    // The index counts from the last settling.
    index_undo(model->index, mark - model->settled);
    model->put_count = mark;
    model->position = model->put_count == 0 ? 1000 : model->puts[model->put_count - 1].position;
    if (model->seal_count > 0 && model->position < model->seals[model->seal_count - 1].end_position)
        model->position = model->seals[model->seal_count - 1].end_position;
}

void index_model_settle(struct index_model *model) {
    index_settle(model->index);
    model->settled = model->put_count;
}

void index_model_seal(struct index_model *model) {
    index_model_settle(model);
    if (model->seal_count == model->seal_capacity) {
        model->seal_capacity = model->seal_capacity == 0 ? 64 : model->seal_capacity * 2;
        model->seals = memory_resize(model->seals, model->seal_capacity * sizeof(model->seals[0]));
    }
    model->position += 64;
    model->seals[model->seal_count++] = (struct index_model_seal){.segment = model->next_segment++,
                                                                  .end_position = model->position,
                                                                  .time_ms = model->time_ms,
                                                                  .put_count = model->put_count};
    index_seal(model->index, model->next_segment - 1, model->position, model->time_ms);
}

void index_model_work(struct index_model *model) {
    while (index_work(model->index))
        continue;
}

void index_model_start(struct index_model *model) {
    size_t seal = 0;
    CHECK(model->index == NULL);
    model->options.disk = model->disk;
    model->options.now_ms = model->time_ms;
    assert_int_equal(index_open(&model->options, &model->covered, &model->index), STATUS_ok);
    // Some engines know more about where to begin than others: from a little before what is asked
    // for.
    uint64_t from = model->covered.position;
    from -= index_model_random(model, from < 2000 ? from + 1 : 2000);
    while (seal < model->seal_count && model->seals[seal].segment < model->covered.next_segment &&
           model->seals[seal].end_position < from)
        seal++;
    for (size_t i = 0; i <= model->put_count; i++) {
        for (; seal < model->seal_count && model->seals[seal].put_count <= i; seal++) {
            if (model->seals[seal].end_position < from)
                continue;
            index_settle(model->index);
            index_seal(model->index, model->seals[seal].segment, model->seals[seal].end_position,
                       model->seals[seal].time_ms);
        }
        if (i < model->put_count && model->puts[i].position >= from)
            index_put(model->index, model->puts[i].family, model->puts[i].fingerprint,
                      model->puts[i].position);
    }
    index_settle(model->index);
    model->settled = model->put_count;
}

void index_model_stop(struct index_model *model) {
    index_close(model->index);
    model->index = NULL;
    model->put_count = model->settled;
}

void index_model_crash(struct index_model *model, uint64_t seed) {
    struct disk *next = fake_disk_crash(model->disk, seed);
    index_model_stop(model);
    model->disk->driver->done(model->disk);
    model->disk = next;
}

void index_model_compare(struct index_model *model, const struct index_snapshot *snapshot,
                         uint32_t family, uint64_t fingerprint, uint64_t below) {
    struct index_cursor cursor;
    uint64_t position;
    enum status status =
        below == UINT64_MAX
            ? index_find_first(snapshot, family, fingerprint, &cursor, &position)
            : index_find_below(snapshot, family, fingerprint, below, &cursor, &position);
    uint64_t limit = below < snapshot->bound ? below : snapshot->bound;
    for (size_t i = model->put_count; i-- > 0;) {
        const struct index_model_put *put = &model->puts[i];
        if (put->family != family || put->fingerprint != fingerprint || put->position >= limit)
            continue;
        assert_int_equal(status, STATUS_ok);
        assert_int_equal(position, put->position);
        status = index_find_next(&cursor, &position);
    }
    assert_int_equal(status, STATUS_end);
    assert_int_equal(index_find_next(&cursor, &position), STATUS_end); // and stays so
}

void index_model_compare_all(struct index_model *model, uint64_t kinds) {
    for (uint32_t family = 0; family < INDEX_FAMILY_COUNT; family++)
        for (uint64_t kind = 0; kind < kinds; kind++)
            index_model_compare(model, index_own(model->index), family,
                                index_model_fingerprint(kind), UINT64_MAX);
}

// SPDX-License-Identifier: MIT
// The simulator: random clients on the embedded engine, on a disk that lies, through many crashes.
//
// A world has one disk and a log of operations in shared memory. Each of its lives is a child
// process: it starts the engine on what the disk kept, verifies every operation of the log, lets
// clients issue more, and dies at a random call of the disk (sim_disk.c), leaving an image of what
// the power failure left. The parent makes the next disk of that image.
//
//   image ─▶ open ─▶ verify ─▶ clients ─▶ death ─▶ image ─▶ …
//
// Seeds decide everything but the order in which threads run, so a failing seed fails again often,
// not always.
#pragma once
#include "base/disk.h"
#include "engine/embedded/embedded.h"

#define SIM_OPERATIONS_MAX 60000
#define SIM_CLIENTS        3
#define SIM_WALLETS_MAX    64
#define SIM_BATCH_MAX      8

enum sim_state {
    SIM_FREE,
    SIM_ISSUED, // may have taken effect or not
    SIM_KNOWN,  // answered, or asked again after a crash
};

// One operation, written by the client before it is submitted. Lies in shared memory.
struct sim_operation {
    uint32_t state; // enum sim_state; atomic
    uint8_t type;   // enum command_type
    uint8_t client;
    uint8_t status; // enum status of the answer
    bool keep_open;
    bool brief;            // a hold that ends within a second: nobody but its end touches it
    bool has_bank;         // a withdrawal that is settled at once
    bool over;             // of a brief hold: it was seen to have expired
    uint32_t about;        // index of the operation that opened the hold, withdrawal or purchase
    uint32_t payer, payee; // indexes of the operations that opened the wallets
    uint32_t batch;        // index of the first operation of its atomic batch; else its own
    uint32_t batch_count;  // of an atomic batch, in its first operation
    uint32_t batch_failed; // of a refused batch, in its first: which operation was refused
    int64_t amount;
    struct id id;            // of what it made
    struct digest128 answer; // of the record that answered
};

struct sim_shared {
    uint32_t count;       // atomic; operations taken
    uint32_t lives;       // that ended
    uint64_t verified;    // operations that were asked again and answered the same
    uint64_t disk_calls;  // of all lives
    uint64_t deaths_open; // lives that died before their first client began
    uint64_t checkpoints; // starts that found one
    uint64_t replays_compared;
    struct sim_operation operations[SIM_OPERATIONS_MAX];
};

// A wallet, hold, withdrawal or purchase as the naive model has it, by the operation that opened
// it.
struct sim_thing {
    int64_t balance, held, credit_limit; // of a wallet
    uint64_t version;
    uint32_t transactions;
    int64_t left; // of a hold: remaining; of a purchase: refundable; of a withdrawal: pending
    bool is_open; // of a hold or withdrawal
};

struct sim_model {
    struct sim_thing *things; // one per operation
    money_total deposits, withdrawals;
    uint64_t transactions;
};

struct sim_world {
    uint64_t seed;
    uint32_t life;
    uint64_t random;
    struct sim_shared *shared;
    struct engine *engine;
    struct id admin; // zero: commands are the system's
    bool has_brief_holds;
    bool is_slow; // clients take their time, so that the keeper gets to make checkpoints
};

uint64_t sim_random(uint64_t *stream);
uint64_t sim_below(uint64_t *stream, uint64_t bound);
// Says where and what, and ends the life as failed.
void sim_fail(const struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

// sim_disk.c: images of disks, and the disk that dies. What a life finds and what it leaves are two
// images: any thread of the engine may be the one whose call ends the life, while another still
// reads what was found.
struct sim_image {
    int file; // memory that outlives the child
};
struct sim_image sim_image_new(void);
// Nobody can write to it from now on.
void sim_image_seal(const struct sim_image *image);
void sim_image_done(struct sim_image *image);
enum sim_death { SIM_POWER, SIM_PROCESS, SIM_CLEAN };
// A fake disk with what the image holds; `without` is a name that is left out, or NULL.
struct disk *sim_image_open(const struct sim_image *image, uint64_t seed, const char *without);
bool sim_image_has(const struct sim_image *image, const char *name);
// Forwards to a fake disk; at call `die_at` (or, for SIM_CLEAN, when it is done with) it writes
// what is left to an empty image and ends the process with status 0.
struct disk *sim_disk_open(struct disk *inner, const struct sim_image *left, enum sim_death death,
                           uint64_t die_at, uint64_t seed, uint64_t *calls);
// Call it before the engine is closed: an engine that lets go of its disk earlier has given up.
void sim_disk_closing(struct disk *disk);

// sim_log.c: the log of operations, and the model that is made of it.
struct sim_operation *sim_operation_take(struct sim_world *world, uint32_t count,
                                         uint32_t *ret_index);
struct command sim_command(const struct sim_world *world, uint32_t index);
// Submits one operation, or the atomic batch that begins there, and writes down the answer.
void sim_submit(struct sim_world *world, uint32_t index);
void sim_submit_commands(const struct sim_world *world, struct submission *submission);
void sim_model_make(const struct sim_world *world, struct sim_model *model);
void sim_model_done(struct sim_model *model);

// sim_clients.c: issues operations until the disk dies or `operations` were issued.
void sim_clients_run(struct sim_world *world, uint32_t operations);

// sim_verify.c: everything that the log knows must be in the books, exactly once.
void sim_verify(struct sim_world *world);

// SPDX-License-Identifier: MIT
// The embedded engine: the books of one machine, in one folder, kept by one writer thread.
#pragma once
#include "engine/engine.h"

struct disk;
struct vault_masters; // vault/vault.h

struct embedded_options {
    const char *folder;                // must exist
    const struct currency *currencies; // custom ones; their exponents must be those of the books
    uint32_t currency_count;
    uint32_t idempotency_days; // how long keys are remembered, at least 7
    uint64_t free_bytes_min;   // below this much free disk, writes are refused
    uint64_t segment_bytes;    // 0: the usual; tests take less
    uint64_t checkpoint_bytes; // of the journal between two checkpoints; 0: the usual
    const struct spending_limits *limits;   // likewise
    uint32_t review_expires_s;              // how long held payments wait; 0: the standard
    const struct approval_rules *approvals; // must outlive the engine; NULL: none
    const struct vault_masters *masters; // free texts are encrypted; NULL: they are not. Copied.
    // No command with free texts will come, and none has to be read: encrypted books open without
    // a master key.
    bool without_texts;
    // Texts whose keys are gone stay unreadable, and the books open all the same.
    bool lost_texts_accepted;
    struct disk *disk; // NULL: the real one. Tests hand in one that lies; it becomes the engine's,
                       // and the folder is not locked.
};

// Opens the folder's books, or makes them if there are none, and starts the writer. STATUS_busy:
// another process has them; STATUS_damaged, STATUS_disk_failed, STATUS_storage_full,
// STATUS_invalid_request (a currency's exponent differs): `ret_why` has a sentence that names the
// file. The engine is closed by its port.
MUST_CHECK enum status embedded_open(const struct embedded_options *options, char *ret_why,
                                     size_t why_bytes, struct engine **ret_engine);

// Whether no key exists yet: somebody must make the first one. Thread: any.
bool embedded_is_new(struct engine *engine);

// SPDX-License-Identifier: MIT
// Who proves the chain of the books that this server serves, for the full check.
#pragma once
#include "api/recount.h"

struct serve_chain {
    struct engine *engine;
    const char *folder;   // of the journal
    bool is_in_databases; // and not in the folder
};

// `chain` must outlive the prover.
struct chain_prover serve_chain_prover(struct serve_chain *chain);

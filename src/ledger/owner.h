// SPDX-License-Identifier: MIT
// Whose a wallet is. A wallet remembers its owner as a mark, 64 bits of a SHA-256 over the books'
// secret seed and the owner's text: nobody who chooses names can look for two that fall together.
#pragma once
#include "ledger/command.h"

// Never 0. Thread: any.
uint64_t owner_mark(uint64_t seed, struct slice owner);

static inline bool command_is_bound(const struct command *command) {
    return command->bound_to.size != 0;
}

// What an answer must not show to somebody bound to an owner.
enum hidden {
    HIDDEN_DEBIT = 1,  // balance and version of the wallet that paid
    HIDDEN_CREDIT = 2, // of the one that was paid
    HIDDEN_WHO = 4,    // the principal, who is somebody else
};
// `debit` and `credit` are the marks of a transaction's wallets, 0 for the world outside; `own` is
// the asker's mark. Returns bits of enum hidden; `asker` and `principal` are texts. Thread: any.
uint8_t owner_hidden(uint64_t own, uint64_t debit, uint64_t credit, struct slice asker,
                     struct slice principal);

// SPDX-License-Identifier: MIT
// Every statement of the engine, prepared once per connection and never built from input.
#pragma once
#include <stdbool.h>

// Wallets and bank ids lie in so many partitions, by a hash of their slot. What is asked of many
// rows at once goes to each partition by a statement of its own: through the table that they are
// partitions of each row costs half as much again. The first is `name`, the others follow it.
#define SQL_PARTS        4
#define SQL_OF_PARTS(name) name, name##_1, name##_2, name##_3

// Plans are made once, for tables that may be empty: only what stays right when they grow.
#define SQL_PLANS                                                                                  \
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "                         \
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off; "

enum sql {
    // The writer's.
    SQL_TURN,
    SQL_TURN_BACK,
    SQL_TURN_FREE,
    SQL_BEGIN,
    SQL_BEGIN_READING,
    SQL_PARENTS, // before anything of their partitions
    SQL_BEGIN_LOOKING,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_BOOKS,
    SQL_BOOKS_LOCKED,
    SQL_WAIT_FOR_LOST,
    SQL_TOKEN,
    SQL_SEAL_LOOK,
    SQL_PARTS_OF_SLOTS, // in which partition each slot lies
    SQL_HEADS,
    SQL_HEADS_SINCE, // those that rows of slots do not have yet
    SQL_HEADS_BEHIND, // likewise, of each slot the last
    SQL_CURRENCIES,
    SQL_FREE_CURRENCIES, // those that nobody else has locked
    SQL_KEYS,
    SQL_KEYS_LOCKED,
    SQL_DUE,
    SQL_DUE_LOCKED,
    SQL_DUE_REVIEWS,
    SQL_DUE_REVIEWS_LOCKED,
    SQL_NEXT_DUE, // when the next of both ends
    SQL_RULES,
    SQL_IDEMPOTENCY,
    SQL_KEYS_UNUSED, // none of them was
    SQL_WAIT_BRIEFLY, // for locks, from here to the end of the transaction
    SQL_ARRIVALS,
    SQL_ARRIVALS_LOCKED,
    SQL_BANK_LOCKS,
    SQL_PURCHASE_LOCKS,
    SQL_ANSWERS,
    SQL_OF_PARTS(SQL_BANK),
    SQL_TRANSACTIONS,
    SQL_TRANSACTIONS_LOCKED, // what was refunded of them, and whether somebody else has that
    SQL_HOLDS,
    SQL_HOLDS_LOCKED,
    SQL_WITHDRAWALS,
    SQL_WITHDRAWALS_LOCKED,
    SQL_OF_PARTS(SQL_WALLETS),
    SQL_OF_PARTS(SQL_WALLETS_LOCKED),
    SQL_MANY_WALLETS_LOCKED, // of all partitions, when there are many in each
    SQL_KNOWN_WALLETS,       // the same of what is known of them (desk_known.c)
    SQL_DETAILS,
    SQL_CURSORS,
    SQL_CURSORS_LOCKED,
    SQL_KEY_RECORDS,
    SQL_APPROVALS,
    SQL_APPROVALS_LOCKED,
    SQL_RECORDS,
    SQL_DATA_KEYS,
    SQL_OWNER_KEYS,
    SQL_OWNER_KNOWN,
    SQL_FREE_OWNERS, // whose data keys nobody else has locked
    SQL_ENCRYPTION,
    SQL_ENCRYPT,
    SQL_NEW_MASTER,
    SQL_MASTER_TAG,
    SQL_PLAIN_UNTIL,
    SQL_ALL_DATA_KEYS,
    SQL_REWRAP,
    SQL_ADD_CURRENCIES,
    SQL_CHANGE_CURRENCIES_PLACED, // looked for where they lay last
    SQL_TAKE_LEGS,
    SQL_ADD_WALLETS,
    SQL_OF_PARTS(SQL_CHANGE_WALLETS),
    // Those of which a payment has changed nothing but what every payment does.
    SQL_PAY_FEW_WALLETS,
    SQL_OF_PARTS(SQL_PAY_WALLETS),
    SQL_PAY_FEW_HABITS, // or who pays has other habits now
    SQL_OF_PARTS(SQL_PAY_HABITS),
    SQL_OF_PARTS(SQL_CLEAN_WALLETS), // reads them where old versions are
    SQL_ADD_HOLDS,
    SQL_CHANGE_HOLDS,
    SQL_ADD_WITHDRAWALS,
    SQL_CHANGE_WITHDRAWALS,
    SQL_CHANGE_REFUNDS,
    SQL_CHANGE_KEYS,
    SQL_ADD_APPROVALS,
    SQL_CHANGE_APPROVALS,
    SQL_ADD_RULES,
    SQL_CHANGE_CURSORS,
    SQL_ADD_DATA_KEYS,
    SQL_DESTROY_DATA_KEYS,
    SQL_ADD_RECORDS,
    SQL_CHANGE_SLOTS,
    SQL_CHANGE_SLOTS_PLACED, // looked for where they lay last
    SQL_ADD_POSTINGS,
    SQL_ADD_BANK,
    SQL_ADD_IDEMPOTENCY,
    SQL_ADD_DECISION,
    SQL_CHANGE_BOOKS, // and adds the round
    SQL_CHANGE_ALARM,
    SQL_MARK,
    SQL_LEAVE, // how far the books have come, and the turn back
    SQL_IDENTITY, // the readers', too
    SQL_WRITER_LAST = SQL_IDENTITY,
    // The readers'.
    SQL_ONE_WALLET,
    SQL_ONE_TRANSACTION,
    SQL_ONE_HOLD,
    SQL_ONE_WITHDRAWAL,
    SQL_END,
    SQL_FEED,
    SQL_ARCHIVED, // where history begins
    SQL_OPENING,
    SQL_KEPT,
    SQL_ONE_RECORD,
    SQL_ALL_WALLETS,
    SQL_ALL_HABITS,
    SQL_ALL_HOLDS,
    SQL_ALL_WITHDRAWALS,
    SQL_ALL_CURRENCIES,
    SQL_ALL_KEYS,
    SQL_BALANCE_AT,
    SQL_CURSOR,
    SQL_LIST_WALLETS,
    SQL_LIST_OWNER,
    SQL_LIST_TRANSACTIONS,
    SQL_LIST_ORDER,
    SQL_LIST_BANK,
    SQL_LIST_HISTORY,
    SQL_LIST_HOLDS,
    SQL_LIST_WITHDRAWALS,
    SQL_LIST_KEYS,
    SQL_LIST_OWNED, // transactions of an owner's wallets
    SQL_LIST_APPROVALS,
    SQL_LIST_HELD,
    SQL_OWNED,
    SQL_OWNS,
    SQL_READ_DATA_KEYS,
    SQL_SLOTS,      // whose they are, and what came with them
    SQL_SLOT_STATE, // of one
    SQL_LIST_AUDIT,
    SQL_READER_FIRST = SQL_IDENTITY,
    SQL_READER_LAST = SQL_LIST_AUDIT,
    // Of who looks for keys beside the writer.
    SQL_KEYS_BESIDE,
    // Of books that move in or out.
    SQL_MOVE_BEGIN,
    SQL_MOVE_SLOTS,
    SQL_MOVE_HEADS,
    SQL_MOVE_HOLDS,
    SQL_MOVE_WITHDRAWALS,
    SQL_MOVE_APPROVALS,
    SQL_MOVE_ROUNDS,
    SQL_MOVE_USES,
    SQL_MOVE_RULES,
    SQL_MOVE_ENCRYPTION,
    SQL_MOVE_DATA_KEYS,
    SQL_MOVE_BOOKS,
    SQL_MOVE_MARK,
    SQL_MOVE_FIRST = SQL_MOVE_BEGIN,
    SQL_MOVE_LAST = SQL_MOVE_MARK,
    // Of whoever keeps shards alike.
    SQL_SHARD_STAND,
    SQL_SHARD_SLOTS,
    SQL_SHARD_KEYS,
    SQL_SHARD_RULES,
    SQL_SHARD_BEGIN,
    SQL_SHARD_KEEP,
    SQL_SHARD_TAKE_KEYS,
    SQL_SHARD_TAKE_RULES,
    SQL_SHARD_TAKE_ALARM,
    SQL_SHARD_VERSION,
    SQL_SHARD_COMMIT,
    SQL_SHARD_FIRST = SQL_SHARD_STAND,
    SQL_SHARD_LAST = SQL_SHARD_COMMIT,
    // Of whoever moves a slot: what it reads on the source, and writes on the target.
    SQL_SLOT_RECORDS,
    SQL_SLOT_POSTINGS,
    SQL_SLOT_OTHERS, // records of other slots
    SQL_SLOT_KEYS_SINCE, // what is older nobody remembers there
    SQL_SLOT_NUMBERS_TAKEN,
    SQL_SLOT_TAKE_RECORDS, // and their idempotency keys
    SQL_SLOT_TAKE_KEYS,
    SQL_SLOT_TAKE_BANK_IDS,
    SQL_SLOT_TAKE_POSTINGS,
    SQL_SLOT_FIRST = SQL_SLOT_RECORDS,
    SQL_SLOT_LAST = SQL_SLOT_TAKE_POSTINGS,
    SQL_SLOT_COPY_RECORDS, // by link_copy, never prepared
    SQL_COPY_RECORDS, // likewise
    SQL_COPY_POSTINGS,
    SQL_COPY_BANK,
    SQL_COPY_IDEMPOTENCY,
    SQL_COPY_ROUNDS,
    SQL_COPY_WALLETS,
    // Of whoever archives history.
    SQL_ADD_OPENINGS,
    // The tidier's.
    SQL_KEY_USES,
    SQL_SYNC, // no statement: the end of a unit of a flight
    SQL_COUNT = SQL_SYNC
};

const char *sql_text(enum sql statement); // static storage
const char *sql_text_of_heads(enum sql statement); // sql_heads.c: NULL when it is none
const char *sql_text_of_moves(enum sql statement); // sql_moves.c: NULL when it is none
static inline bool sql_is_of(enum sql statement, enum sql first) {
    return statement >= first && (int)statement < (int)first + SQL_PARTS;
}

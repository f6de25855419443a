// SPDX-License-Identifier: MIT
// Private to the lists: what their files share. A page does bounded work, so it may be short; only
// a page without a cursor is the last.
#pragma once
#include "engine/embedded/books.h"

#define LIST_SCAN_MAX 20000 // items or records looked at for one page

// Appends an entry and returns its outcome, zeroed. The page has room for the query's limit.
struct outcome *page_add(struct page *page);

// The mark of a wallet's owner, read beside the writer; owners never change. 0: there is none.
uint64_t list_owner(const struct books *books, struct id wallet);
// Whether who asks may see what has these two wallets.
bool list_sees_wallets(const struct books *books, const struct list_query *query, struct id first,
                       struct id second);
// The same for a transaction; notes on the outcome (NULL: nowhere) what of it is hidden.
bool list_sees(const struct books *books, const struct list_query *query,
               const struct record *record, struct outcome *outcome);

// list_audit.c
enum status list_audit(struct books *books, const struct list_query *query, struct page *page);
// list_transactions.c
enum status list_history(struct books *books, const struct list_query *query, struct page *page);
enum status list_transactions(struct books *books, const struct list_query *query,
                              struct page *page);
// list_things.c
enum status list_wallets(struct books *books, const struct list_query *query, struct page *page);
enum status list_holds(struct books *books, const struct list_query *query, struct page *page);
enum status list_withdrawals(struct books *books, const struct list_query *query,
                             struct page *page);
enum status list_approvals(struct books *books, const struct list_query *query, struct page *page);
enum status list_keys(struct books *books, const struct list_query *query, struct page *page);

// Adds a record that a list takes to the page; false when the list does not want it.
typedef bool list_take(struct books *books, const struct list_query *query, uint64_t position,
                       const struct record *record, struct page *page);

// The records under an index entry, newest first below the query's cursor, as far as `wanted` takes
// them. Sets the next cursor.
enum status list_indexed(struct books *books, const struct list_query *query,
                         enum index_family family, uint64_t fingerprint, list_take *wanted,
                         struct page *page);

// The same for the transactions that have the query's bank id: at most one per currency.
enum status list_banked(struct books *books, const struct list_query *query, list_take *wanted,
                        struct page *page);

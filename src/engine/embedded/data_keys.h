// SPDX-License-Identifier: MIT
// The wrapped data keys of embedded books, in the file "data_keys" of the folder. They lie beside
// the journal because that never forgets: a key that is destroyed is overwritten here, while the
// journal and its chain stay as they are.
#pragma once
#include "base/disk.h"
#include "ledger/seal.h"
#include "vault/vault.h"

struct data_keys;

// Reads the file. Without `masters` (NULL) and without the file `ret_keys` is NULL: the books are
// plain. STATUS_invalid_request (the master key is missing or another one), STATUS_damaged or
// STATUS_disk_failed: `ret_why` has a sentence. With an old master all keys are wrapped anew first.
// `disk` is borrowed. Thread: one, before the journal is replayed.
// `without_texts`: keys can be destroyed, but nothing is sealed and nothing opened.
MUST_CHECK enum status data_keys_open(struct disk *disk, const struct vault_masters *masters,
                                      bool without_texts, char *ret_why, size_t why_bytes,
                                      struct data_keys **ret_keys);
void data_keys_close(struct data_keys *keys); // accepts NULL

// After the replay: makes the file when there is none. `now_ms` is written down as the time until
// when texts were plain when the books `have_past`.
MUST_CHECK enum status data_keys_begin(struct data_keys *keys, bool have_past, uint64_t now_ms,
                                       char *ret_why, size_t why_bytes);

// NULL: texts stay as they are.
struct text_vault *data_keys_vault(struct data_keys *keys);
// The key under which an owner's texts are sealed now; 0: none. Thread: the writer.
uint64_t data_keys_of(const struct data_keys *keys, uint64_t owner);
uint64_t data_keys_plain_until_ms(const struct data_keys *keys);
// Whether a record of that time names a key that never was in the file, which must then be an
// older one, or gone. Thread: one at the start.
bool data_keys_lacks(const struct data_keys *keys, uint64_t number, uint64_t time_ms);
// From the next data_keys_begin on nothing before `now_ms` is missed. Thread: one at the start.
void data_keys_give_up(struct data_keys *keys, uint64_t now_ms);
// How many slots the file has for certain, its head counted; they never become fewer. 0: there is
// no file. Thread: any.
uint32_t data_keys_durable(const struct data_keys *keys);

// Forgets a key in memory; `data_keys_settle` does so on the disk. Numbers that are not there, or
// were forgotten before, change nothing. Thread: the writer, or one at the start.
void data_keys_forget(struct data_keys *keys, uint64_t number);

// Before a round is made durable: its new keys are. After it: what it forgot is gone. Both are
// quick when there is nothing to do. Thread: the writer.
MUST_CHECK enum status data_keys_flush(struct data_keys *keys);
MUST_CHECK enum status data_keys_settle(struct data_keys *keys);

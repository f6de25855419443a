// SPDX-License-Identifier: MIT
// The audit reads records: a write's record is its entry, a record of notes is as many entries as
// it has notes. Nothing is stored for it.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "ledger/note.h"
#include "ledger/record.h"

#define AUDIT_NAMES_MAX 6

// A thing that an entry is about or names.
struct audit_name {
    uint8_t type; // enum id_type
    struct id id;
};

struct audit_entry {
    uint64_t at_ms, until_ms;
    uint32_t count;
    uint8_t status;
    bool replayed;
    uint8_t command;           // enum command_type of a record; COMMAND_NOTE: `operation` counts
    struct slice operation;    // of a note
    struct origin origin;      // slices are the record's
    struct id transaction;     // what moved; zero: nothing did
    struct slice owner;        // whose data were destroyed
    struct audit_name resource; // what the request named; a zero id: nothing
    // All that the entry names, for those who look for one of them.
    struct audit_name names[AUDIT_NAMES_MAX];
    uint32_t name_count;
};

// How many entries a record is.
uint32_t audit_entry_count(const struct record *record);
// The entry of a record, or of one of its notes: `index` below audit_entry_count. Pure; thread:
// any.
void audit_entry_of(const struct record *record, uint32_t index, struct audit_entry *ret_entry);

// SPDX-License-Identifier: MIT
// Notes: entries of the audit that no other record tells, because nothing was decided: what
// somebody read, and what was refused at the door or without a key that remembers it. Many stand
// in one record (RECORD_NOTES), one behind the other. A note holds ids, names of the house and
// numbers; never a secret, and no free text of a client.
//
// The bytes of one note, little endian:
//   0  u16 size, a multiple of 8      2  u8 status         3  u8 flags: 1 answered again
//   4  u8 role                        5  u8 resource type  6  u16 zero
//   8  u64 at_ms                     16  u64 until_ms     24  u32 count       28  u32 zero
//  32  16 bytes address              48  16 bytes resource
//  64  u8 bytes of operation, u8 of principal, u8 of request id, u8 zero, then those texts
//      and zero bytes to a multiple of 8
//
// A note is valid if and only if
//   N1  it lies within the bytes given, and its texts fill its size up to 7 zero bytes
//   N2  its status, flags and resource type are known, its count is at least 1, and it ends no
//       earlier than it began
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/id.h"
#include "ledger/command.h"

#define NOTE_BYTES_MAX       768
#define NOTE_OPERATION_BYTES 63
// What one record holds at most: the place within it has five bits in a cursor.
#define NOTES_IN_RECORD_MAX  32
#define NOTES_BYTES_MAX      (NOTES_IN_RECORD_MAX * NOTE_BYTES_MAX)

struct note {
    uint64_t at_ms;         // the first, by the clock of the node that was asked
    uint64_t until_ms;      // the last; = at_ms for one alone
    uint32_t count;         // how many requests it stands for
    uint8_t status;         // enum status: what they were answered
    bool replayed;          // an earlier answer was given again
    uint8_t resource_type;  // enum id_type
    struct id resource;     // what they were about; zero: nothing, or several things
    struct slice operation; // operationId of the API; empty: none was found
    struct origin origin;   // an empty principal: nobody who is known
};

// Appends one. Thread: any.
void note_encode(const struct note *note, struct buffer *buffer);
// Takes the next note out of `rest`; false at the end or at one that is not valid. The slices of
// `ret_note` point into it.
bool note_next(struct slice *rest, struct note *ret_note);
// How many there are; 0 when one of them is not valid.
uint32_t notes_count(struct slice notes);
// How many bytes the first of them has; 0 at the end.
size_t note_size(struct slice notes);

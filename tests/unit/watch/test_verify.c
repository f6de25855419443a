// SPDX-License-Identifier: MIT
// Books that a real engine wrote are right; books that somebody changed are not, even when every
// checksum and the whole chain were made to agree again.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/disk.h"
#include "base/memory.h"
#include "day.h"
#include "engine/embedded/journal/journal_format.h"
#include "watch/verify.h"

#define SEGMENT_BYTES     (UINT64_C(256) << 10)
#define JOURNAL_BYTES_MAX (64 * SEGMENT_BYTES)

static void folder_remove(const struct test_books *books) {
    char line[128];
    (void)snprintf(line, sizeof(line), "rm -rf '%s'", books->folder);
    assert_int_equal(system(line), 0);
}

static void assert_right(const char *folder) {
    struct verify_report report;
    assert_int_equal(verify_folder(folder, NULL, NULL, &report), STATUS_ok);
    if (!report.books.consistent)
        fail_msg("%s", report.books.message);
    verify_report_done(&report);
}

static void test_a_day_of_payments_is_right(void **state) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct test_books books;
        struct day day;
        struct verify_report report;
        test_books_open(&books, SEGMENT_BYTES);
        day_init(&day, &books, seed);
        day_go_on(&day, 3000);
        test_books_reopen(&books);
        day_go_on(&day, 500);
        const struct id *wallets = day.wallets;
        int64_t balances = 0;
        struct currency usd;
        assert_true(currency_iso_find(SLICE("USD"), &usd));
        for (uint32_t i = 0; i < day.wallet_count; i++)
            balances += test_read_wallet(&books, wallets[i]).balance;
        books.engine->port->close(books.engine);
        assert_int_equal(verify_folder(books.folder, NULL, NULL, &report), STATUS_ok);
        if (!report.books.consistent)
            fail_msg("seed %llu: %s", (unsigned long long)seed, report.books.message);
        assert_true(report.is_closed && report.unfinished_bytes == 0 && report.segment_count > 1);
        money_total sum = 0;
        for (uint32_t i = 0; i < report.books.currency_count; i++)
            sum += report.books.currencies[i].wallet_balances;
        assert_true(sum == balances || day.wallet_count == DAY_THINGS_MAX);
        for (int type = COMMAND_WALLET_OPEN; type <= COMMAND_WALLET_CHANGE; type++)
            if (day.done[type] == 0)
                fail_msg("the day had no %s", command_type_name((enum command_type)type));
        assert_true(report.books.checks[INTEGRITY_REFUNDS].count > 0);
        verify_report_done(&report);
        folder_remove(&books);
    }
}

// ---- changing the past ----

struct past {
    struct disk *disk;
    struct disk_file *files[64];
    uint8_t *bytes; // all segments, one behind the other
    uint64_t count; // of segments
};

static void past_open(struct past *past, const char *folder) {
    memset(past, 0, sizeof(*past));
    past->bytes = memory_take_zeroed(JOURNAL_BYTES_MAX);
    assert_int_equal(disk_posix_open(folder, &past->disk), STATUS_ok);
    for (;; past->count++) {
        char name[JOURNAL_SEGMENT_NAME_BYTES];
        size_t got;
        journal_segment_name(past->count, name);
        if (past->disk->driver->open(past->disk, name, false, &past->files[past->count]) !=
            STATUS_ok)
            return;
        struct disk_file *file = past->files[past->count];
        assert_int_equal(file->driver->read(file, 0, past->bytes + past->count * SEGMENT_BYTES,
                                            SEGMENT_BYTES, &got),
                         STATUS_ok);
        assert_int_equal(got, SEGMENT_BYTES);
    }
}

static void past_write(const struct past *past, const uint8_t *bytes) {
    for (uint64_t i = 0; i < past->count; i++)
        assert_int_equal(past->files[i]->driver->write(
                             past->files[i], 0, slice_of(bytes + i * SEGMENT_BYTES, SEGMENT_BYTES)),
                         STATUS_ok);
}

static void past_close(struct past *past) {
    for (uint64_t i = 0; i < past->count; i++)
        past->files[i]->driver->close(past->files[i]);
    past->disk->driver->done(past->disk);
    memory_free(past->bytes);
}

// Walks the rounds; makes every chain and checksum agree with what the rounds say now.
static void past_seal(const struct past *past, uint8_t *bytes) {
    struct sha256_context *sha = sha256_open();
    struct journal_segment_header segment;
    memcpy(&segment, bytes, sizeof(segment));
    struct sha256 chain = segment.chain;
    for (uint64_t number = 0; number < past->count; number++) {
        uint8_t *base = bytes + number * SEGMENT_BYTES;
        memcpy(&segment, base, sizeof(segment));
        segment.chain = chain;
        journal_segment_header_seal(&segment);
        memcpy(base, &segment, sizeof(segment));
        for (uint64_t at = JOURNAL_BLOCK_BYTES;
             at < SEGMENT_BYTES && journal_round_is_claimed(base + at);) {
            struct journal_round_header header;
            memcpy(&header, base + at, sizeof(header));
            header.previous_chain = chain;
            journal_round_seal(sha, &header, base + at);
            chain = header.chain;
            at = journal_round_end(at, header.size);
        }
    }
    sha256_close(sha);
}

// Finds the `nth` record that `change` accepts and that fits then, applies the change in place, and
// mends the record's checksum.
typedef bool past_change(struct record *record);

// Whether a record may have `after` bytes: as many as `before`, or more where it is the last of its
// round and there is padding behind it.
static bool past_fits(const struct journal_round_header *header, bool is_last, size_t before,
                      size_t after) {
    return after == before ||
           (is_last && after > before &&
            journal_round_end(0, header->size + after - before) ==
                journal_round_end(0, header->size));
}

static bool past_change_record(const struct past *past, uint8_t *bytes, past_change *change,
                               uint32_t nth) {
    for (uint64_t number = 0; number < past->count; number++) {
        uint8_t *base = bytes + number * SEGMENT_BYTES;
        for (uint64_t at = JOURNAL_BLOCK_BYTES;
             at < SEGMENT_BYTES && journal_round_is_claimed(base + at);) {
            struct journal_round_header header;
            memcpy(&header, base + at, sizeof(header));
            uint64_t place = at + sizeof(header), end = place + header.size;
            while (place < end) {
                struct record record;
                const char *why;
                struct buffer again = {0};
                size_t size = record_size(slice_of(base + place, end - place));
                assert_int_equal(record_decode(slice_of(base + place, size), &record, &why),
                                 STATUS_ok);
                if (change(&record) &&
                    past_fits(&header, place + size == end, size, record_encode(&record, &again)) &&
                    nth-- == 0) {
                    memcpy(base + place, again.bytes, again.size);
                    header.size += (uint32_t)(again.size - size);
                    header.crc = crc32c(slice_of((uint8_t *)&header + 12, sizeof(header) - 12));
                    memcpy(base + at, &header, sizeof(header));
                    buffer_done(&again);
                    return true;
                }
                buffer_done(&again);
                place += size;
            }
            at = journal_round_end(at, header.size);
        }
    }
    return false;
}

#define TRANSACTION_OF(test)                                                                       \
    if (record->kind != RECORD_TRANSACTION || !(test))                                             \
        return false;                                                                              \
    struct transaction_facts *facts = &record->transaction;

static bool change_amount(struct record *record) {
    TRANSACTION_OF(true)
    facts->amount++;
    return true;
}
static bool change_credit_balance(struct record *record) {
    TRANSACTION_OF(!id_is_zero(record->transaction.credit.wallet))
    facts->credit.balance++;
    return true;
}
static bool change_debit_balance(struct record *record) {
    TRANSACTION_OF(!id_is_zero(record->transaction.debit.wallet))
    facts->debit.balance++;
    return true;
}
// The most careful thief: amount and both balances still agree with each other.
static bool change_payment_as_a_whole(struct record *record) {
    TRANSACTION_OF(record->transaction.type == TRANSACTION_TRANSFER)
    facts->amount++;
    facts->debit.balance--;
    facts->credit.balance++;
    return true;
}
static bool change_deposit_as_a_whole(struct record *record) {
    TRANSACTION_OF(record->transaction.type == TRANSACTION_DEPOSIT)
    facts->amount++;
    facts->credit.balance++;
    facts->external_total++;
    return true;
}
static bool change_version(struct record *record) {
    TRANSACTION_OF(!id_is_zero(record->transaction.credit.wallet))
    facts->credit.version++;
    return true;
}
static bool change_held(struct record *record) {
    TRANSACTION_OF(!id_is_zero(record->transaction.debit.wallet))
    facts->debit.held++;
    return true;
}
static bool change_number(struct record *record) {
    TRANSACTION_OF(!id_is_zero(record->transaction.credit.wallet))
    facts->credit.number++;
    return true;
}
static bool change_previous(struct record *record) {
    TRANSACTION_OF(record->transaction.credit.previous != 0)
    facts->credit.previous -= 8;
    return true;
}
static bool change_skip(struct record *record) {
    TRANSACTION_OF(!id_is_zero(record->transaction.credit.wallet))
    facts->credit.skip += 8;
    return true;
}
static bool change_external_total(struct record *record) {
    TRANSACTION_OF(record->transaction.external_total != 0)
    facts->external_total++;
    return true;
}
static bool change_receiver(struct record *record) {
    TRANSACTION_OF(record->transaction.type == TRANSACTION_TRANSFER)
    facts->credit.wallet = facts->debit.wallet;
    return true;
}
static bool change_transaction_id(struct record *record) {
    TRANSACTION_OF(true)
    facts->id.bytes[15] ^= 1;
    return true;
}
static bool change_type(struct record *record) {
    TRANSACTION_OF(record->transaction.type == TRANSACTION_TRANSFER)
    facts->type = TRANSACTION_PURCHASE;
    return true;
}
static bool change_currency(struct record *record) {
    TRANSACTION_OF(true)
    facts->currency.code[0]++;
    return true;
}
static bool change_exponent(struct record *record) {
    TRANSACTION_OF(true)
    facts->currency.exponent++;
    return true;
}
static bool change_refunded(struct record *record) {
    TRANSACTION_OF(record->transaction.type == TRANSACTION_REFUND)
    facts->subject_total++;
    return true;
}
static bool change_refunded_purchase(struct record *record) {
    TRANSACTION_OF(record->transaction.type == TRANSACTION_REFUND)
    facts->subject.bytes[15] ^= 1;
    return true;
}
static bool change_captured(struct record *record) {
    TRANSACTION_OF(record->operation == COMMAND_CAPTURE)
    facts->subject_total++;
    return true;
}
static bool change_capture_status(struct record *record) {
    TRANSACTION_OF(record->operation == COMMAND_CAPTURE)
    facts->subject_status = facts->subject_status == HOLD_OPEN ? HOLD_CAPTURED : HOLD_OPEN;
    return true;
}
static bool change_settled_opening(struct record *record) {
    TRANSACTION_OF(record->operation == COMMAND_SETTLE)
    facts->opening += 8;
    return true;
}
static bool change_bank_id(struct record *record) {
    static char last[64];
    static size_t size;
    TRANSACTION_OF(record->transaction.bank_id.size != 0 &&
                   record->transaction.currency.code[0] == 'U')
    struct slice other = slice_of(last, size);
    bool is_other = size == facts->bank_id.size && memcmp(last, facts->bank_id.bytes, size) != 0;
    if (!is_other) {
        size = facts->bank_id.size;
        memcpy(last, facts->bank_id.bytes, size);
        return false;
    }
    facts->bank_id = other; // one that was booked before
    size = 0;
    return true;
}
static bool change_hold_amount(struct record *record) {
    if (record->operation != COMMAND_HOLD || record->kind != RECORD_HOLD)
        return false;
    record->hold.amount++;
    return true;
}
static bool change_hold_amount_as_a_whole(struct record *record) {
    if (!change_hold_amount(record))
        return false;
    record->hold.wallet_held++;
    return true;
}
static bool change_hold_end(struct record *record) {
    if (record->kind != RECORD_HOLD || record->operation == COMMAND_HOLD)
        return false;
    record->hold.captured += record->hold.captured < record->hold.amount ? 1 : -1;
    return true;
}
static bool change_hold_opening(struct record *record) {
    if (record->kind != RECORD_HOLD || record->hold.opening == 0)
        return false;
    record->hold.opening += 8;
    return true;
}
static bool change_expiry(struct record *record) {
    if (record->operation != COMMAND_EXPIRE)
        return false;
    record->hold.expires_at_ms += 3600 * 1000;
    return true;
}
static bool change_withdrawal(struct record *record) {
    if (record->kind != RECORD_WITHDRAWAL)
        return false;
    record->withdrawal.amount++;
    return true;
}
static bool change_credit_limit(struct record *record) {
    // The credit that was given was used.
    if (record->kind != RECORD_WALLET || record->wallet.credit_limit < 100)
        return false;
    record->wallet.credit_limit = -1;
    return true;
}
static bool change_wallet_balance(struct record *record) {
    if (record->kind != RECORD_WALLET)
        return false;
    record->wallet.balance++;
    return true;
}
static bool change_wallet_kind(struct record *record) {
    if (record->operation != COMMAND_WALLET_CHANGE || record->kind != RECORD_WALLET)
        return false;
    record->wallet.kind ^= 1;
    return true;
}
static bool change_time(struct record *record) {
    record->time_ms++;
    return true;
}
static bool change_operation(struct record *record) {
    if (record->kind != RECORD_TRANSACTION)
        return false;
    record->operation = record->operation == COMMAND_DEPOSIT ? COMMAND_TRANSFER : COMMAND_DEPOSIT;
    return true;
}
static bool change_batch(struct record *record) {
    static uint64_t positions[64];
    if (record->kind != RECORD_BATCH || record->batch.count < 2)
        return false;
    memcpy(positions, record->batch.positions.bytes, record->batch.positions.size);
    positions[0] += 8;
    record->batch.positions = slice_of(positions, record->batch.positions.size);
    return true;
}
static bool change_key(struct record *record) {
    static struct digest128 last;
    if (!record->has_key)
        return false;
    if (last.low != 0 && !digest128_equal(last, record->key)) {
        record->key = last; // one that was used a moment before
        last = (struct digest128){0};
        return true;
    }
    last = record->key;
    return false;
}
static bool change_refusal(struct record *record) {
    if (record->kind != RECORD_REFUSAL)
        return false;
    record->refusal.status = STATUS_forbidden;
    return true;
}
static bool change_revoked(struct record *record) {
    if (record->kind != RECORD_KEY)
        return false;
    record->api_key.revoked = true;
    return true;
}

static const struct {
    const char *what;
    past_change *change;
    const char *expected; // part of the message
} changes[] = {
    {"amount", change_amount, "the record says"},
    {"credit balance", change_credit_balance, "balance"},
    {"debit balance", change_debit_balance, "balance"},
    {"a whole payment", change_payment_as_a_whole, "the record says"},
    {"a whole deposit", change_deposit_as_a_whole, "the record says"},
    {"version", change_version, "version"},
    {"held", change_held, "held"},
    {"number", change_number, "transaction number"},
    {"previous", change_previous, "previous transaction"},
    {"skip", change_skip, "skip"},
    {"external total", change_external_total, "add up to"},
    {"receiver", change_receiver, "paid itself"},
    {"transaction id", change_transaction_id, "does not lead to its record"},
    {"type", change_type, "a transfer made a purchase"},
    {"currency", change_currency, "the record says"},
    {"exponent", change_exponent, "the record says"},
    {"refunded", change_refunded, "refunds of"},
    {"refunded purchase", change_refunded_purchase, "is no purchase"},
    {"captured", change_captured, "captures of"},
    {"capture status", change_capture_status, ""},
    {"settled opening", change_settled_opening, "another one"},
    {"bank id", change_bank_id, "booked twice"},
    {"hold amount", change_hold_amount, "held money"},
    {"a whole hold", change_hold_amount_as_a_whole, ""},
    {"hold end", change_hold_end, "another one"},
    {"hold opening", change_hold_opening, "another one"},
    {"expiry", change_expiry, "another one"},
    {"withdrawal", change_withdrawal, ""},
    {"credit limit", change_credit_limit, ""},
    {"wallet balance", change_wallet_balance, ""},
    {"wallet kind", change_wallet_kind, "kind"},
    {"time", change_time, "time"},
    {"operation", change_operation, " made a "},
    {"batch", change_batch, "batch"},
    {"key", change_key, "idempotency key"},
    {"refusal", change_refusal, "remembered"},
    {"revoked", change_revoked, "revoked"},
};

static void assert_found(const char *folder, const char *what, const char *expected) {
    struct verify_report report;
    assert_int_equal(verify_folder(folder, NULL, NULL, &report), STATUS_ok);
    if (report.books.consistent)
        fail_msg("nobody noticed that somebody changed: %s", what);
    if (strstr(report.books.message, expected) == NULL ||
        strncmp(report.books.message, "journal/0", 9) != 0)
        fail_msg("%s: expected \"%s\", got \"%s\"", what, expected, report.books.message);
    verify_report_done(&report);
}

static void test_no_change_of_the_past_goes_unnoticed(void **state) {
    struct test_books books;
    struct day day;
    struct past past;
    test_books_open(&books, SEGMENT_BYTES);
    day_init(&day, &books, 7);
    day_go_on(&day, 1000);
    day_set_aside(&day, 8, 1);
    (void)usleep(1200 * 1000); // so that holds expire
    day_go_on(&day, 500);
    books.engine->port->close(books.engine);
    past_open(&past, books.folder);
    uint8_t *bytes = memory_take(JOURNAL_BYTES_MAX);
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
        for (uint32_t nth = 0; nth < 6; nth += 5) {
            // A whole story that nothing later contradicts is a story; early ones are contradicted.
            if (nth != 0 && strncmp(changes[i].what, "a whole", 7) == 0)
                continue;
            memcpy(bytes, past.bytes, JOURNAL_BYTES_MAX);
            if (!past_change_record(&past, bytes, changes[i].change, nth)) {
                if (nth == 0)
                    fail_msg("no record to change: %s", changes[i].what);
                continue;
            }
            // Only the record's checksum agrees: the chain notices.
            past_write(&past, bytes);
            assert_found(books.folder, changes[i].what, "J8");
            // Everything agrees: the arithmetic notices.
            past_seal(&past, bytes);
            past_write(&past, bytes);
            assert_found(books.folder, changes[i].what, changes[i].expected);
        }
    // Sealing alone changes nothing.
    memcpy(bytes, past.bytes, JOURNAL_BYTES_MAX);
    past_seal(&past, bytes);
    assert_memory_equal(bytes, past.bytes, JOURNAL_BYTES_MAX);
    past_write(&past, bytes);
    assert_right(books.folder);
    past_close(&past);
    memory_free(bytes);
    folder_remove(&books);
}

// ---- what is on the disk ----

static void test_every_sampled_bit_counts(void **state) {
    struct test_books books;
    struct day day;
    struct past past;
    test_books_open(&books, SEGMENT_BYTES);
    day_init(&day, &books, 9);
    day_go_on(&day, 150);
    books.engine->port->close(books.engine);
    past_open(&past, books.folder);
    uint64_t end = 0;
    for (uint64_t at = JOURNAL_BLOCK_BYTES; journal_round_is_claimed(past.bytes + at);) {
        struct journal_round_header header;
        memcpy(&header, past.bytes + at, sizeof(header));
        end = at; // where the closing round starts
        at = journal_round_end(at, header.size);
    }
    for (uint64_t at = 0; at < end; at += 251) {
        past.bytes[at] ^= (uint8_t)(1 << at % 8);
        past_write(&past, past.bytes);
        assert_found(books.folder, "one bit", "J");
        past.bytes[at] ^= (uint8_t)(1 << at % 8);
    }
    // The closing round proves the others and nothing proves it: it counts as unfinished.
    past.bytes[end + 20] ^= 1;
    past_write(&past, past.bytes);
    struct verify_report report;
    assert_int_equal(verify_folder(books.folder, NULL, NULL, &report), STATUS_ok);
    assert_true(report.books.consistent);
    assert_false(report.is_closed);
    assert_int_equal(report.unfinished_bytes, JOURNAL_BLOCK_BYTES);
    verify_report_done(&report);
    past.bytes[end + 20] ^= 1;
    past_write(&past, past.bytes);
    past_close(&past);
    folder_remove(&books);
}

static void test_what_is_missing_is_said(void **state) {
    struct test_books books;
    struct verify_report report;
    struct disk *disk;
    assert_int_equal(verify_folder("/nowhere/at/all", NULL, NULL, &report), STATUS_not_found);
    assert_non_null(strstr(report.books.message, "there is no such folder"));
    verify_report_done(&report);
    test_books_open(&books, SEGMENT_BYTES);
    books.engine->port->close(books.engine);
    assert_right(books.folder);
    assert_int_equal(disk_posix_open(books.folder, &disk), STATUS_ok);
    assert_int_equal(disk->driver->rename(disk, "books", "aside"), STATUS_ok);
    assert_int_equal(verify_folder(books.folder, NULL, NULL, &report), STATUS_not_found);
    assert_non_null(strstr(report.books.message, "\"books\" is not there"));
    verify_report_done(&report);
    assert_int_equal(disk->driver->rename(disk, "aside", "books"), STATUS_ok);
    assert_int_equal(disk->driver->rename(disk, "journal", "aside"), STATUS_ok);
    assert_int_equal(verify_folder(books.folder, NULL, NULL, &report), STATUS_not_found);
    assert_non_null(strstr(report.books.message, "there is no journal"));
    verify_report_done(&report);
    assert_int_equal(disk->driver->rename(disk, "aside", "journal"), STATUS_ok);
    disk->driver->done(disk);
    folder_remove(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_day_of_payments_is_right),
        cmocka_unit_test(test_no_change_of_the_past_goes_unnoticed),
        cmocka_unit_test(test_every_sampled_bit_counts),
        cmocka_unit_test(test_what_is_missing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

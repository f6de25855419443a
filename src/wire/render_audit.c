// SPDX-License-Identifier: MIT
// Entries of the audit, as JSON: who did what, to what, and what became of it.
#include <arpa/inet.h>

#include "ledger/audit.h"
#include "wire/operations.h"
#include "wire/render.h"
#include "wire/render_parts.h"

static void render_address(struct buffer *buffer, const uint8_t address[16]) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];
    bool is_four = memcmp(address, mapped, sizeof(mapped)) == 0;
    const char *shown = is_four ? inet_ntop(AF_INET, address + 12, text, sizeof(text))
                                : inet_ntop(AF_INET6, address, text, sizeof(text));
    CHECK(shown != NULL);
    render_word(buffer, shown);
}

static bool has_address(const struct audit_entry *entry) {
    for (size_t i = 0; i < sizeof(entry->origin.address); i++)
        if (entry->origin.address[i] != 0)
            return true;
    return false;
}

static struct slice operation_of(const struct audit_entry *entry) {
    if (entry->command == COMMAND_NOTE)
        return entry->operation;
    const struct operation *operation = operation_of_command((enum command_type)entry->command);
    return slice_of_text(operation != NULL
                             ? operation->name
                             : command_type_name((enum command_type)entry->command));
}

// A role that the configuration no longer has is a number without a name.
static void render_role(struct buffer *buffer, const struct wire_roles *roles, uint8_t role) {
    for (uint32_t i = 0; i < roles->custom_count; i++) {
        if (roles->customs[i].number != role)
            continue;
        RENDER_TEXT(buffer, ",\"role\":", roles->customs[i].name);
        return;
    }
    BUFFER_ADD(buffer, ",\"role\":");
    render_word(buffer, role_name((enum role)role));
}

static void render_entry(struct buffer *buffer, const struct wire_roles *roles,
                         const struct audit_entry *entry) {
    BUFFER_ADD(buffer, "{\"at\":");
    render_time(buffer, entry->at_ms);
    RENDER_TEXT(buffer, ",\"principal\":", entry->origin.principal);
    if (entry->origin.principal.size != 0)
        render_role(buffer, roles, entry->origin.role);
    if (has_address(entry)) {
        BUFFER_ADD(buffer, ",\"address\":");
        render_address(buffer, entry->origin.address);
    }
    RENDER_TEXT(buffer, ",\"operation\":", operation_of(entry));
    if (!id_is_zero(entry->resource.id)) {
        BUFFER_ADD(buffer, ",\"resource\":");
        render_id(buffer, (enum id_type)entry->resource.type, entry->resource.id);
    }
    RENDER_TEXT(buffer, ",\"owner\":", entry->owner);
    BUFFER_ADD(buffer, ",\"outcome\":");
    render_word(buffer, status_name((enum status)entry->status));
    if (entry->replayed)
        BUFFER_ADD(buffer, ",\"replayed\":true");
    RENDER_TEXT(buffer, ",\"request_id\":", entry->origin.request_id);
    if (!id_is_zero(entry->transaction)) {
        BUFFER_ADD(buffer, ",\"transaction\":");
        render_id(buffer, ID_TRANSACTION, entry->transaction);
    }
    if (entry->count > 1) {
        BUFFER_ADD(buffer, ",\"count\":");
        buffer_add_u64(buffer, entry->count);
        BUFFER_ADD(buffer, ",\"until\":");
        render_time(buffer, entry->until_ms);
    }
    BUFFER_ADD(buffer, "}");
}

enum status wire_render_audit(struct buffer *buffer, const struct wire_roles *roles,
                              struct slice bytes, uint32_t note) {
    struct record record;
    const char *invariant;
    enum status status = record_decode(bytes, &record, &invariant);
    if (status != STATUS_ok)
        return status;
    if (note >= audit_entry_count(&record))
        return STATUS_damaged;
    struct audit_entry entry;
    audit_entry_of(&record, note, &entry);
    render_entry(buffer, roles, &entry);
    return STATUS_ok;
}

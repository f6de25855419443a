// SPDX-License-Identifier: MIT
// Prints a page of the reference, or holds a committed page against it:
//     docs_wire api|errors            prints the page
//     docs_wire api|errors FILE       exits with 1 when FILE says something else
#include <stdio.h>
#include <string.h>

#include "access/permissions.h"
#include "base/buffer.h"
#include "base/check.h"
#include "wire/docs.h"

static bool role_allows(uint8_t role_number, const char *permission_word) {
    enum permission permission;
    bool is_known = permission_find(slice_of_text(permission_word), &permission);
    CHECK(is_known); // the operations table and the table of roles use the same words
    return permissions_allow(role_number, permission);
}

static void print_page(struct buffer *page, const char *name) {
    struct docs_role roles[ROLES_MAX];
    uint32_t count;
    const struct role_row *rows = permissions_roles(&count);
    for (uint32_t i = 0; i < count && i < ROLES_MAX; i++)
        roles[i] = (struct docs_role){rows[i].name, rows[i].sentence, rows[i].number,
                                      rows[i].bound};
    struct docs_roles all = {.roles = roles, .count = count, .allows = role_allows};
    if (strcmp(name, "api") == 0)
        docs_render_api(page, &all);
    else
        docs_render_errors(page);
}

static bool read_file(const char *path, struct buffer *content) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    size_t size;
    do {
        size = fread(buffer_room(content, 65536), 1, 65536, file);
        content->size += size;
    } while (size != 0);
    return fclose(file) == 0;
}

int main(int argument_count, char **arguments) {
    struct buffer page = {0}, committed = {0};
    if (argument_count < 2)
        return 2;
    print_page(&page, arguments[1]);
    int failed = 0;
    if (argument_count == 2) {
        (void)fwrite(page.bytes, 1, page.size, stdout);
    } else {
        failed = !read_file(arguments[2], &committed) ||
                 !slice_equal(buffer_slice(&page), buffer_slice(&committed));
        if (failed)
            fprintf(stderr, "%s is not what the tables say; print it anew with docs_wire %s\n",
                    arguments[2], arguments[1]);
        printf("1..1\n%sok 1 - %s is what the tables say\n", failed ? "not " : "", arguments[2]);
    }
    buffer_done(&page);
    buffer_done(&committed);
    return failed;
}

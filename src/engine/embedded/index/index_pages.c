// SPDX-License-Identifier: MIT
// Huge pages need alignment to their size, which the kernel does not promise for a mapping; so a
// larger range is reserved and its ends are given back.
#include "engine/embedded/index/index_pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/check.h"

#define INDEX_PAGE_BYTES      ((size_t)4096)
#define INDEX_HUGE_PAGE_BYTES ((size_t)2 << 20)

static size_t index_pages_round(size_t bytes) {
    size_t page = bytes >= INDEX_HUGE_PAGE_BYTES ? INDEX_HUGE_PAGE_BYTES : INDEX_PAGE_BYTES;
    CHECK(bytes > 0);
    CHECK(bytes <= SIZE_MAX / 2);
    return (bytes + page - 1) / page * page;
}

static uint8_t *index_pages_map(size_t bytes) {
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(pages != MAP_FAILED); // out of memory; what was acknowledged is in the journal
    return pages;
}

static void index_pages_unmap(void *pages, size_t bytes) {
    if (bytes != 0)
        CHECK(munmap(pages, bytes) == 0);
}

void *index_pages_take(size_t bytes) {
    size_t rounded = index_pages_round(bytes);
    if (rounded < INDEX_HUGE_PAGE_BYTES)
        return index_pages_map(rounded);
    uint8_t *reserved = index_pages_map(rounded + INDEX_HUGE_PAGE_BYTES);
    size_t over = (uintptr_t)reserved % INDEX_HUGE_PAGE_BYTES;
    size_t head = over == 0 ? 0 : INDEX_HUGE_PAGE_BYTES - over;
    index_pages_unmap(reserved, head);
    index_pages_unmap(reserved + head + rounded, INDEX_HUGE_PAGE_BYTES - head);
    // Only a hint: kernels without huge pages serve small ones.
    (void)madvise(reserved + head, rounded, MADV_HUGEPAGE);
    return reserved + head;
}

void *index_pages_reserve(size_t bytes) {
    size_t rounded = index_pages_round(bytes);
    void *pages = index_pages_map(rounded);
    (void)madvise(pages, rounded, MADV_NOHUGEPAGE); // unknown to kernels without huge pages
    return pages;
}

void index_pages_touch(void *pages, size_t bytes) {
    size_t rounded = index_pages_round(bytes);
    volatile uint8_t *byte = pages;
    for (size_t offset = 0; offset < rounded; offset += INDEX_PAGE_BYTES)
        byte[offset] =
            byte[offset]; // a write, so that the page is ours and not the shared zero page
}

void index_pages_give(void *pages, size_t bytes) {
    if (pages != NULL)
        index_pages_unmap(pages, index_pages_round(bytes));
}

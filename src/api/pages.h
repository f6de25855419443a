// SPDX-License-Identifier: MIT
// The files of the operator's page, made from web/ at build time by tools/embed_web.py.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct web_file {
    const char *path; // "/", or "/web/..."
    const char *content_type;
    const char *etag; // with its quotes; of the bytes
    const unsigned char *bytes;
    size_t size;
};

// All of them; static storage. Thread: any.
const struct web_file *web_files_all(uint32_t *ret_count);

// SPDX-License-Identifier: MIT
// TLS 1.2 and 1.3 with GnuTLS, as the library speaks it. A certificate can be exchanged while the
// server runs: each connection keeps the identity that it began with, new ones get the new one.
// Only key exchanges with forward secrecy and authenticated ciphers are offered.
#pragma once
#include <stdbool.h>

#include "base/check.h"
#include "base/status.h"

#define TLS_PATH_BYTES_MAX 1023
#define TLS_WHY_BYTES      256

// Paths of PEM files. `client_authority` may be empty: else every client must show a certificate
// that one of these authorities has signed for clients.
struct tls_files {
    char certificate[TLS_PATH_BYTES_MAX + 1]; // the server's, then those between it and a root
    char key[TLS_PATH_BYTES_MAX + 1];
    char client_authority[TLS_PATH_BYTES_MAX + 1];
};

struct tls;

// Reads the files. STATUS_invalid_request: `ret_why` says in one sentence which and why. Thread:
// any, for all of them; the files are copied.
MUST_CHECK enum status tls_open(const struct tls_files *files, char ret_why[TLS_WHY_BYTES],
                                struct tls **ret_tls);
void tls_close(struct tls *tls); // accepts NULL; after the server that uses it
// Wipes the text of the key, which nobody reads once the server was opened.
void tls_forget_key_text(struct tls *tls);
// Reads the files anew. When that fails nothing changes.
MUST_CHECK enum status tls_reload(struct tls *tls, char ret_why[TLS_WHY_BYTES]);
// Whether a file is another than when it was last read, or tried to be.
bool tls_files_changed(struct tls *tls);

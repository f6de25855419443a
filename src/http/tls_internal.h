// SPDX-License-Identifier: MIT
// What the other files of http/ need of TLS. Sessions are GnuTLS's, of a connection of the library.
#pragma once
#include <stddef.h>

#include "base/slice.h"
#include "http/tls.h"

// What is shown to clients, and whom they must show; shared by counting.
struct tls_identity;

// For the start of a daemon, which wants texts of its own though no connection uses them.
const char *tls_certificate_text(const struct tls *tls);
const char *tls_key_text(const struct tls *tls);
const char *tls_priorities(void);

// Gives a new session the present identity, which is held until it is released.
struct tls_identity *tls_begin(struct tls *tls, void *session);
void tls_release(struct tls_identity *identity); // accepts NULL
// Sets `ret_shook_hands`, which lives as long as the session, once the handshake is over.
void tls_watch_handshake(void *session, bool *ret_shook_hands);
// Best effort, never waits.
void tls_send(void *session, struct slice bytes);

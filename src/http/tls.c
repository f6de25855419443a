// SPDX-License-Identifier: MIT
// Identities, and the few things that are asked of a session.
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "http/tls_internal.h"

#define FILE_BYTES_MAX (1024 * 1024)
#define FILES          3

struct tls_identity {
    atomic_uint owners;
    gnutls_certificate_credentials_t credentials;
    bool wants_client;
};

struct file_mark {
    struct timespec changed;
    off_t size;
    ino_t inode;
};

struct tls {
    struct tls_files files;
    pthread_mutex_t lock;
    struct tls_identity *identity; // under the lock
    struct file_mark marks[FILES]; // of the thread that reloads
    struct buffer certificate, key; // of the start; zero-terminated
};

static bool read_text(const char *path, struct buffer *text, char ret_why[TLS_WHY_BYTES]) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = -1;
    (void)buffer_room(text, FILE_BYTES_MAX + 2 * 4096); // never moved: nothing is left behind
    if (file >= 0) {
        do {
            size = read(file, buffer_room(text, 4096), 4096);
            text->size += size > 0 ? (size_t)size : 0;
        } while ((size > 0 && text->size <= FILE_BYTES_MAX) || (size < 0 && errno == EINTR));
    }
    int failure = errno;
    if (file >= 0)
        close(file);
    if (size < 0)
        snprintf(ret_why, TLS_WHY_BYTES, "%.150s cannot be read: %s.", path, strerror(failure));
    else if (size > 0)
        snprintf(ret_why, TLS_WHY_BYTES, "%.150s is larger than %d bytes.", path, FILE_BYTES_MAX);
    buffer_add(text, "", 1);
    return size == 0;
}

static gnutls_datum_t datum_of(const struct buffer *text) {
    return (gnutls_datum_t){.data = text->bytes, .size = (unsigned)text->size - 1};
}

static struct tls_identity *identity_make(const struct tls_files *files,
                                          const struct buffer *certificate,
                                          const struct buffer *key,
                                          const struct buffer *authority,
                                          char ret_why[TLS_WHY_BYTES]) {
    struct tls_identity *identity = memory_take_zeroed(sizeof(*identity));
    atomic_init(&identity->owners, 1);
    CHECK(gnutls_certificate_allocate_credentials(&identity->credentials) == GNUTLS_E_SUCCESS);
    gnutls_datum_t certificate_datum = datum_of(certificate), key_datum = datum_of(key);
    int result = gnutls_certificate_set_x509_key_mem(identity->credentials, &certificate_datum,
                                                     &key_datum, GNUTLS_X509_FMT_PEM);
    if (result < 0)
        snprintf(ret_why, TLS_WHY_BYTES, "The certificate and the key do not fit: %s",
                 gnutls_strerror(result));
    identity->wants_client = files->client_authority[0] != '\0';
    if (result >= 0 && identity->wants_client) {
        gnutls_datum_t authority_datum = datum_of(authority);
        result = gnutls_certificate_set_x509_trust_mem(identity->credentials, &authority_datum,
                                                       GNUTLS_X509_FMT_PEM);
        if (result == 0)
            result = GNUTLS_E_NO_CERTIFICATE_FOUND;
        if (result < 0)
            snprintf(ret_why, TLS_WHY_BYTES, "%.150s has no certificate of an authority: %s",
                     files->client_authority, gnutls_strerror(result));
    }
    if (result >= 0)
        return identity;
    tls_release(identity);
    return NULL;
}

static bool mark_differs(const char *path, struct file_mark *mark) {
    struct stat now;
    if (path[0] == '\0' || stat(path, &now) != 0)
        return false; // what is gone is not read
    bool same = now.st_mtim.tv_sec == mark->changed.tv_sec &&
                now.st_mtim.tv_nsec == mark->changed.tv_nsec && now.st_size == mark->size &&
                now.st_ino == mark->inode;
    *mark = (struct file_mark){now.st_mtim, now.st_size, now.st_ino};
    return !same;
}

bool tls_files_changed(struct tls *tls) {
    const char *const paths[FILES] = {tls->files.certificate, tls->files.key,
                                      tls->files.client_authority};
    bool differs = false;
    for (int i = 0; i < FILES; i++)
        differs = mark_differs(paths[i], &tls->marks[i]) || differs;
    return differs;
}

static struct tls_identity *identity_read(const struct tls_files *files, struct buffer *certificate,
                                          struct buffer *key, char ret_why[TLS_WHY_BYTES]) {
    struct buffer authority = {0};
    struct tls_identity *identity = NULL;
    if (read_text(files->certificate, certificate, ret_why) &&
        read_text(files->key, key, ret_why) &&
        (files->client_authority[0] == '\0' ||
         read_text(files->client_authority, &authority, ret_why)))
        identity = identity_make(files, certificate, key, &authority, ret_why);
    buffer_done(&authority);
    return identity;
}

static void wipe(struct buffer *secret) {
    if (secret->bytes != NULL)
        explicit_bzero(secret->bytes, secret->size);
}

static void forget(struct buffer *secret) {
    wipe(secret);
    buffer_done(secret);
}

enum status tls_open(const struct tls_files *files, char ret_why[TLS_WHY_BYTES],
                     struct tls **ret_tls) {
    struct tls *tls = memory_take_zeroed(sizeof(*tls));
    tls->files = *files;
    CHECK(pthread_mutex_init(&tls->lock, NULL) == 0);
    (void)tls_files_changed(tls); // remembers what they are
    tls->identity = identity_read(files, &tls->certificate, &tls->key, ret_why);
    if (tls->identity == NULL) {
        tls_close(tls);
        return STATUS_invalid_request;
    }
    *ret_tls = tls;
    return STATUS_ok;
}

void tls_forget_key_text(struct tls *tls) {
    wipe(&tls->key); // the library has read it and still points there
}

void tls_close(struct tls *tls) {
    if (tls == NULL)
        return;
    tls_release(tls->identity);
    buffer_done(&tls->certificate);
    forget(&tls->key);
    CHECK(pthread_mutex_destroy(&tls->lock) == 0);
    memory_free(tls);
}

enum status tls_reload(struct tls *tls, char ret_why[TLS_WHY_BYTES]) {
    struct buffer certificate = {0}, key = {0};
    struct tls_identity *identity = identity_read(&tls->files, &certificate, &key, ret_why);
    buffer_done(&certificate);
    forget(&key);
    if (identity == NULL)
        return STATUS_invalid_request;
    CHECK(pthread_mutex_lock(&tls->lock) == 0);
    struct tls_identity *old = tls->identity;
    tls->identity = identity;
    CHECK(pthread_mutex_unlock(&tls->lock) == 0);
    tls_release(old);
    return STATUS_ok;
}

const char *tls_certificate_text(const struct tls *tls) {
    return (const char *)tls->certificate.bytes;
}

const char *tls_key_text(const struct tls *tls) {
    return (const char *)tls->key.bytes;
}

const char *tls_priorities(void) {
    return "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
           "-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:"
           "%SERVER_PRECEDENCE";
}

struct tls_identity *tls_begin(struct tls *tls, void *session) {
    static gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    CHECK(pthread_mutex_lock(&tls->lock) == 0);
    struct tls_identity *identity = tls->identity;
    atomic_fetch_add(&identity->owners, 1);
    CHECK(pthread_mutex_unlock(&tls->lock) == 0);
    CHECK(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, identity->credentials) ==
          GNUTLS_E_SUCCESS);
    if (identity->wants_client) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
    }
    return identity;
}

void tls_release(struct tls_identity *identity) {
    if (identity == NULL || atomic_fetch_sub(&identity->owners, 1) != 1)
        return;
    gnutls_certificate_free_credentials(identity->credentials);
    memory_free(identity);
}

// The client's last word is its Finished, in both versions.
static int hear_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                         const gnutls_datum_t *message) {
    (void)type;
    (void)when;
    (void)message;
    bool *shook_hands = gnutls_db_get_ptr(session);
    *shook_hands = *shook_hands || incoming != 0;
    return 0;
}

void tls_watch_handshake(void *session, bool *ret_shook_hands) {
    gnutls_db_set_ptr(session, ret_shook_hands); // sessions are not kept, so it is free
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
                                       hear_finished);
}

void tls_send(void *session, struct slice bytes) {
    if (bytes.size != 0)
        (void)gnutls_record_send(session, bytes.bytes, bytes.size);
}

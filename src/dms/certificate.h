/* SPDX-License-Identifier: Apache-2.0 */
/* dms/certificate.h: the client certificate that a connection's other side has proved to have. TLS ends in the
 * runtime, which verified it under the policy's authority and tells by getsockopt(SO_PEERSEC); natively there
 * is none. */
#ifndef COFFER_DMS_CERTIFICATE_H
#define COFFER_DMS_CERTIFICATE_H

#include "base/macros.h"
#include "base/slice.h"

#include <stdbool.h>

#define CERTIFICATE_KEY_SIZE (7 + 64 + 1) /* "sha256:" and 64 hexadecimal digits, with the NUL */
#define CERTIFICATE_SUBJECT_SIZE 256

struct peer_certificate {
    char key[CERTIFICATE_KEY_SIZE]; /* the hash of its key (SubjectPublicKeyInfo): who it is */
    char subject[CERTIFICATE_SUBJECT_SIZE]; /* for people, decides nothing; may be empty */
};

/* -ENOENT: there is none. */
must_check int peer_certificate(int fd, struct peer_certificate *ret);

/* What the runtime says of a peer, without its NUL: "coffer-client sha256:HEX SUBJECT". -EBADMSG: it is something else, as
 * from a security module of Linux. */
must_check int peer_certificate_parse(struct slice text, struct peer_certificate *ret);

/* Whether this is how a key is named. */
bool is_certificate_key(const char *text);

#endif

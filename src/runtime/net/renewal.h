/* SPDX-License-Identifier: Apache-2.0 */
/* net/renewal.h: an identity that comes from files is read again when they change, and one that a key
 * broker gave is asked for again when two thirds of its life are over, so that a renewed certificate
 * needs no restart. Connections that exist keep theirs. A pair that is no good, half
 * written perhaps, is tried again a second later; until then the old one serves. */
#ifndef COFFER_RUNTIME_NET_RENEWAL_H
#define COFFER_RUNTIME_NET_RENEWAL_H

#include "runtime/net/tls_context.h"

struct renewal {
    int64_t checked_ns;
    struct renewal_stamp {
        uint64_t inode, size;
        int64_t mtime_ns;
    } certificate, key;
    int64_t renew_at_s, ask_at_ns; /* of a key broker's; 0: not thought of */
};

/* At most once a second: reads the files of `tls` if they are not those read before, or asks its `renew`
 * if that is due. 1 and a new context, 0 (nothing new, or `tls` comes from neither), or -errno (said in *e). The caller locks. */
must_check int renewal_check(struct renewal *renewal, const struct runtime_tls *tls,
                             struct tls_context **ret_context, struct error *e);

/* A file of PEM; the caller frees the bytes. 0 or -errno. */
must_check int renewal_read(const char *path, struct slice *ret_bytes, struct error *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/identity.h: how the key broker gets its own evidence and its sealing key: under the runtime
 * from /dev/coffer, natively (for tests, and said so in the evidence) from the simulated device. */
#ifndef COFFER_KBS_IDENTITY_H
#define COFFER_KBS_IDENTITY_H

#include "attest/ratls.h"
#include "base/error.h"
#include "base/secret.h"

struct identity {
    ratls_evidence_fn *evidence;
    void *ctx;
    struct key256 seal_key;
    struct evidence self; /* verified */
};

/* Is this under the runtime? Reads nothing. 0 or -errno with a text. */
must_check int identity_runtime_here(struct error *e);

/* Under the runtime. 0; -ENOENT there is no /dev/coffer; -EKEYREJECTED the runtime measured another
 * manifest than `manifest_hash`; what the files return. */
must_check int identity_from_runtime(const uint8_t manifest_hash[32], struct identity *ret,
                                     struct error *e);

/* Natively: evidence says `debug`, and no runtime. */
must_check int identity_native(const char *device, const uint8_t manifest_hash[32],
                               bool seal_to_signer, struct identity *ret, struct error *e);

void identity_done(struct identity *identity);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A handshake as the keeper judges it: size and bytes of the signed hash, size and bytes of the
 * server's signature, the messages. One that proves a client proves none under another hash or another
 * signature, nor when it is longer. */
#include "server/transcript.h"
#include "base/buf.h"
#include "base/reader.h"

#include <assert.h>
#include <openssl/x509.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int verify(struct slice messages, struct slice hash, struct slice signature)
{
    struct transcript_peer peer = {0};
    int r = transcript_verify(messages, hash, signature, &peer);
    assert(r == 0 || !peer.certificate);
    X509_free(peer.certificate);
    return r;
}

static void changed(struct slice bytes, struct buf *ret)
{
    buf_append_slice(ret, bytes);
    ret->bytes[0] ^= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader rd = reader_over(slice_of(data, size));
    struct slice hash = reader_slice(&rd, reader_u8(&rd));
    struct slice signature = reader_slice(&rd, reader_u8(&rd));
    struct slice messages = reader_slice(&rd, reader_left(&rd));
    if (!reader_finished(&rd) || verify(messages, hash, signature) < 0)
        return 0;
    struct buf other_hash = {0}, other_signature = {0}, longer = {0};
    changed(hash, &other_hash);
    assert(verify(messages, buf_slice(&other_hash), signature) < 0);
    if (signature.size > 0) {
        changed(signature, &other_signature);
        assert(verify(messages, hash, buf_slice(&other_signature)) < 0);
    }
    buf_append_slice(&longer, messages);
    buf_append_byte(&longer, 0);
    assert(verify(buf_slice(&longer), hash, signature) < 0);
    buf_done(&other_hash);
    buf_done(&other_signature);
    buf_done(&longer);
    return 0;
}

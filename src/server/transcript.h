/* SPDX-License-Identifier: Apache-2.0 */
/* server/transcript.h: the messages of a TLS 1.3 handshake (RFC 8446, section 4) as a server saw
 * them, and what they prove to somebody who holds the server's key but did not speak TLS himself: that
 * the client signed this very handshake, with the key of the certificate it showed. Judges bytes;
 * no I/O, no clock. Any thread.
 *
 * The messages follow each other as they were sent, each with its header of type and length:
 * ClientHello, [HelloRetryRequest, ClientHello,] ServerHello, EncryptedExtensions,
 * CertificateRequest, Certificate, CertificateVerify, Finished; then the client's Certificate and,
 * unless that is empty, CertificateVerify. */
#ifndef COFFER_SERVER_TRANSCRIPT_H
#define COFFER_SERVER_TRANSCRIPT_H

#include "base/macros.h"
#include "base/slice.h"
#include "crypto/crypto.h"

#include <openssl/types.h>

#define TRANSCRIPT_RANDOM_SIZE 32
#define TRANSCRIPT_HASH_SIZE_MAX SHA384_SIZE
#define TRANSCRIPT_SIGNATURE_SIZE_MAX 80 /* ECDSA over P-256, DER */
#define TRANSCRIPT_SIZE_MAX (256u << 10)
/* What a client signs with; the same list for OpenSSL, which offers it in the CertificateRequest. */
#define TRANSCRIPT_SIGNATURES                                                       \
    "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:" \
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512"

/* SHA-256 or SHA-384, by `hash_size`, over whole messages (section 4.4.1, which replaces a first
 * ClientHello by its hash). 0; -EINVAL another size; -EBADMSG messages that are cut off; -EIO. */
must_check int transcript_hash(struct slice messages, size_t hash_size, uint8_t *ret_hash);

/* What the server's CertificateVerify signs for that hash (section 4.4.3): SHA-256 of the content. */
must_check int transcript_server_digest(struct slice hash, uint8_t ret_digest[SHA256_SIZE]);

struct transcript_peer {
    X509 *certificate; /* the caller's; NULL: the client showed none */
    uint8_t server_random[TRANSCRIPT_RANDOM_SIZE];
};

/* `signed_hash` and `signature` are what the holder of the server's key has signed for this
 * handshake: the messages must have that hash up to the server's Certificate and hold that signature
 * behind it, so they are of now. 0; -EBADMSG messages of another shape or handshake; -EKEYREJECTED the
 * client's signature is not good, or of a kind that is not offered; -ENOMEM, -EIO. */
must_check int transcript_verify(struct slice messages, struct slice signed_hash,
                                 struct slice signature, struct transcript_peer *ret_peer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* net/options.h: the network rules of a command line without a policy (`coffer run --tls-listen`).
 *
 *   --tls-listen PORT       what the program accepts on PORT is TLS
 *   --tls-cert FILE         its certificate and chain (PEM); without it one is made for localhost and
 *                           this start, and
 *   --tls-cert-out FILE     is where clients find it to trust
 *   --tls-key FILE          the private key (PEM)
 *   --tls-client-ca FILE    clients must show a certificate under this authority
 *                           both files are read again when they change; servers that ask are shown it
 *   --tls-alpn LIST         protocols to accept and to offer, as "h2,http/1.1"
 *   --tls-1.2               TLS 1.2 is enough
 *   --tls-connect HOST:PORT=CA   what the program connects to there is TLS to HOST, signed by CA
 */
#ifndef COFFER_RUNTIME_NET_OPTIONS_H
#define COFFER_RUNTIME_NET_OPTIONS_H

#include "runtime/config.h"

/* clang-format off */
#define NET_OPTIONS_USAGE                                                                         \
    "  --tls-listen PORT        speak TLS on this port, plaintext to the program (repeat)\n"      \
    "  --tls-cert FILE, --tls-key FILE  its certificate chain and private key (PEM); without\n"   \
    "                           them a fresh certificate for localhost\n"                         \
    "  --tls-cert-out FILE      write that certificate, for clients to trust\n"                   \
    "  --tls-client-ca FILE     demand client certificates under this authority\n"                \
    "  --tls-1.2                allow TLS 1.2 too\n"                                              \
    "  --tls-alpn LIST          ALPN protocols, best first, with commas between (http/1.1)\n"      \
    "  --tls-connect HOST:PORT=CA  make connections to HOST:PORT TLS, signed by CA (PEM)\n"
/* clang-format on */

/* Is `flag` (with its dashes, without a value) one of the above, and does it want a value? */
bool net_option_known(const char *flag, bool *ret_wants_value);

/* Takes one; `value` must live as long as the process. 0 or -EINVAL. */
must_check int net_option(struct runtime_config *config, const char *flag, const char *value,
                          struct error *e);

/* For a policy file: the identity of its TLS rules (`listens`: make one if no flag names it), and what
 * it says about TLS. `client_ca` is PEM or NULL; `alpn` has commas between names, and may be empty. */
const struct runtime_tls *net_options_identity(bool listens);
void net_options_policy(const char *client_ca, bool allow_1_2, const char *alpn);

/* After the last: reads the files, makes the certificate. What it allocates is kept for the life of
 * the process. 0 or -errno. */
must_check int net_options_finish(struct runtime_config *config, struct error *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* net/options.h: the network rules of a command line without a policy (`coffer run --tls-listen`).
 *
 *   --tls-listen PORT       what the program accepts on PORT is TLS
 *   --tls-cert FILE         its certificate and chain (PEM); without it one is made for localhost and
 *                           this start, and
 *   --tls-cert-out FILE     is where clients find it to trust
 *   --tls-key FILE          the private key (PEM)
 *   --tls-client-ca FILE    clients must show a certificate under this authority
 *   --tls-1.2               TLS 1.2 is enough
 *   --tls-connect HOST:PORT=CA   what the program connects to there is TLS to HOST, signed by CA
 */
#ifndef COFFER_RUNTIME_NET_OPTIONS_H
#define COFFER_RUNTIME_NET_OPTIONS_H

#include "runtime/config.h"

#define NET_OPTIONS_USAGE                                                                 \
    "  --tls-listen PORT   what the program accepts on PORT is TLS (repeat)\n"            \
    "  --tls-cert FILE     certificate and chain, PEM; default: one made for localhost\n" \
    "  --tls-key FILE      its private key, PEM\n"                                        \
    "  --tls-cert-out FILE write the certificate that was made, for clients to trust\n"   \
    "  --tls-client-ca FILE  demand client certificates under this authority\n"           \
    "  --tls-1.2           allow TLS 1.2 too\n"                                           \
    "  --tls-connect HOST:PORT=CA  connections to HOST:PORT are TLS, signed by CA (PEM)\n"

/* Is `flag` (with its dashes, without a value) one of the above, and does it want a value? */
bool net_option_known(const char *flag, bool *ret_wants_value);

/* Takes one; `value` must live as long as the process. 0 or -EINVAL. */
must_check int net_option(struct runtime_config *config, const char *flag, const char *value,
                          struct error *e);

/* After the last: reads the files, makes the certificate. What it allocates is kept for the life of
 * the process. 0 or -errno. */
must_check int net_options_finish(struct runtime_config *config, struct error *e);

#endif

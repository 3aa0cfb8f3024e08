/* SPDX-License-Identifier: Apache-2.0 */
/* net/tls_context.h: what all TLS connections under one network rule share.
 *
 * Made after the last fork that the launcher does, in the process that uses it: it holds the private
 * key and the ticket key. OpenSSL reads no configuration and knows no default path: trust comes
 * from the rule alone. TLS 1.3, and 1.2 where the rule says so; no compression, no renegotiation,
 * no early data. ALPN: a server takes the first of `alpn` that the client offers, and goes on without
 * if there is none; unless told otherwise it knows "http/1.1". A client offers `alpn`, by default
 * nothing. Tickets are good in every process that has the same ticket key. A client resumes its last
 * session with the same server, each ticket once. */
#ifndef COFFER_RUNTIME_NET_TLS_CONTEXT_H
#define COFFER_RUNTIME_NET_TLS_CONTEXT_H

#include "runtime/config.h"

struct ssl_st;
struct tls_context;

/* For connections that are accepted. `tls` is not kept. 0, -EINVAL (the identity is no good; said
 * in *e) or -ENOMEM. */
must_check int tls_context_new_server(const struct runtime_tls *tls,
                                      struct tls_context **ret_context, struct error *e);

/* For connections that are made. `trust_pem` says who may sign the peer's certificate. `identity`
 * may be NULL; otherwise its certificate is shown where the peer asks for one. */
must_check int tls_context_new_client(struct slice trust_pem, const struct runtime_tls *identity,
                                      struct tls_context **ret_context, struct error *e);

/* When the first certificate in `pem` should be renewed, in Unix time: when two thirds of its life are over.
 * INT64_MAX: it cannot be read. */
int64_t tls_certificate_renewal(struct slice pem);

/* Another reference; tls_context_free() gives one back. */
must_check struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_free(struct tls_context *context);
void tls_context_freep(struct tls_context **context);

/* A new OpenSSL connection; NULL without memory. A client's proves that its peer is `server_name`,
 * a DNS name or an address, which the caller keeps as long as the connection. Safe on any thread. */
must_check struct ssl_st *tls_context_ssl(struct tls_context *context, const char *server_name);

#endif

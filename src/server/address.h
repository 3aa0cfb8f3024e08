/* SPDX-License-Identifier: Apache-2.0 */
/* server/address.h: numeric socket addresses as people write them, and listening on them. Resolves
 * no names. */
#ifndef COFFER_SERVER_ADDRESS_H
#define COFFER_SERVER_ADDRESS_H

#include "base/error.h"
#include "base/macros.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 64

/* "127.0.0.1:8443", "[::1]:8443"; "localhost" stands for 127.0.0.1. -EINVAL with a text in `e`. */
must_check int address_parse(const char *text, struct sockaddr_storage *ret_address,
                             socklen_t *ret_size, struct error *e);

/* A listening TCP socket (close-on-exec, non-blocking) at `text`, or -errno with a text in `e`;
 * `flag` is what the user would change if the port is taken. *ret_port, if not NULL, is the port:
 * the kernel's choice if `text` said 0. */
must_check int address_listen(const char *text, const char *flag, uint16_t *ret_port,
                              struct error *e);

/* A listening Unix socket of `type` at `path` with mode 0600; one that is there is replaced. */
must_check int address_listen_unix(const char *path, int type, struct error *e);
must_check int address_connect_unix(const char *path, int type, struct error *e);

#endif

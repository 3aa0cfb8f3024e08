/* SPDX-License-Identifier: Apache-2.0 */
/* cli/gateway_client.h: requests to the gateway of the running system, over its Unix socket. */
#ifndef COFFER_CLI_GATEWAY_CLIENT_H
#define COFFER_CLI_GATEWAY_CLIENT_H

#include "base/buf.h"
#include "base/error.h"

/* *ret_body lies in `answer`. -ECONNREFUSED: nothing runs in that state directory; -EREMOTEIO: the
 * gateway says no, and `e` why. */
must_check int gateway_ask(const char *state, const char *method, const char *path,
                           struct buf *answer, struct slice *ret_body, struct error *e);

#endif

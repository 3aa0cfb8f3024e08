/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/front.h: accepts connections, waits for the server name without taking a byte from them,
 * and gives each to whoever owns the name. What has no name, an unknown one or no TLS gets its
 * answer here. Half-open connections are bounded in size, time, number, and number per address. */
#ifndef COFFER_GATEWAY_FRONT_H
#define COFFER_GATEWAY_FRONT_H

#include "server/loop.h"

struct front_settings {
    uint64_t half_open_max;             /* in total; over it the oldest is closed */
    uint64_t half_open_per_address_max; /* over it the newest is closed (IPv6: per /64) */
    uint64_t hello_ns_max;              /* from accept() to the complete ClientHello */
};

struct front_counts {
    uint64_t accepted, routed, half_open;
    uint64_t closed_slow, closed_early, closed_over_limit, closed_over_address_limit;
    uint64_t refused_no_name, refused_unknown_name, refused_malformed, refused_plain_http;
    uint64_t accept_failures;
};

/* Takes the connection (then 0) or says -ENOENT: nobody has that name. `name` is a valid host name.
 * The socket is non-blocking; not one byte has been read from it. */
typedef int front_route_fn(void *ctx, const char *name, int fd);

struct front;

/* Accepts on `listen_fd`, which stays the caller's. `settings` must outlive the front. */
must_check int front_new(struct loop *loop, const struct front_settings *settings, int listen_fd,
                         front_route_fn *route, void *ctx, struct front **ret_front);
/* No more are accepted; half-open ones are closed. */
void front_free(struct front *front);

/* `front` may be NULL: zeros. */
const struct front_counts *front_counts(const struct front *front);

#endif

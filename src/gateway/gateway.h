/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/gateway.h: what the parts of the program `coffer-gateway` share. */
#ifndef COFFER_GATEWAY_GATEWAY_H
#define COFFER_GATEWAY_GATEWAY_H

#include "base/buf.h"
#include "base/error.h"
#include "gateway/agent.h"
#include "gateway/front.h"
#include "gateway/servers.h"
#include "server/loop.h"

struct gateway {
    struct loop *loop;
    struct front *front;
    struct servers *servers;
    struct agent *agent;
    struct loop_timer tick;
    const char *domain;
    const char *tenants_dir;
    uint64_t uid_base;
};

/* Reserves and serves `name`. 0 (also if it is there already) or -errno with a text. */
must_check int gateway_tenant_add(struct gateway *gateway, struct slice name, struct error *e);
/* Call after anything was told to the agent: does what is due, and sets the timer. */
void gateway_agent_tick(struct gateway *gateway);

/* gateway/operator.c: the operator's page. `local_fd` (a Unix socket) may change things, `page_fd`
 * (TCP on loopback; -1: none) only shows them. Both belong to it from here on. */
struct operator_page;
must_check int operator_new(struct gateway *gateway, int page_fd, int local_fd,
                            struct operator_page **ret_page);
void operator_free(struct operator_page *page);

/* gateway/view.c: what the operator's page shows. 0 or -ENOMEM. */
must_check int view_metrics(const struct gateway *gateway, struct buf *out);
must_check int view_tenants_json(const struct gateway *gateway, struct buf *out);
must_check int view_dashboard(const struct gateway *gateway, struct buf *out);

#endif

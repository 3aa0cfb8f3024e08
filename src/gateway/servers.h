/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/servers.h: the agent's hands: document servers started through the launcher, their
 * hand-over sockets and status pages. One descriptor here per server. What servers and launcher
 * say is hostile input. */
#ifndef COFFER_GATEWAY_SERVERS_H
#define COFFER_GATEWAY_SERVERS_H

#include "base/buf.h"
#include "gateway/agent.h"
#include "gateway/memory.h"
#include "server/loop.h"

struct servers_settings {
    const char *launcher;    /* path of its Unix socket */
    const char *policy;      /* name of the policy that documents are served under */
    const char *program;     /* host path of the document server */
    const char *tenants_dir; /* a server's volumes lie in TENANTS_DIR/name */
};

struct servers;

/* `settings` must outlive the servers. Connects to the launcher in the background, again and again.
 */
must_check int servers_new(struct loop *loop, const struct servers_settings *settings,
                           struct servers **ret_servers);
void servers_free(struct servers *servers);

extern const struct agent_ops servers_ops; /* ctx: the servers */

/* Where events go. Called once, before the loop runs. */
void servers_set_agent(struct servers *servers, struct agent *agent, void (*changed)(void *),
                       void *ctx);

/* What a dashboard shows of a tenant's server. Zeros without a server. `fresh` allows a look into /proc that takes about
 * 0.2 ms; otherwise the last one counts. */
struct server_view {
    int pid;
    uint64_t active_ns, connections, handshakes, handshakes_failed, volume_bytes;
    struct memory memory; /* private_kib -1: not known */
};
void servers_view(const struct tenant *t, bool fresh, struct server_view *ret_view);

bool servers_launcher_is_there(const struct servers *servers);

#endif

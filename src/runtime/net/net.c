/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/net.h"

#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/net/internal.h"

#include <errno.h>

#define EXIT_LINGER_NS ((int64_t)2 * 1000000000)

int net_init(const struct runtime_config *config, struct error *e)
{
    uint32_t mark;
    int r = rules_check(config, e);
    if (r < 0)
        return r;
    g_net.config = config;
    for (unsigned i = 0; i < config->net_rule_count; i++) {
        const struct runtime_net_rule *rule = &config->net_rules[i];
        if (rule->protocol == NET_UNIX && !rule->address)
            return error_set(e, -EINVAL, "network rule %u: a Unix socket without a path", i);
        g_net.has_destinations |= !rule->listen && rule->class == NET_CLASS_TLS;
        g_net.has_tls |= rule->class == NET_CLASS_TLS || rule->class == NET_CLASS_HANDOVER;
    }
    if (platform()->random(&mark, sizeof mark) < 0)
        return error_set(e, -EIO, "no randomness");
    /* Not a number and not an address: the top bit is set, and not all of the others above bit 47. */
    g_net.mark = (uint64_t)((mark & 0x7fffffffu & ~0x40000000u) | 0x80010000u) << 32;
    r = handover_init(config, e);
    if (r < 0)
        return r;
    r = gate_init();
    if (r == 0)
        r = exec_resume();
    if (r == 0)
        adopt_inherited();
    return r < 0 ? error_set(e, r, "cannot start the network shield") : 0;
}

/* At exit the kernel closes what is open, which a peer would take for a cut stream. */
static void say_goodbye(void)
{
    for (struct net_socket *s = g_net.sockets; s; s = s->next) {
        int fd = atomic_load(&s->file.host_fd);
        if (s->kind != NET_TLS || !s->claimed || fd < 0 || !s->tls)
            continue;
        s->claimed = false;
        s->foreign = true;
        if (tls_conn_is_established(s->tls))
            linger_add(s->tls, fd);
        s->tls = NULL;
    }
}

void net_see_names(bool may)
{
    g_net.sees_names = may;
}

bool net_must_close(void)
{
    return g_net.has_tls || g_net.has_destinations;
}

void net_exit(void)
{
    if (!g_net.config)
        return;
    gate_enter();
    lock_acquire(&g_net.list_lock);
    say_goodbye();
    lock_release(&g_net.list_lock);
    gate_leave();
    linger_finish(EXIT_LINGER_NS);
}

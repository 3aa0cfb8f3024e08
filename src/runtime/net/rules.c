/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "platform/host.h"
#include "runtime/net/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>

enum { ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN + 8, REFUSALS_PER_MINUTE = 20 };

static bool may_log(void)
{
    static struct log_limit limit;
    static lock_word lock;
    SCOPED(lock_leave) lock_word *held = lock_enter(&lock);
    return log_allows(&limit, net_now_ns() / 1000000000, REFUSALS_PER_MINUTE);
}

static bool is_literal(const char *name, uint8_t *ret_address, int *ret_family)
{
    *ret_family = AF_INET;
    if (inet_pton(AF_INET, name, ret_address) == 1)
        return true;
    *ret_family = AF_INET6;
    return inet_pton(AF_INET6, name, ret_address) == 1;
}

/* Two names behind one port: which of them an address stands for, nobody we trust can say. */
static bool is_ambiguous(const struct runtime_config *config, unsigned index)
{
    const struct runtime_net_rule *rule = &config->net_rules[index];
    uint8_t address[16];
    int family;
    if (rule->listen || rule->class != NET_CLASS_TLS || !rule->address ||
        is_literal(rule->address, address, &family))
        return false;
    for (unsigned i = 0; i < index; i++) {
        const struct runtime_net_rule *other = &config->net_rules[i];
        if (!other->listen && other->class == NET_CLASS_TLS && other->port == rule->port &&
            other->address && !is_literal(other->address, address, &family))
            return true;
    }
    return false;
}

int rules_check(const struct runtime_config *config, struct error *e)
{
    for (unsigned i = 0; i < config->net_rule_count; i++) {
        const struct runtime_net_rule *rule = &config->net_rules[i];
        bool tls = rule->class == NET_CLASS_TLS || rule->class == NET_CLASS_HANDOVER;
        if (tls && rule->listen && !rule->tls)
            return error_set(e, -EINVAL, "network rule %u (port %u) has no TLS identity", i,
                             rule->port);
        if (rule->class == NET_CLASS_HANDOVER && (!rule->listen || config->handover_fd < 0))
            return error_set(e, -EINVAL, "network rule %u: nobody hands connections over", i);
        if (tls && !rule->listen && !rule->server_name && !rule->address)
            return error_set(e, -EINVAL, "network rule %u: TLS to any address needs a server name",
                             i);
        if (is_ambiguous(config, i))
            return error_set(e, -EINVAL,
                             "network rule %u: another server name has port %u already; name "
                             "addresses instead",
                             i, rule->port);
    }
    return 0;
}

int address_port(const struct sockaddr_storage *address, socklen_t size)
{
    if (address->ss_family == AF_INET && size >= sizeof(struct sockaddr_in))
        return ntohs(((const struct sockaddr_in *)address)->sin_port);
    if (address->ss_family == AF_INET6 && size >= offsetof(struct sockaddr_in6, sin6_scope_id))
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return -1;
}

static void address_text(const struct sockaddr_storage *address, char text[ADDRESS_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    const void *bytes = address->ss_family == AF_INET
                            ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    (void)inet_ntop(address->ss_family, bytes, host, sizeof host);
    snprintf(text, ADDRESS_TEXT_SIZE, address->ss_family == AF_INET ? "%s:%d" : "[%s]:%d", host,
             address_port(address, sizeof *address));
}

/* Exact ports before any port. */
int rules_for_listen(int port, const struct runtime_net_rule **ret_rule)
{
    const struct runtime_net_rule *found = NULL;
    for (unsigned i = 0; i < g_net.config->net_rule_count; i++) {
        const struct runtime_net_rule *rule = &g_net.config->net_rules[i];
        if (rule->listen && (rule->port == port || (rule->port == 0 && !found)))
            found = rule;
        if (found && found->port == port)
            break;
    }
    bool denied = found ? found->class == NET_CLASS_DENIED : g_net.config->has_policy;
    if (denied && may_log())
        LOG_WARNING(found ? "refused to listen: a network rule denies this port"
                          : "refused to listen: no network rule names this port",
                    LOG_INT("port", port));
    if (denied)
        return -EACCES;
    *ret_rule = found;
    return 0;
}

/* The address itself without the mapping of IPv4 into IPv6. */
static const uint8_t *address_bytes(const struct sockaddr_storage *address, int *ret_family)
{
    *ret_family = address->ss_family;
    if (address->ss_family == AF_INET)
        return (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(six))
        return six->s6_addr;
    *ret_family = AF_INET;
    return six->s6_addr + 12;
}

/* How well the rule fits: 0 not at all. A name fits every address, for the certificate proves it;
 * for a plain connection "localhost" is the only name, since nothing proves others. */
static int rule_fits(const struct runtime_net_rule *rule, const struct sockaddr_storage *address,
                     int port, bool stream)
{
    uint8_t wanted[16];
    int family, wanted_family;
    if (rule->listen || (rule->port != 0 && rule->port != port) ||
        (!stream && rule->class == NET_CLASS_TLS))
        return 0;
    int fit = rule->port != 0 ? 2 : 1;
    if (!rule->address)
        return fit;
    const uint8_t *bytes = address_bytes(address, &family);
    if (is_literal(rule->address, wanted, &wanted_family))
        return family == wanted_family && memcmp(bytes, wanted, family == AF_INET ? 4 : 16) == 0
                   ? fit + 4
                   : 0;
    if (strcmp(rule->address, "localhost") == 0) {
        bool loops =
            family == AF_INET ? bytes[0] == 127 : memcmp(bytes, &in6addr_loopback, 16) == 0;
        return loops ? fit + 2 : 0;
    }
    return rule->class == NET_CLASS_TLS || rule->class == NET_CLASS_DENIED ? fit : 0;
}

int rules_for_destination(const struct sockaddr_storage *address, socklen_t size, bool stream,
                          const struct runtime_net_rule **ret_rule)
{
    int port = address_port(address, size), best = 0;
    const struct runtime_net_rule *found = NULL;
    *ret_rule = NULL;
    if (port < 0)
        return 0;
    for (unsigned i = 0; i < g_net.config->net_rule_count; i++) {
        int fit = rule_fits(&g_net.config->net_rules[i], address, port, stream);
        if (fit > best) {
            best = fit;
            found = &g_net.config->net_rules[i];
        }
    }
    if (found ? found->class != NET_CLASS_DENIED : !g_net.config->has_policy) {
        *ret_rule = found;
        return 0;
    }
    char text[ADDRESS_TEXT_SIZE];
    address_text(address, text);
    if (may_log())
        LOG_WARNING(found ? "refused a destination that a network rule denies"
                          : "refused a destination that no network rule names",
                    LOG_TEXT("destination", text), LOG_TEXT("protocol", stream ? "tcp" : "udp"));
    return -EACCES;
}

int rules_for_socket(int domain, int type, int protocol)
{
    if (!g_net.config->has_policy || domain == AF_UNIX)
        return 0;
    /* What the C library asks for the interfaces; it carries nothing out. */
    if (domain == AF_NETLINK && protocol == NETLINK_ROUTE)
        return 0;
    type &= 0xf;
    if ((domain == AF_INET || domain == AF_INET6) && (type == SOCK_STREAM || type == SOCK_DGRAM))
        return 0; /* judged by where it goes */
    if (may_log())
        LOG_WARNING("refused a kind of socket that no network rule can name",
                    LOG_INT("domain", domain), LOG_INT("type", type),
                    LOG_INT("protocol", protocol));
    return -EACCES;
}

int rules_context(const struct runtime_net_rule *rule, struct tls_context **ret_context)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.context_lock);
    struct tls_context **slot = &g_net.contexts[rule - g_net.config->net_rules];
    struct error e = {0};
    if (!*slot) {
        int r = rule->listen ? tls_context_new_server(rule->tls, slot, &e)
                             : tls_context_new_client(rule->trust_pem, rule->tls, slot, &e);
        if (r < 0) {
            if (may_log())
                LOG_ERROR("a network rule cannot be used", LOG_INT("port", rule->port),
                          LOG_TEXT("error", error_text(&e, r)));
            return r == -ENOMEM ? r : -EIO;
        }
    }
    *ret_context = *slot;
    return 0;
}

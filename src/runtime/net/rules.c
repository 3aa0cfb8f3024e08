/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "platform/host.h"
#include "runtime/explain/explain.h"
#include "runtime/net/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum {
    ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN + 8,
    UNIX_NAME_SIZE = PATH_MAX + 1,
    REFUSALS_PER_MINUTE = 20,
};

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

/* A name without a certificate: whoever says what address it has would choose where the bytes go. */
static bool is_unproven_name(const struct runtime_net_rule *rule)
{
    uint8_t address[16];
    int family;
    return !rule->listen && rule->class == NET_CLASS_PLAIN && rule->protocol != NET_UNIX &&
           rule->address && strcmp(rule->address, "localhost") != 0 &&
           !is_literal(rule->address, address, &family);
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
        if (is_unproven_name(rule))
            return error_set(e, -EINVAL,
                             "network rule %u: nothing proves where '%s' is without TLS; name its "
                             "address, or class tls",
                             i, rule->address);
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

static const char *address_text(const struct sockaddr_storage *address,
                                char text[ADDRESS_TEXT_SIZE])
{
    const void *bytes = address->ss_family == AF_INET
                            ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    return inet_ntop(address->ss_family, bytes, text, ADDRESS_TEXT_SIZE) ? text : "?";
}

/* Denied by a rule, or by there being none: says so; otherwise tells the recorder. */
static int decide(const struct runtime_net_rule *found, const struct explain_end *end,
                  const struct runtime_net_rule **ret_rule)
{
    if (found ? found->class == NET_CLASS_DENIED : g_net.config->has_policy) {
        explain_net(end, found != NULL);
        return -EACCES;
    }
    record_net(end);
    *ret_rule = found;
    return 0;
}

/* Exact ports before any port. */
int rules_for_listen(int port, enum net_protocol protocol, const struct runtime_net_rule **ret_rule)
{
    const struct runtime_net_rule *found = NULL;
    const struct explain_end end = {.listen = true, .protocol = protocol, .port = port};
    for (unsigned i = 0; i < g_net.config->net_rule_count; i++) {
        const struct runtime_net_rule *rule = &g_net.config->net_rules[i];
        if (rule->protocol == protocol && rule->listen &&
            (rule->port == port || (rule->port == 0 && !found)))
            found = rule;
        if (found && found->port == port)
            break;
    }
    return decide(found, &end, ret_rule);
}

/* "/run/x" or "@name" as rules write it; NULL: it has no name yet, or none that could be one. */
/* A relative path as the host will see it: from the host's idea of the working directory. */
static bool unix_path_complete(char name[UNIX_NAME_SIZE], const char *path, size_t len)
{
    size_t head = 0;
    if (path[0] != '/') {
        long n = host_call(SYS_getcwd, name, UNIX_NAME_SIZE - 1);
        if (n <= 1 || n > UNIX_NAME_SIZE - 1)
            return false;
        head = (size_t)n - 1;
        if (head > 1)
            name[head++] = '/';
    }
    if (head + len >= UNIX_NAME_SIZE)
        return false;
    memcpy(name + head, path, len);
    name[head + len] = '\0';
    return true;
}

static const char *unix_name(const struct sockaddr_storage *address, socklen_t size,
                             char name[UNIX_NAME_SIZE])
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)address;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    if (size <= head || size > sizeof *un)
        return NULL;
    size_t room = size - head, len = strnlen(un->sun_path, room);
    if (un->sun_path[0] != '\0')
        return unix_path_complete(name, un->sun_path, len) ? name : "?";
    name[0] = '@';
    for (size_t i = 1; i < room; i++) /* a name with a NUL in it: no rule can mean it */
        name[i] = un->sun_path[i] ? un->sun_path[i] : '\x01';
    name[room] = '\0';
    return name;
}

static bool unix_fits(const char *wanted, const char *name)
{
    size_t len = strlen(wanted);
    if (len > 1 && wanted[len - 1] == '/')
        return strncmp(wanted, name, len) == 0 && !strstr(name, "/../");
    return strcmp(wanted, name) == 0;
}

static bool host_has(const char *path)
{
    struct statx stat;
    return host_call(SYS_statx, AT_FDCWD, path, 0, STATX_TYPE, &stat) != -ENOENT;
}

int rules_for_unix(const struct sockaddr_storage *address, socklen_t size, bool listen)
{
    char name[UNIX_NAME_SIZE];
    const struct runtime_net_rule *found = NULL, *unused;
    if (!g_net.config->has_policy && !g_explain_records)
        return 0;
    struct explain_end end = {.listen = listen, .protocol = NET_UNIX};
    end.address = unix_name(address, size, name);
    if (!end.address)
        return 0;
    for (unsigned i = 0; i < g_net.config->net_rule_count && !found; i++) {
        const struct runtime_net_rule *rule = &g_net.config->net_rules[i];
        if (rule->protocol == NET_UNIX && rule->listen == listen && unix_fits(rule->address, name))
            found = rule;
    }
    if (!found && !listen && name[0] == '/' && g_net.config->has_policy && !host_has(name))
        return -ENOENT; /* as without a policy: programs try sockets that few machines have */
    return decide(found, &end, &unused);
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
                     int port, enum net_protocol protocol)
{
    uint8_t wanted[16];
    int family, wanted_family;
    if (rule->listen || (rule->port != 0 && rule->port != port) || rule->protocol != protocol)
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

const struct runtime_net_rule *rules_find_destination(const struct sockaddr_storage *address,
                                                      socklen_t size, bool stream)
{
    enum net_protocol protocol = stream ? NET_TCP : NET_UDP;
    int port = address_port(address, size), best = 0;
    const struct runtime_net_rule *found = NULL;
    for (unsigned i = 0; port >= 0 && i < g_net.config->net_rule_count; i++) {
        int fit = rule_fits(&g_net.config->net_rules[i], address, port, protocol);
        if (fit > best) {
            best = fit;
            found = &g_net.config->net_rules[i];
        }
    }
    return found;
}

int rules_for_destination(const struct sockaddr_storage *address, socklen_t size, bool stream,
                          const struct runtime_net_rule **ret_rule)
{
    int port = address_port(address, size);
    char text[ADDRESS_TEXT_SIZE];
    *ret_rule = NULL;
    if (address->ss_family == AF_UNIX)
        return rules_for_unix(address, size, false);
    if (port < 0)
        return 0;
    const struct explain_end end = {.protocol = stream ? NET_TCP : NET_UDP,
                                    .address = address_text(address, text),
                                    .port = port};
    return decide(rules_find_destination(address, size, stream), &end, ret_rule);
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
    explain_socket(domain, type, protocol);
    return -EACCES;
}

static void renew(const struct runtime_net_rule *rule, struct tls_context **slot)
{
    LARGE_TABLE static struct renewal renewals[RUNTIME_NET_RULES_MAX];
    struct tls_context *fresh = NULL;
    struct error e = {0};
    int r = renewal_check(&renewals[rule - g_net.config->net_rules], rule->tls, &fresh, &e);
    if (r < 0 && may_log())
        LOG_WARNING("a changed certificate cannot be used; the old one stays",
                    LOG_INT("port", rule->port), LOG_TEXT("error", error_text(&e, r)));
    if (r <= 0)
        return;
    if (*slot)
        LOG_NOTICE("certificate read again", LOG_INT("port", rule->port));
    tls_context_free(*slot);
    *slot = fresh;
}

int rules_context(const struct runtime_net_rule *rule, struct tls_context **ret_context)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_net.context_lock);
    struct tls_context **slot = &g_net.contexts[rule - g_net.config->net_rules];
    struct error e = {0};
    if (rule->listen)
        renew(rule, slot);
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
    *ret_context = tls_context_ref(*slot);
    return 0;
}

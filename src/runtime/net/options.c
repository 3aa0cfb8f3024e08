/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/options.h"

#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/net/identity.h"
#include "runtime/net/renewal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the flags said; one command line per process. */
static struct {
    const char *certificate, *certificate_out, *key, *client_ca, *alpn;
    const char *trust[RUNTIME_NET_RULES_MAX]; /* by rule: the file of --tls-connect */
    bool allow_1_2;
    bool listens;
} g_options;

static struct runtime_tls g_identity, g_client;

static const struct {
    const char *flag;
    bool wants_value;
} FLAGS[] = {{"--tls-listen", true},   {"--tls-cert", true},      {"--tls-key", true},
             {"--tls-cert-out", true}, {"--tls-client-ca", true}, {"--tls-1.2", false},
             {"--tls-connect", true},  {"--tls-alpn", true}};

bool net_option_known(const char *flag, bool *ret_wants_value)
{
    for (size_t i = 0; i < ARRAY_COUNT(FLAGS); i++)
        if (strcmp(flag, FLAGS[i].flag) == 0) {
            *ret_wants_value = FLAGS[i].wants_value;
            return true;
        }
    return false;
}

static int port_parse(const char *text, const char *end, uint16_t *ret_port)
{
    char *stopped;
    errno = 0;
    unsigned long port = strtoul(text, &stopped, 10);
    if (errno != 0 || stopped != end || end == text || *text < '0' || *text > '9' || port < 1 ||
        port > UINT16_MAX)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

static int rule_add(struct runtime_config *config, struct runtime_net_rule rule, struct error *e)
{
    if (config->net_rule_count == RUNTIME_NET_RULES_MAX)
        return error_set(e, -EINVAL, "more than %d network rules", RUNTIME_NET_RULES_MAX);
    config->net_rules[config->net_rule_count++] = rule;
    return 0;
}

static int add_listen(struct runtime_config *config, const char *value, struct error *e)
{
    struct runtime_net_rule rule = {.listen = true, .class = NET_CLASS_TLS, .tls = &g_identity};
    if (port_parse(value, value + strlen(value), &rule.port) < 0)
        return error_set(e, -EINVAL, "--tls-listen wants a port from 1 to 65535, not '%s'", value);
    g_options.listens = true;
    return rule_add(config, rule, e);
}

/* HOST:PORT=CA; an IPv6 address stands in brackets. */
static int add_connect(struct runtime_config *config, const char *value, struct error *e)
{
    struct runtime_net_rule rule = {.class = NET_CLASS_TLS, .tls = &g_client};
    const char *equals = strchr(value, '='), *host = value;
    const char *colon = equals ? memrchr(value, ':', (size_t)(equals - value)) : NULL;
    if (!colon || port_parse(colon + 1, equals, &rule.port) < 0)
        return error_set(e, -EINVAL, "--tls-connect wants HOST:PORT=CA-FILE, not '%s'", value);
    size_t len = (size_t)(colon - value);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    char *copy = strndup(host, len);
    if (!copy || len == 0) {
        free(copy);
        return error_set(e, -EINVAL, "--tls-connect: no host in '%s'", value);
    }
    rule.address = copy;
    g_options.trust[MIN(config->net_rule_count, RUNTIME_NET_RULES_MAX - 1u)] = equals + 1;
    return rule_add(config, rule, e);
}

int net_option(struct runtime_config *config, const char *flag, const char *value, struct error *e)
{
    if (strcmp(flag, "--tls-listen") == 0)
        return add_listen(config, value, e);
    if (strcmp(flag, "--tls-connect") == 0)
        return add_connect(config, value, e);
    if (strcmp(flag, "--tls-cert") == 0)
        g_options.certificate = value;
    else if (strcmp(flag, "--tls-key") == 0)
        g_options.key = value;
    else if (strcmp(flag, "--tls-cert-out") == 0)
        g_options.certificate_out = value;
    else if (strcmp(flag, "--tls-client-ca") == 0)
        g_options.client_ca = value;
    else if (strcmp(flag, "--tls-alpn") == 0)
        g_options.alpn = value;
    else if (strcmp(flag, "--tls-1.2") == 0)
        g_options.allow_1_2 = true;
    else
        return error_set(e, -EINVAL, "unknown flag '%s'", flag);
    return 0;
}

/* The guest may go to other directories. */
static const char *absolute(const char *path)
{
    char *there = NULL, *cwd = *path == '/' ? NULL : getcwd(NULL, 0);
    if (cwd && asprintf(&there, "%s/%s", cwd, path) < 0)
        there = NULL;
    free(cwd);
    return *path == '/' ? path : there;
}

static int file_write(const char *path, struct slice bytes, struct error *e)
{
    int fd = host_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int r = fd < 0 ? fd : host_pwrite(fd, bytes.bytes, bytes.size, 0);
    host_close(fd);
    return r < 0 ? error_set(e, r, "cannot write '%s'", path) : 0;
}

static int identity_new(struct error *e)
{
    struct buf certificate = {0}, key = {0}; /* kept */
    int r = identity_make(host_realtime_ns() / 1000000000, &certificate, &key, e);
    if (r < 0)
        return r;
    g_identity.certificate_chain = buf_slice(&certificate);
    g_identity.private_key = buf_slice(&key);
    return g_options.certificate_out
               ? file_write(g_options.certificate_out, g_identity.certificate_chain, e)
               : 0;
}

const struct runtime_tls *net_options_identity(bool listens)
{
    g_options.listens |= listens;
    return &g_identity;
}

void net_options_policy(const char *client_ca, bool allow_1_2, const char *alpn)
{
    g_options.alpn = alpn[0] ? strdup(alpn) : g_options.alpn; /* kept */
    if (client_ca)
        g_identity.client_ca = slice_of_text(client_ca);
    g_options.allow_1_2 = allow_1_2;
}

int net_options_finish(struct runtime_config *config, struct error *e)
{
    int r = 0;
    g_identity.version_min = g_options.allow_1_2 ? 0x0303 : 0x0304;
    if (!g_options.certificate != !g_options.key)
        return error_set(e, -EINVAL, "--tls-cert and --tls-key belong together");
    if (g_options.certificate) {
        r = renewal_read(g_options.certificate, &g_identity.certificate_chain, e);
        r = r < 0 ? r : renewal_read(g_options.key, &g_identity.private_key, e);
        g_identity.certificate_file = absolute(g_options.certificate);
        g_identity.key_file = absolute(g_options.key);
    } else if (g_options.listens) {
        r = identity_new(e);
    }
    if (r == 0 && platform()->random(&g_identity.ticket_key, sizeof g_identity.ticket_key) < 0)
        r = error_set(e, -EIO, "no randomness");
    g_identity.has_ticket_key = true; /* one for the processes of this program */
    g_identity.alpn = g_client.alpn = g_options.alpn;
    g_client.version_min = g_identity.version_min;
    if (g_options.certificate) { /* shown to servers that ask for one */
        g_client.certificate_chain = g_identity.certificate_chain;
        g_client.private_key = g_identity.private_key;
    }
    if (r == 0 && g_options.client_ca)
        r = renewal_read(g_options.client_ca, &g_identity.client_ca, e);
    for (unsigned i = 0; i < config->net_rule_count && r == 0; i++)
        if (g_options.trust[i])
            r = renewal_read(g_options.trust[i], &config->net_rules[i].trust_pem, e);
    return r;
}

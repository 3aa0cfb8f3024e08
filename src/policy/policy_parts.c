/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a policy that say what a program gets: volumes, files, network, TLS. */
#include "policy/policy_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define UNIX_PREFIX "unix:"

enum {
    PEM_SIZE_MAX = 64 << 10,
    DNS_SIZE_MAX = 253,
    UNIX_PATH_SIZE = 108,
    CONTENT_SIZE_MAX = 64 << 10
};

const struct policy_volume *policy_volume_find(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->volume_count; i++)
        if (strcmp(policy->volumes[i].name, name) == 0)
            return &policy->volumes[i];
    return NULL;
}

/* A path from the volume's root; '*' and '?' within a name, "**" as the last one. */
static int purge_parse(const struct yaml_node *list, struct policy_volume *v, struct error *e)
{
    int r = list ? policy_list(list, POLICY_PURGE_MAX, "volumes.purge", e) : 0;
    for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n && r == 0;
         n = n->next) {
        r = policy_path(n, "volumes.purge", &v->purge[v->purge_count], e);
        if (r < 0)
            break;
        const char *path = v->purge[v->purge_count++], *all = strstr(path, "**");
        if (strlen(path) > POLICY_PATH_SIZE_MAX)
            r = yaml_error(n, e, "'volumes.purge' has at most %d characters", POLICY_PATH_SIZE_MAX);
        else if (path[1] == '\0')
            r = yaml_error(n, e, "the root itself is never deleted: /** is all below it");
        else if (all && (all[-1] != '/' || all[2] != '\0'))
            r = yaml_error(n, e, "'**' stands for all that is below: it is a whole name, the last");
    }
    return r;
}

static int volume_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"name",   "mount", "mode",     "import",
                                       "export", "purge", "compress", NULL};
    static const char *const modes[] = {"none", "periodic", "strict", NULL};
    struct policy_volume v = {.name = "", .line = map->line};
    unsigned mode = 0;
    int r = yaml_expect_keys(map, keys, "volumes", e);
    if (r == 0)
        r = policy_name(yaml_get(map, "name"), "volumes.name", &v.name, e);
    if (r == 0)
        r = policy_path(yaml_get(map, "mount"), "volumes.mount", &v.mount, e);
    if (r == 0)
        r = yaml_choice(yaml_get(map, "mode"), modes, "volumes.mode", &mode, e);
    if (r == 0)
        r = policy_import(yaml_get(map, "import"), "volume", &v.import, e);
    if (r == 0)
        r = policy_exports(yaml_get(map, "export"), v.exports, &v.export_count, e);
    if (r == 0)
        r = purge_parse(yaml_get(map, "purge"), &v, e);
    if (r == 0 && yaml_get(map, "compress"))
        r = yaml_bool(yaml_get(map, "compress"), "volumes.compress", &v.compress, e);
    if (r < 0)
        return r;
    v.mode = (enum policy_volume_mode)mode;
    if (policy_volume_find(policy, v.name))
        return yaml_error(map, e, "there are two volumes '%s'", v.name);
    policy->volumes[policy->volume_count++] = v;
    return 0;
}

static int file_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"path", "class", "digest", "read_only", NULL};
    static const char *const classes[] = {"host", "authenticated", "private", "denied", NULL};
    struct policy_file f = {0};
    unsigned class = 0;
    int r = yaml_expect_keys(map, keys, "files", e);
    if (r == 0)
        r = policy_path(yaml_get(map, "path"), "files.path", &f.path, e);
    if (r == 0)
        r = yaml_choice(yaml_get(map, "class"), classes, "files.class", &class, e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "read_only"), "files.read_only", &f.read_only, e);
    f.class = (enum policy_file_class) class;
    if (r == 0 && f.class == POLICY_FILE_AUTHENTICATED)
        r = yaml_digest(yaml_get(map, "digest"), "files.digest", f.digest, e);
    if (r == 0)
        policy->files[policy->file_count++] = f;
    return r;
}

/* "ADDRESS:PORT", "[V6]:PORT", "NAME:PORT"; the port may be '*'. */
static int destination_parse(const struct yaml_node *node, struct policy *policy,
                             struct policy_net *ret, struct error *e)
{
    int r = yaml_expect(node, YAML_SCALAR, "network.connect", e);
    if (r < 0)
        return r;
    const char *colon = strrchr(node->text, ':');
    if (!colon || colon == node->text || colon - node->text > DNS_SIZE_MAX)
        return yaml_error(node, e, "'network.connect' must be ADDRESS:PORT");
    const char *start = node->text, *end = colon;
    if (start[0] == '[' && end[-1] == ']') {
        start++;
        end--;
    }
    ret->address = arena_text(&policy->arena, slice_of(start, (size_t)(end - start)));
    if (!ret->address)
        return -ENOMEM;
    if (strcmp(ret->address, "*") == 0)
        ret->address = NULL;
    if (strcmp(colon + 1, "*") == 0)
        return 0;
    uint64_t port = 0;
    struct yaml_node only_port = {.kind = YAML_SCALAR, .line = node->line, .text = colon + 1};
    r = yaml_uint(&only_port, 1, 65535, "network.connect", &port, e);
    ret->port = (uint16_t)port;
    return r;
}

/* "unix:" and a path (with a last '/' all below it), or '@' and a name in the abstract space. */
static int unix_parse(const struct yaml_node *node, struct policy_net *ret, struct error *e)
{
    const char *path = node->text + sizeof UNIX_PREFIX - 1;
    size_t len = strlen(path);
    ret->protocol = POLICY_UNIX;
    ret->address = path;
    if (len < 2 || len >= UNIX_PATH_SIZE || (path[0] != '/' && path[0] != '@'))
        return yaml_error(node, e, "a Unix socket is unix:/PATH or unix:@NAME");
    if (path[0] == '/' && (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../")))
        return yaml_error(node, e, "the path of a Unix socket has no '.' or '..'");
    return 0;
}

static bool is_unix(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR &&
           strncmp(node->text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0;
}

/* Where it listens or connects to. */
static int end_parse(const struct yaml_node *node, struct policy *policy, struct policy_net *n,
                     struct error *e)
{
    uint64_t port = 0;
    if (is_unix(node))
        return unix_parse(node, n, e);
    if (!n->listen)
        return destination_parse(node, policy, n, e);
    int r = yaml_uint(node, 0, 65535, "network.listen", &port, e);
    n->port = (uint16_t)port;
    return r;
}

static int protocol_parse(const struct yaml_node *node, struct policy_net *n, struct error *e)
{
    static const char *const protocols[] = {"tcp", "udp", NULL};
    unsigned protocol = 0;
    if (!node)
        return 0;
    if (n->protocol == POLICY_UNIX)
        return yaml_error(node, e, "a Unix socket has no 'protocol'");
    int r = yaml_choice(node, protocols, "network.protocol", &protocol, e);
    n->protocol = (enum policy_protocol)protocol;
    return r;
}

static int net_check(const struct yaml_node *map, const struct policy_net *n, struct error *e)
{
    bool shields = n->class == POLICY_NET_TLS || n->class == POLICY_NET_HANDOVER;
    if (shields && n->protocol != POLICY_TCP)
        return yaml_error(map, e, "only TCP can be 'tls' or 'handover'");
    if (n->class == POLICY_NET_HANDOVER && !n->listen)
        return yaml_error(map, e, "only a listening port can be handed over to");
    if (n->class == POLICY_NET_TLS && !n->listen && !n->trust)
        return yaml_error(map, e, "a TLS destination needs `trust`: who may sign its certificate");
    return 0;
}

static int net_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"listen",      "connect", "class", "protocol",
                                       "server_name", "trust",   NULL};
    static const char *const classes[] = {"plain", "tls", "handover", "denied", NULL};
    const struct yaml_node *listen, *connect;
    struct policy_net n = {0};
    unsigned class = 0;
    int r = yaml_expect_keys(map, keys, "network", e);
    if (r < 0)
        return r;
    listen = yaml_get(map, "listen");
    connect = yaml_get(map, "connect");
    if (!listen == !connect)
        return yaml_error(map, e, "each of 'network' has either `listen` or `connect`");
    n.listen = listen != NULL;
    r = end_parse(n.listen ? listen : connect, policy, &n, e);
    if (r == 0)
        r = protocol_parse(yaml_get(map, "protocol"), &n, e);
    if (r == 0)
        r = yaml_choice(yaml_get(map, "class"), classes, "network.class", &class, e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "server_name"), DNS_SIZE_MAX, "network.server_name",
                      &n.server_name, e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "trust"), PEM_SIZE_MAX, "network.trust", &n.trust, e);
    n.class = (enum policy_net_class) class;
    if (r == 0)
        r = net_check(map, &n, e);
    if (r == 0)
        policy->network[policy->network_count++] = n;
    return r;
}

void policy_alpn(const struct policy *policy, char ret_text[POLICY_ALPN_SIZE_MAX])
{
    size_t at = 0;
    ret_text[0] = '\0';
    for (unsigned i = 0; i < policy->tls_alpn_count; i++)
        at += (size_t)snprintf(ret_text + at, POLICY_ALPN_SIZE_MAX - at, "%s%s", i ? "," : "",
                               policy->tls_alpn[i]); /* they fit: see alpn_parse() */
}

static int alpn_parse(const struct yaml_node *list, struct policy *policy, struct error *e)
{
    size_t size = 0;
    int r = list ? policy_list(list, POLICY_ALPN_MAX, "tls.alpn", e) : 0;
    for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n && r == 0;
         n = n->next) {
        const char **name = &policy->tls_alpn[policy->tls_alpn_count++];
        r = yaml_text(n, POLICY_ALPN_SIZE_MAX, "tls.alpn", name, e);
        size += r == 0 ? strlen(*name) + 1 : 0;
        if (r == 0 && (!**name || strchr(*name, ',') || size > POLICY_ALPN_SIZE_MAX))
            r = yaml_error(n, e, "'tls.alpn' names protocols, such as h2 and http/1.1");
    }
    return r;
}

static int tls_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"names", "client_ca", "allow_1_2", "alpn", NULL};
    const struct yaml_node *names;
    if (!map)
        return 0;
    int r = yaml_expect_keys(map, keys, "tls", e);
    if (r < 0)
        return r;
    names = yaml_get(map, "names");
    if (names)
        r = policy_list(names, POLICY_NAMES_MAX, "tls.names", e);
    for (const struct yaml_node *n = r == 0 && names ? names->first : NULL; n && r == 0;
         n = n->next)
        r = yaml_text(n, DNS_SIZE_MAX, "tls.names", &policy->tls_names[policy->tls_name_count++],
                      e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "client_ca"), PEM_SIZE_MAX, "tls.client_ca",
                      &policy->tls_client_ca, e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "allow_1_2"), "tls.allow_1_2", &policy->tls_allow_1_2, e);
    return r < 0 ? r : alpn_parse(yaml_get(map, "alpn"), policy, e);
}

static int mode_parse(const struct yaml_node *node, uint32_t *ret_mode, struct error *e)
{
    const char *text = "0400";
    char *end = NULL;
    int r = yaml_text(node, 5, "secret_files.mode", &text, e);
    unsigned long mode = r == 0 ? strtoul(text, &end, 8) : 0;
    if (r == 0 && (text[0] != '0' || *end || mode > 0777))
        r = yaml_error(node, e, "'secret_files.mode' must be octal, like 0400");
    *ret_mode = (uint32_t)mode;
    return r;
}

static int secret_file_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"path", "secret", "mode", NULL};
    struct policy_secret_file f = {0};
    int r = yaml_expect_keys(map, keys, "secret_files", e);
    if (r == 0)
        r = policy_path(yaml_get(map, "path"), "secret_files.path", &f.path, e);
    if (r == 0)
        r = yaml_expect(yaml_get(map, "secret"), YAML_SCALAR, "secret_files.secret", e);
    if (r == 0)
        r = mode_parse(yaml_get(map, "mode"), &f.mode, e);
    if (r < 0)
        return r;
    f.secret = yaml_get(map, "secret")->text;
    if (!policy_secret_find(policy, f.secret))
        return yaml_error(map, e,
                          "'secret_files' names a secret '%.40s' that 'secrets' does not "
                          "have",
                          f.secret);
    policy->secret_files[policy->secret_file_count++] = f;
    return 0;
}

/* A text that becomes a file in memory, with secrets in it where they are named. */
static int injected_parse(const struct yaml_node *map, struct policy *policy, struct error *e)
{
    static const char *const keys[] = {"path", "content", "mode", NULL};
    const struct yaml_node *content = yaml_get(map, "content");
    struct policy_secret_file f = {0};
    int r = yaml_expect_keys(map, keys, "injected_files", e);
    if (r == 0)
        r = policy_path(yaml_get(map, "path"), "injected_files.path", &f.path, e);
    if (r == 0)
        r = yaml_expect(content, YAML_SCALAR, "injected_files.content", e);
    if (r == 0)
        r = yaml_text(content, CONTENT_SIZE_MAX, "injected_files.content", &f.content, e);
    if (r == 0)
        r = policy_value(content, "injected_files.content", policy, e);
    if (r == 0)
        r = mode_parse(yaml_get(map, "mode"), &f.mode, e);
    if (r == 0 && policy->secret_file_count == POLICY_SECRET_FILES_MAX)
        r = yaml_error(map, e, "more than %d files in memory", POLICY_SECRET_FILES_MAX);
    if (r == 0)
        policy->secret_files[policy->secret_file_count++] = f;
    return r;
}

int policy_parts(const struct yaml_node *root, struct policy *policy, struct error *e)
{
    static const struct {
        const char *key;
        unsigned max;
        int (*parse)(const struct yaml_node *map, struct policy *policy, struct error *e);
    } lists[] = {{"volumes", POLICY_VOLUMES_MAX, volume_parse},
                 {"files", POLICY_FILES_MAX, file_parse},
                 {"network", POLICY_NETWORK_MAX, net_parse},
                 {"secret_files", POLICY_SECRET_FILES_MAX, secret_file_parse},
                 {"injected_files", POLICY_SECRET_FILES_MAX, injected_parse}};
    int r = yaml_locate(yaml_get(root, "tls"), tls_parse(yaml_get(root, "tls"), policy, e), e);
    for (size_t i = 0; i < ARRAY_COUNT(lists) && r == 0; i++) {
        const struct yaml_node *list = yaml_get(root, lists[i].key);
        if (list)
            r = policy_list(list, lists[i].max, lists[i].key, e);
        for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n && r == 0;
             n = n->next)
            r = yaml_locate(n, lists[i].parse(n, policy, e), e);
    }
    return r;
}

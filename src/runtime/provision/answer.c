/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/provision/answer.h"

#include "base/hex.h"
#include "crypto/base64.h"
#include "runtime/provision/authority.h"
#include "runtime/provision/provision.h"

#include <errno.h>

enum { VALUES_MAX = 256 };

/* What a reader of one entry needs. */
struct context {
    struct arena *arena;
    struct runtime_config *config;
    const struct runtime_tls *tls;
    int64_t asked_ns;
    struct error *e;
};

static int bad(struct context *c, const char *what)
{
    return error_set(c->e, -EBADMSG, "the key broker's answer has no proper '%s'", what);
}

static int text_read(struct context *c, const json_t *object, const char *name, const char **ret)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        return bad(c, name);
    char *text =
        arena_text(c->arena, slice_of(json_string_value(value), json_string_length(value)));
    if (!text)
        return error_set(c->e, -ENOMEM, "no memory for the configuration");
    *ret = text;
    return 0;
}

/* NULL if it is not there. */
static int text_read_optional(struct context *c, const json_t *object, const char *name,
                              const char **ret)
{
    *ret = NULL;
    return json_object_get(object, name) ? text_read(c, object, name, ret) : 0;
}

static int bytes_read(struct context *c, const json_t *object, const char *name, struct slice *ret)
{
    SCOPED(buf_done) struct buf bytes = {0};
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value) ||
        crypto_base64_decode(slice_of(json_string_value(value), json_string_length(value)),
                             &bytes) < 0)
        return bad(c, name);
    uint8_t *copy = arena_alloc(c->arena, bytes.size + 1);
    if (!copy)
        return error_set(c->e, -ENOMEM, "no memory for the configuration");
    if (bytes.size > 0)
        memcpy(copy, bytes.bytes, bytes.size);
    *ret = slice_of(copy, bytes.size);
    return 0;
}

static int key_read(struct context *c, const json_t *object, const char *name, struct key256 *ret)
{
    SCOPED(buf_done) struct buf bytes = {0};
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value) ||
        crypto_base64_decode(slice_of(json_string_value(value), json_string_length(value)),
                             &bytes) < 0 ||
        bytes.size != sizeof ret->bytes)
        return bad(c, name);
    memcpy(ret->bytes, bytes.bytes, sizeof ret->bytes);
    return 0;
}

static int hex_read(struct context *c, const json_t *object, const char *name, void *bytes,
                    size_t size)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value) ||
        hex_decode(slice_of(json_string_value(value), json_string_length(value)), bytes, size) < 0)
        return bad(c, name);
    return 0;
}

static int choice_read(struct context *c, const json_t *object, const char *name,
                       const char *const *choices, unsigned *ret)
{
    const char *text = json_string_value(json_object_get(object, name));
    for (unsigned i = 0; text && choices[i]; i++) {
        if (strcmp(choices[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    return bad(c, name);
}

/* A NULL-terminated vector of texts. */
static int vector_read(struct context *c, const json_t *object, const char *name,
                       bool empty_allowed, char *const **ret)
{
    const json_t *list = json_object_get(object, name);
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > VALUES_MAX || (count == 0 && !empty_allowed))
        return bad(c, name);
    char **vector = arena_alloc(c->arena, (count + 1) * sizeof *vector);
    if (!vector)
        return error_set(c->e, -ENOMEM, "no memory for the configuration");
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_string(value))
            return bad(c, name);
        vector[i] =
            arena_text(c->arena, slice_of(json_string_value(value), json_string_length(value)));
        if (!vector[i])
            return error_set(c->e, -ENOMEM, "no memory for the configuration");
    }
    *ret = vector;
    return 0;
}

static int rule_add(struct context *c, const struct runtime_file_rule *rule)
{
    struct runtime_config *config = c->config;
    if (config->file_rule_count == RUNTIME_FILE_RULES_MAX)
        return bad(c, "files");
    config->file_rules[config->file_rule_count++] = *rule;
    return 0;
}

static int erase_keys_read(struct context *c, const json_t *object, const uint8_t *id)
{
    const json_t *list = json_object_get(object, "erase_keys");
    if (json_array_size(list) > AUTHORITY_ERASE_KEYS_MAX)
        return bad(c, "erase_keys");
    for (size_t i = 0; i < json_array_size(list); i++) {
        SCOPED(key256_wipe) struct key256 key = {0};
        const json_t *one = json_array_get(list, i);
        json_int_t number = json_integer_value(json_object_get(one, "number"));
        if (number < 1 || number > UINT32_MAX)
            return bad(c, "number");
        int r = key_read(c, one, "key", &key);
        if (r < 0)
            return r;
        authority_erase_key_given(id, (uint32_t)number, &key);
    }
    return 0;
}

static int order_read(struct context *c, const json_t *object, struct runtime_volume_order **ret)
{
    const json_t *serial = json_object_get(object, "serial");
    const json_t *erase = json_object_get(object, "erase");
    struct runtime_volume_order *order = arena_alloc(c->arena, sizeof *order);
    int r = 0;
    if (!order)
        return error_set(c->e, -ENOMEM, "no memory for the configuration");
    if (!json_is_integer(serial) || (erase && json_array_size(erase) > RUNTIME_ERASE_PATHS_MAX))
        return bad(c, "order");
    *order =
        (struct runtime_volume_order){.serial = (uint64_t)json_integer_value(serial),
                                      .has_key = json_object_get(object, "key") != NULL,
                                      .rewrite = json_is_true(json_object_get(object, "rewrite")),
                                      .done = authority_order_done};
    if (order->has_key)
        r = key_read(c, object, "key", &order->key);
    if (r == 0 && erase)
        r = vector_read(c, object, "erase", true, &order->erase);
    if (r == 0)
        *ret = order;
    return r;
}

static int volume_entry_read(struct context *c, const json_t *object)
{
    static const char *const modes[] = {"none", "periodic", "strict", NULL};
    struct runtime_config *config = c->config;
    if (config->volume_count == RUNTIME_VOLUMES_MAX)
        return bad(c, "volumes");
    struct runtime_volume *v = &config->volumes[config->volume_count];
    struct runtime_file_rule rule = {.class = FILE_CLASS_ENCRYPTED, .volume = config->volume_count};
    unsigned mode = 0;
    int r = text_read(c, object, "name", &v->name);
    if (r == 0)
        r = text_read(c, object, "mount", &rule.prefix);
    if (r == 0)
        r = choice_read(c, object, "mode", modes, &mode);
    if (r == 0)
        r = hex_read(c, object, "id", v->id, sizeof v->id);
    if (r == 0)
        r = key_read(c, object, "key", &v->key);
    if (r < 0)
        return r;
    /* The name becomes a directory on the host. */
    if (strchr(v->name, '/') || v->name[0] == '.' || !v->name[0])
        return bad(c, "name");
    const json_t *opened = json_object_get(object, "head");
    struct volume_head head;
    struct volume_lease lease = authority_lease_read(opened, c->asked_ns);
    if (opened && authority_head_read(opened, &head) < 0)
        return bad(c, "head");
    if (opened)
        authority_opened(v->id, &head, &lease);
    r = erase_keys_read(c, object, v->id);
    if (r == 0 && json_object_get(object, "purge"))
        r = vector_read(c, object, "purge", true, &v->purge);
    const json_t *order = json_object_get(object, "order");
    if (r == 0 && order)
        r = order_read(c, order, &v->order);
    if (r < 0)
        return r;
    v->mode = (enum volume_mode)mode;
    v->create = json_is_true(json_object_get(object, "fresh"));
    v->compress = json_is_true(json_object_get(object, "compress"));
    config->volume_count++;
    return rule_add(c, &rule);
}

static int file_read(struct context *c, const json_t *object)
{
    static const char *const classes[] = {"host", "authenticated", "private", "denied", NULL};
    static const enum file_class meant[] = {FILE_CLASS_HOST, FILE_CLASS_AUTHENTICATED,
                                            FILE_CLASS_PRIVATE, FILE_CLASS_DENIED};
    struct runtime_file_rule rule = {0};
    unsigned class = 0;
    int r = text_read(c, object, "path", &rule.prefix);
    if (r == 0)
        r = choice_read(c, object, "class", classes, &class);
    if (r < 0)
        return r;
    rule.class = meant[class];
    rule.read_only = json_is_true(json_object_get(object, "read_only"));
    if (rule.class == FILE_CLASS_AUTHENTICATED)
        r = hex_read(c, object, "digest", rule.digest, sizeof rule.digest);
    return r < 0 ? r : rule_add(c, &rule);
}

static int net_read(struct context *c, const json_t *object)
{
    static const char *const classes[] = {"plain", "tls", "handover", "denied", NULL};
    static const enum net_class meant[] = {NET_CLASS_PLAIN, NET_CLASS_TLS, NET_CLASS_HANDOVER,
                                           NET_CLASS_DENIED};
    static const char *const protocols[] = {"tcp", "udp", "unix", NULL};
    struct runtime_config *config = c->config;
    const char *trust = NULL;
    unsigned class = 0, protocol = 0;
    if (config->net_rule_count == RUNTIME_NET_RULES_MAX)
        return bad(c, "net");
    struct runtime_net_rule *rule = &config->net_rules[config->net_rule_count];
    json_int_t port = json_integer_value(json_object_get(object, "port"));
    int r = choice_read(c, object, "class", classes, &class);
    if (r == 0)
        r = choice_read(c, object, "protocol", protocols, &protocol);
    if (r == 0 && (port < 0 || port > 65535))
        r = bad(c, "port");
    if (r == 0)
        r = text_read_optional(c, object, "address", &rule->address);
    if (r == 0)
        r = text_read_optional(c, object, "server_name", &rule->server_name);
    if (r == 0)
        r = text_read_optional(c, object, "trust", &trust);
    if (r < 0)
        return r;
    rule->listen = json_is_true(json_object_get(object, "listen"));
    rule->class = meant[class];
    rule->protocol = (enum net_protocol)protocol;
    rule->port = (uint16_t)port;
    if (rule->protocol == NET_UNIX && !rule->address)
        return bad(c, "address");
    if (trust)
        rule->trust_pem = slice_of_text(trust);
    if (rule->class == NET_CLASS_TLS || rule->class == NET_CLASS_HANDOVER)
        rule->tls = c->tls;
    config->net_rule_count++;
    return 0;
}

static int secret_file_read(struct context *c, const json_t *object)
{
    struct runtime_config *config = c->config;
    json_int_t mode = json_integer_value(json_object_get(object, "mode"));
    if (config->secret_file_count == RUNTIME_SECRET_FILES_MAX)
        return bad(c, "secret_files");
    struct runtime_secret_file *file = &config->secret_files[config->secret_file_count];
    int r = text_read(c, object, "path", &file->path);
    if (r == 0)
        r = bytes_read(c, object, "bytes", &file->bytes);
    if (r == 0 && (mode < 0 || mode > 0777))
        r = bad(c, "mode");
    if (r < 0)
        return r;
    file->mode = (uint32_t)mode;
    config->secret_file_count++;
    return 0;
}

static int list_read(struct context *c, const json_t *answer, const char *name,
                     int (*read)(struct context *c, const json_t *object))
{
    const json_t *list = json_object_get(answer, name);
    size_t count = json_array_size(list);
    if (!json_is_array(list))
        return bad(c, name);
    for (size_t i = 0; i < count; i++) {
        int r = read(c, json_array_get(list, i));
        if (r < 0)
            return r;
    }
    return 0;
}

static int tls_read(struct context *c, const json_t *object, struct slice private_key_pem)
{
    const char *certificate, *client_ca, *alpn;
    struct runtime_tls *tls = arena_alloc(c->arena, sizeof *tls);
    if (!tls)
        return error_set(c->e, -ENOMEM, "no memory for the configuration");
    int r = text_read(c, object, "certificate", &certificate);
    if (r == 0)
        r = text_read_optional(c, object, "client_ca", &client_ca);
    if (r == 0)
        r = text_read_optional(c, object, "alpn", &alpn);
    if (r == 0)
        r = key_read(c, object, "ticket_key", &tls->ticket_key);
    if (r < 0)
        return r;
    tls->has_ticket_key = true;
    tls->certificate_chain = slice_of_text(certificate);
    tls->private_key = private_key_pem;
    if (client_ca)
        tls->client_ca = slice_of_text(client_ca);
    tls->version_min = json_is_true(json_object_get(object, "allow_1_2")) ? 0x0303 : 0x0304;
    tls->alpn = alpn;
    tls->renew = provision_certificate;
    c->tls = tls;
    return 0;
}

int answer_read(const json_t *answer, struct slice private_key_pem, struct arena *arena,
                int64_t asked_ns, struct runtime_config *config, struct error *e)
{
    struct context c = {.arena = arena, .config = config, .asked_ns = asked_ns, .e = e};
    int r = vector_read(&c, answer, "argv", false, &config->argv);
    if (r == 0)
        r = vector_read(&c, answer, "env", true, &config->envp);
    if (r == 0)
        r = text_read(&c, answer, "cwd", &config->cwd);
    if (r == 0)
        r = tls_read(&c, json_object_get(answer, "tls"), private_key_pem);
    if (r == 0)
        r = list_read(&c, answer, "volumes", volume_entry_read);
    if (r == 0)
        r = list_read(&c, answer, "files", file_read);
    if (r == 0)
        r = list_read(&c, answer, "net", net_read);
    if (r == 0)
        r = list_read(&c, answer, "secret_files", secret_file_read);
    config->has_policy = true;
    config->explain = json_is_true(json_object_get(answer, "explain"));
    return r;
}

int answer_program(const json_t *answer, uint8_t ret_digest[32], struct error *e)
{
    struct context c = {.e = e};
    return hex_read(&c, answer, "program", ret_digest, 32);
}

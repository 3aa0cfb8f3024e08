/* SPDX-License-Identifier: Apache-2.0 */
/* The one call that releases keys: evidence in, everything a runtime needs out. */
#include "kbs/call.h"

#include "base/hex.h"

#include <errno.h>
#include <stdio.h>

enum {
    CERTIFICATE_DAYS = 30,
    VALUE_SIZE_MAX = 64 << 10,
    CSR_SIZE_MAX = 16384,
    DECISION_SIZE = 300
};

/* Evidence first; nothing about tenant or policy is looked at before it is known to be genuine. */
int call_attested(struct kbs_call *call)
{
    const struct tls_peer *peer = call->peer;
    if (peer->kind == TLS_PEER_REFUSED) {
        call->refusal = peer->refusal;
        return -EACCES;
    }
    if (peer->kind != TLS_PEER_ATTESTED)
        return call_refuse(call, REFUSAL_EVIDENCE_ABSENT, NULL, NULL, NULL);
    if ((call->kbs->manifest->tees & 1u << peer->evidence.tee) == 0)
        return call_refuse(call, REFUSAL_TEE, "the key broker's manifest", NULL,
                           tee_name(peer->evidence.tee));
    return 0;
}

/* A value with its references to secrets replaced. */
static int value_expand(struct kbs_call *call, const struct policy *policy, const char *text,
                        struct buf *out)
{
    char name[POLICY_NAME_SIZE_MAX + 1];
    struct slice before;
    out->size_max = VALUE_SIZE_MAX;
    for (;;) {
        int r = policy_reference_next(text, &before, name, &text);
        if (r == -ENOENT)
            return buf_append_text(out, text);
        if (r == 0)
            r = buf_append_slice(out, before);
        if (r == 0)
            r = secret_value(call, policy, name, out);
        if (r < 0)
            return r;
    }
}

/* Appends prefix and the expanded text to a list. */
static int value_append(struct kbs_call *call, const struct policy *policy, json_t *list,
                        const char *prefix, const char *text)
{
    SCOPED(buf_done) struct buf whole = {0};
    SCOPED(buf_done) struct buf value = {0};
    int r = value_expand(call, policy, text, &value);
    if (r == 0)
        r = buf_append_text(&whole, prefix);
    if (r == 0)
        r = buf_append_slice(&whole, buf_slice(&value));
    if (r < 0)
        return r;
    json_t *json = json_stringn(whole.size ? (const char *)whole.bytes : "", whole.size);
    return json_array_append_new(list, json) == 0 ? 0 : -ENOMEM;
}

static int command_answer(struct kbs_call *call, const struct policy *policy)
{
    json_t *argv = json_array(), *env = json_array();
    int r = argv && env ? 0 : -ENOMEM;
    for (unsigned i = 0; r == 0 && i < policy->argument_count; i++)
        r = value_append(call, policy, argv, "", policy->arguments[i]);
    for (unsigned i = 0; r == 0 && i < policy->environment_count; i++) {
        char prefix[300];
        int n = snprintf(prefix, sizeof prefix, "%s=", policy->environment[i].name);
        r = n < 0 || (size_t)n >= sizeof prefix ? -EINVAL : 0;
        if (r == 0)
            r = value_append(call, policy, env, prefix, policy->environment[i].value);
    }
    int put_argv = call_put(call->out, "argv", argv), put_env = call_put(call->out, "env", env);
    if (r == 0)
        r = put_argv < 0 ? put_argv : put_env;
    return r < 0 ? r
                 : call_put(call->out, "cwd",
                            json_string(policy->directory ? policy->directory : "/"));
}

/* Opens the volume on the way, if that may be now: a start then costs one round trip and one commit.
 * If another owner's lease is running, the runtime asks for it by itself and waits. */
static int volume_open_now(struct kbs_call *call, const struct policy *policy,
                           const struct policy_volume *volume, struct store_volume *stored,
                           json_t *entry)
{
    static const uint8_t not_yet_named[LEASE_OPENING_SIZE];
    struct kbs *kbs = call->kbs;
    struct lease_owner owner = {.waits = volume->mode == POLICY_VOLUME_PERIODIC};
    struct lease_times now = kbs_lease_times(kbs);
    uint64_t wait_ms;
    json_t *head = json_object();
    memcpy(owner.session, call->peer->key_hash, sizeof owner.session);
    memcpy(owner.instance, call->peer->evidence.instance, sizeof owner.instance);
    int r = head ? lease_open(&stored->lease, &owner, not_yet_named, &now, &wait_ms) : -ENOMEM;
    if (r == 0)
        r = call_put_lease(kbs, head, &stored->lease);
    if (r < 0) {
        json_decref(head);
        return r == -EBUSY ? 0 : r;
    }
    r = call_put(entry, "head", head);
    if (r == 0)
        r = store_volume_put(kbs->store, stored->id, &stored->lease);
    if (r == 0)
        r = volume_keys_put(call, stored->id, entry);
    if (r < 0)
        return r;
    metric_add(&kbs->metrics[KBS_METRIC_VOLUME_OPENED], 1);
    return kbs_audit(kbs, "volume opened", policy->tenant, policy->name, volume->name);
}

static int purge_put(const struct policy_volume *volume, json_t *entry)
{
    json_t *list = json_array();
    int r = list ? 0 : -ENOMEM;
    for (unsigned i = 0; r == 0 && i < volume->purge_count; i++)
        r = json_array_append_new(list, json_string(volume->purge[i])) < 0 ? -ENOMEM : 0;
    if (r == 0)
        return call_put(entry, "purge", list);
    json_decref(list);
    return r;
}

static int volume_answer(struct kbs_call *call, const struct policy *policy,
                         const struct policy_volume *volume, json_t *list)
{
    static const char *const modes[] = {"none", "periodic", "strict"};
    SCOPED(policy_freep) struct policy *from = NULL;
    struct store_volume stored = {0};
    json_t *entry = json_object();
    if (!entry || json_array_append_new(list, entry) != 0)
        return -ENOMEM;
    int r = volume_source(call, policy, volume, &from);
    const struct policy *owner = from ? from : policy;
    const char *its_name = from ? volume->import.name : volume->name;
    if (r == 0)
        r = store_volume_get(call->kbs->store, owner->tenant, owner->name, its_name, &stored);
    if (r == 0)
        r = call_put(entry, "name", json_string(volume->name));
    if (r == 0)
        r = call_put(entry, "mount", json_string(volume->mount));
    if (r == 0)
        r = call_put(entry, "mode", json_string(modes[volume->mode]));
    if (r == 0)
        r = call_put(entry, "id", call_json_hex(slice_of(stored.id, sizeof stored.id)));
    if (r == 0 && volume->purge_count > 0)
        r = purge_put(volume, entry);
    if (r == 0 && volume->compress)
        r = call_put(entry, "compress", json_true());
    /* Nothing was ever reported: what is missing on the host may be made. */
    if (r == 0)
        r = call_put(entry, "fresh", json_boolean(stored.lease.head.sequence == 0));
    if (r == 0)
        r = call_put(entry, "key",
                     call_json_base64(slice_of(stored.key.bytes, sizeof stored.key.bytes)));
    key256_wipe(&stored.key);
    if (r == 0 && !from)
        r = volume_order_put(call, stored.id, entry);
    if (r == 0 && json_is_true(json_object_get(call->in, "open")))
        r = volume_open_now(call, policy, volume, &stored, entry);
    return r;
}

static int file_answer(const struct policy_file *file, json_t *list)
{
    static const char *const classes[] = {"host", "authenticated", "private", "denied"};
    json_t *entry = json_object();
    if (!entry || json_array_append_new(list, entry) != 0)
        return -ENOMEM;
    int r = call_put(entry, "path", json_string(file->path));
    if (r == 0)
        r = call_put(entry, "class", json_string(classes[file->class]));
    if (r == 0)
        r = call_put(entry, "read_only", json_boolean(file->read_only));
    if (r == 0 && file->class == POLICY_FILE_AUTHENTICATED)
        r = call_put(entry, "digest", call_json_hex(slice_of(file->digest, sizeof file->digest)));
    return r;
}

static int net_answer(const struct policy_net *net, json_t *list)
{
    static const char *const classes[] = {"plain", "tls", "handover", "denied"};
    static const char *const protocols[] = {"tcp", "udp", "unix"};
    json_t *entry = json_object();
    if (!entry || json_array_append_new(list, entry) != 0)
        return -ENOMEM;
    int r = call_put(entry, "listen", json_boolean(net->listen));
    if (r == 0)
        r = call_put(entry, "class", json_string(classes[net->class]));
    if (r == 0)
        r = call_put(entry, "protocol", json_string(protocols[net->protocol]));
    if (r == 0)
        r = call_put(entry, "port", json_integer(net->port));
    if (r == 0 && net->address)
        r = call_put(entry, "address", json_string(net->address));
    if (r == 0 && net->server_name)
        r = call_put(entry, "server_name", json_string(net->server_name));
    if (r == 0 && net->trust)
        r = call_put(entry, "trust", json_string(net->trust));
    return r;
}

static int secret_file_answer(struct kbs_call *call, const struct policy *policy,
                              const struct policy_secret_file *file, json_t *list)
{
    SCOPED(buf_done) struct buf value = {0};
    json_t *entry = json_object();
    if (!entry || json_array_append_new(list, entry) != 0)
        return -ENOMEM;
    int r = file->content ? value_expand(call, policy, file->content, &value)
                          : secret_value(call, policy, file->secret, &value);
    if (r == 0)
        r = call_put(entry, "path", json_string(file->path));
    if (r == 0)
        r = call_put(entry, "mode", json_integer(file->mode));
    return r < 0 ? r : call_put(entry, "bytes", call_json_base64(buf_slice(&value)));
}

static int lists_answer(struct kbs_call *call, const struct policy *policy)
{
    json_t *volumes = json_array(), *files = json_array(), *net = json_array(),
           *secrets = json_array();
    int r = call_put(call->out, "volumes", volumes);
    int put_files = call_put(call->out, "files", files);
    int put_net = call_put(call->out, "net", net);
    int put_secrets = call_put(call->out, "secret_files", secrets);
    if (r < 0 || put_files < 0 || put_net < 0 || put_secrets < 0)
        return -ENOMEM;
    for (unsigned i = 0; r == 0 && i < policy->volume_count; i++)
        r = volume_answer(call, policy, &policy->volumes[i], volumes);
    for (unsigned i = 0; r == 0 && i < policy->file_count; i++)
        r = file_answer(&policy->files[i], files);
    for (unsigned i = 0; r == 0 && i < policy->network_count; i++)
        r = net_answer(&policy->network[i], net);
    for (unsigned i = 0; r == 0 && i < policy->secret_file_count; i++)
        r = secret_file_answer(call, policy, &policy->secret_files[i], secrets);
    return r;
}

/* Resumption survives a restart of the server, and never crosses policies. */
static int ticket_key(struct kbs *kbs, const struct policy *policy, struct key256 *ret_key)
{
    SCOPED(buf_done) struct buf root = {0}, info = {0};
    int r = store_setting_get(kbs->store, "ticket-root", &root);
    if (r == -ENOENT) {
        uint8_t *to = buf_reserve(&root, KEY256_SIZE);
        r = to ? crypto_random(to, KEY256_SIZE) : -ENOMEM;
        root.size = r == 0 ? KEY256_SIZE : 0;
        if (r == 0)
            r = store_setting_put(kbs->store, "ticket-root", buf_slice(&root));
    }
    if (r == 0)
        r = buf_printf(&info, "coffer ticket key/%s/%s", policy->tenant, policy->name);
    return r < 0 ? r : hkdf_sha256(buf_slice(&root), (struct slice){0}, buf_slice(&info), ret_key);
}

static int tls_answer(struct kbs_call *call, const struct policy *policy)
{
    SCOPED(buf_done) struct buf certificate = {0}, ca = {0};
    SCOPED(key256_wipe) struct key256 ticket = {0};
    struct kbs *kbs = call->kbs;
    char own[300], alpn[POLICY_ALPN_SIZE_MAX];
    const char *const own_name = own;
    char uri[512];
    struct ca_names names = {policy->tls_names, policy->tls_name_count, uri, true};
    const char *csr = "";
    json_t *tls = json_object();
    int r = call_put(call->out, "tls", tls);
    if (r == 0)
        r = call_text(call, "csr", CSR_SIZE_MAX, &csr);
    if (r < 0)
        return r;
    /* The identity as SPIFFE writes it, for whoever authorises by URI. */
    snprintf(uri, sizeof uri, "spiffe://%s/%s/%s%s%s", kbs->manifest->domain, policy->tenant,
             policy->name, policy->service ? "/" : "", policy->service ? policy->service : "");
    snprintf(own, sizeof own, "%s.%s", policy->tenant, kbs->manifest->domain);
    if (names.count == 0)
        names = (struct ca_names){&own_name, 1, uri, true};
    r = ca_issue_csr(kbs->ca, slice_of_text(csr), &names, kbs->now_s(), CERTIFICATE_DAYS,
                     &certificate);
    if (r == -EBADMSG || r == -EOPNOTSUPP)
        return call_bad_request(call, "csr", "a certificate request with a strong key");
    if (r == 0)
        r = ca_pem(kbs->ca, &ca);
    if (r == 0)
        r = ticket_key(kbs, policy, &ticket);
    if (r == 0)
        r = call_put(tls, "certificate",
                     json_stringn((const char *)certificate.bytes, certificate.size));
    if (r == 0)
        r = call_put(tls, "ca", json_stringn((const char *)ca.bytes, ca.size));
    if (r == 0)
        r = call_put(tls, "ticket_key",
                     call_json_base64(slice_of(ticket.bytes, sizeof ticket.bytes)));
    if (r == 0)
        r = call_put(tls, "allow_1_2", json_boolean(policy->tls_allow_1_2));
    policy_alpn(policy, alpn);
    if (r == 0 && alpn[0])
        r = call_put(tls, "alpn", json_string(alpn));
    if (r == 0 && policy->tls_client_ca)
        r = call_put(tls, "client_ca", json_string(policy->tls_client_ca));
    return r;
}

static int session_begin(struct kbs_call *call, const struct policy *policy)
{
    struct kbs *kbs = call->kbs;
    int64_t now = kbs->now_s();
    struct store_session session = {.expires_s = now + (int64_t)kbs->manifest->session_s};
    snprintf(session.tenant, sizeof session.tenant, "%s", policy->tenant);
    snprintf(session.policy, sizeof session.policy, "%s", policy->name);
    memcpy(session.instance, call->peer->evidence.instance, sizeof session.instance);
    return store_session_put(kbs->store, call->peer->key_hash, &session, now);
}

/* Appraises the peer under the policy. */
int call_appraise(struct kbs_call *call, struct policy *policy)
{
    policy->who.device = call->kbs->devices;
    return appraise(&policy->who, &call->peer->evidence, &call->refusal);
}

/* Which program it was, and the clauses that let it in, as a refusal names the one that did not. */
static void decision_text(const struct policy *policy, const struct evidence *ev,
                          char text[DECISION_SIZE])
{
    char program[2 * EVIDENCE_DIGEST_SIZE + 1];
    const struct who *who = &policy->who;
    hex_encode(slice_of(ev->program, sizeof ev->program), program);
    snprintf(text, DECISION_SIZE, "%s by tee %s (line %u), %s (line %u)%s%s%s", program,
             tee_name(ev->tee), who->tees_line,
             who->program.count  ? "program.measurements"
             : who->signer.count ? "program.signers"
                                 : "platform.measurements",
             who->program.count  ? who->program.line
             : who->signer.count ? who->signer.line
                                 : who->platform.measurement.line,
             ev->debug ? ", allow_debug" : "", policy->service ? ", service " : "",
             policy->service ? policy->service : "");
}

/* Members `policy` and `service`; "NAME:SERVICE" in `policy` says the same, for who has one word
 * only. */
static int service_name(struct kbs_call *call, char path[POLICY_PATH_SIZE_MAX + 1],
                        const char **ret_name, const char **ret_service)
{
    const char *text = "";
    int r = call_text(call, "policy", POLICY_PATH_SIZE_MAX, &text);
    if (r < 0)
        return r;
    memcpy(path, text, strlen(text) + 1);
    char *colon = strchr(path, ':');
    if (colon)
        *colon = '\0';
    *ret_name = path;
    *ret_service = colon ? colon + 1 : NULL;
    if (json_object_get(call->in, "service"))
        r = call_name(call, "service", ret_service);
    if (r == 0 &&
        (!policy_path_is_valid(path) || (*ret_service && !policy_name_is_valid(*ret_service))))
        return call_bad_request(call, "policy", "the name of a policy, or NAME:SERVICE");
    return r;
}

/* Who names none gets the only one there is. */
static int service_choose(struct kbs_call *call, const char *tenant, const char *name,
                          struct policy **policy)
{
    SCOPED(policy_freep) struct policy *whole = NULL;
    if ((*policy)->service || (*policy)->service_count == 0)
        return 0;
    if ((*policy)->service_count > 1)
        return call_refuse(call, REFUSAL_SERVICE, "services", (*policy)->services[0],
                           "none was named");
    whole = TAKE(*policy);
    return call_policy_load(call, tenant, name, whole->services[0], policy);
}

int call_service_load(struct kbs_call *call, const char *tenant, struct policy **ret_policy)
{
    char path[POLICY_PATH_SIZE_MAX + 1];
    const char *name = "", *service = NULL;
    int r = service_name(call, path, &name, &service);
    if (r == 0)
        r = call_policy_load(call, tenant, name, service, ret_policy);
    if (r == 0 && !*ret_policy)
        r = -ENOENT;
    return r != 0 ? r : service_choose(call, tenant, name, ret_policy);
}

int call_provision(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    const struct evidence *ev = &call->peer->evidence;
    const char *tenant = "";
    char decision[DECISION_SIZE];
    int r = call_attested(call);
    if (r == 0)
        r = call_name(call, "tenant", &tenant);
    if (r == 0)
        r = call_service_load(call, tenant, &policy);
    if (r == 0)
        r = call_appraise(call, policy);
    if (r == 0)
        r = session_begin(call, policy);
    /* Only a process that renews its session; it has its configuration. */
    if (r == 0 && json_is_true(json_object_get(call->in, "renew")))
        return 0;
    if (r == 0)
        r = command_answer(call, policy);
    if (r == 0)
        r = lists_answer(call, policy);
    if (r == 0)
        r = call_put(call->out, "explain", json_boolean(policy->explain));
    if (r == 0)
        r = tls_answer(call, policy);
    if (r == 0)
        r = call_put(call->out, "program",
                     call_json_hex(slice_of(ev->program, sizeof ev->program)));
    if (r != 0)
        return r;
    metric_add(&call->kbs->metrics[KBS_METRIC_PROVISIONED], 1);
    decision_text(policy, ev, decision);
    return kbs_audit(call->kbs, "provisioned", tenant, policy->name, decision);
}

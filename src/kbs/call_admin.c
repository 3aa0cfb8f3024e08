/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of everybody and of operators: what this key broker is, tenants, the audit log. */
#include "base/hex.h"
#include "kbs/call.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { CERTIFICATE_SIZE_MAX = 16384, AUDIT_ENTRIES_MAX = 1000 };

int call_info(struct kbs_call *call)
{
    SCOPED(buf_done) struct buf pem = {0}, pin = {0};
    const struct kbs *kbs = call->kbs;
    uint8_t audit_point[P256_PUBLIC_SIZE];
    struct who who;
    pin_from_evidence(&kbs->self, &who);
    int r = ca_pem(kbs->ca, &pem);
    if (r == 0)
        r = pin_write(&who, &pin);
    if (r == 0)
        r = p256_public(kbs->audit_key, audit_point);
    if (r < 0)
        return r;
    r = call_put(call->out, "ca", json_stringn((const char *)pem.bytes, pem.size));
    if (r == 0)
        r = call_put(call->out, "domain", json_string(kbs->manifest->domain));
    if (r == 0)
        r = call_put(call->out, "pin", json_stringn((const char *)pin.bytes, pin.size));
    SCOPED(buf_done) struct buf hex = {0};
    uint8_t *to = r == 0 ? buf_reserve(&hex, 2 * sizeof audit_point + 1) : NULL;
    if (!to)
        return r < 0 ? r : -ENOMEM;
    hex_encode(slice_of(audit_point, sizeof audit_point), (char *)to);
    r = call_put(call->out, "audit_key", json_string((char *)to));
    if (r == 0)
        r = call_put(call->out, "locked", json_boolean(kbs->locked));
    return r < 0 ? r : call_put_state(call, "state");
}

/* Names a key by its certificate, or by its hash directly. */
static int owner_hash(struct kbs_call *call, uint8_t ret_hash[SHA256_SIZE])
{
    const char *pem = "";
    if (json_object_get(call->in, "owner"))
        return call_hex(call, "owner", ret_hash, SHA256_SIZE);
    int r = call_text(call, "owner_certificate", CERTIFICATE_SIZE_MAX, &pem);
    if (r < 0)
        return r;
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    r = certificate ? ratls_key_hash(certificate, ret_hash) : -EBADMSG;
    X509_free(certificate);
    BIO_free(bio);
    return r == -EBADMSG ? call_bad_request(call, "owner_certificate", "a certificate in PEM") : r;
}

int call_tenant_add(struct kbs_call *call)
{
    struct kbs *kbs = call->kbs;
    struct store_tenant tenant = {.created_s = kbs->now_s()};
    const char *name = "";
    uint64_t count = 0;
    int r = call_operator(call);
    if (r == 0)
        r = call_name(call, "tenant", &name);
    if (r == 0)
        r = owner_hash(call, tenant.owner);
    if (r == 0)
        r = store_tenant_count(kbs->store, &count);
    if (r < 0)
        return r;
    if (count >= kbs->manifest->tenants_max)
        return call_refuse(call, REFUSAL_LIMIT, "tenants_max", NULL, NULL);
    memcpy(tenant.name, name, strlen(name) + 1);
    r = store_tenant_add(kbs->store, &tenant);
    if (r == -EEXIST)
        return call_refuse(call, REFUSAL_TENANT_TAKEN, "tenant", NULL, name);
    return r < 0 ? r : kbs_audit(kbs, "tenant added", name, NULL, NULL);
}

static int tenant_append(void *ctx, const struct store_tenant *tenant)
{
    json_t *list = ctx;
    json_t *entry = json_object();
    int r = entry ? 0 : -ENOMEM;
    if (r == 0)
        r = call_put(entry, "tenant", json_string(tenant->name));
    if (r == 0)
        r = call_put(entry, "owner", call_json_hex(slice_of(tenant->owner, sizeof tenant->owner)));
    if (r == 0)
        r = call_put(entry, "created_s", json_integer(tenant->created_s));
    if (json_array_append_new(list, entry) != 0)
        r = -ENOMEM;
    return r;
}

int call_tenant_list(struct kbs_call *call)
{
    json_t *list = json_array();
    int r = call_operator(call);
    if (r == 0)
        r = list ? store_tenant_list(call->kbs->store, tenant_append, list) : -ENOMEM;
    if (r == 0)
        return call_put(call->out, "tenants", list);
    json_decref(list);
    return r;
}

static int audit_append(void *ctx, const struct store_audit *a)
{
    json_t *entry = json_object();
    int r = entry ? call_put(entry, "sequence", json_integer((json_int_t)a->sequence)) : -ENOMEM;
    if (r == 0)
        r = call_put(entry, "time_s", json_integer(a->time_s));
    if (r == 0)
        r = call_put(entry, "event", json_string(a->event));
    if (r == 0)
        r = call_put(entry, "hash", call_json_hex(slice_of(a->hash, sizeof a->hash)));
    if (r == 0)
        r = call_put(entry, "signature",
                     call_json_hex(slice_of(a->signature, sizeof a->signature)));
    if (json_array_append_new(ctx, entry) != 0)
        r = -ENOMEM;
    return r;
}

int call_audit(struct kbs_call *call)
{
    uint64_t after = 0;
    json_t *list = json_array();
    int r = call_operator(call);
    if (r == 0)
        r = call_uint(call, "after", &after);
    if (r == 0)
        r = list ? store_audit_list(call->kbs->store, after, AUDIT_ENTRIES_MAX, audit_append, list)
                 : -ENOMEM;
    if (r == 0)
        return call_put(call->out, "entries", list);
    json_decref(list);
    return r;
}

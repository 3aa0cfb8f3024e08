/* SPDX-License-Identifier: Apache-2.0 */
/* Which enclave makes quotes, and which of its versions are how good. */
#include "attest/dcap/json_strict.h"
#include "attest/dcap/tcb.h"

#include <errno.h>

static uint32_t u32_read(struct strict *st, const json_t *json, const char *name)
{
    uint8_t be[4];
    strict_hex(st, json, name, be, sizeof be); /* the text is big-endian */
    return (uint32_t)be[0] << 24 | (uint32_t)be[1] << 16 | (uint32_t)be[2] << 8 | be[3];
}

static void identity_read(struct strict *st, struct dcap_identity *id)
{
    struct tcb_level ignored;
    const char *name = strict_text(st, id->json, "id");
    id->tee = strcmp(name, "TD_QE") == 0 ? DCAP_TDX : DCAP_SGX;
    if (id->tee == DCAP_SGX && strcmp(name, "QE") != 0 && !st->failed)
        st->failed = "id";
    if (strict_uint(st, id->json, "version", 2) != 2 && !st->failed)
        st->failed = "version";
    id->issued_s = strict_time(st, id->json, "issueDate");
    id->next_s = strict_time(st, id->json, "nextUpdate");
    id->evaluation_number = strict_uint(st, id->json, "tcbEvaluationDataNumber", INT32_MAX);
    id->misc_select = u32_read(st, id->json, "miscselect");
    id->misc_mask = u32_read(st, id->json, "miscselectMask");
    strict_hex(st, id->json, "attributes", id->attributes, sizeof id->attributes);
    strict_hex(st, id->json, "attributesMask", id->attributes_mask, sizeof id->attributes_mask);
    strict_hex(st, id->json, "mrsigner", id->mr_signer, sizeof id->mr_signer);
    id->isv_prod_id = (uint16_t)strict_uint(st, id->json, "isvprodid", UINT16_MAX);
    (void)strict_svn_level(st, strict_array(st, id->json, "tcbLevels"), 0, &ignored);
}

int dcap_identity_parse(struct slice object, struct dcap_identity *ret_identity, struct error *e)
{
    struct strict st = {0};
    struct dcap_identity identity = {.json = strict_load(object)};
    if (!identity.json)
        return error_set(e, -EBADMSG, "the enclave identity is no JSON");
    identity_read(&st, &identity);
    if (st.failed) {
        dcap_identity_done(&identity);
        return error_set(e, -EBADMSG, "the enclave identity has no acceptable '%s'", st.failed);
    }
    *ret_identity = identity;
    return 0;
}

void dcap_identity_done(struct dcap_identity *identity)
{
    json_decref(identity->json);
    identity->json = NULL;
}

int dcap_identity_match(const struct dcap_identity *identity, const struct sgx_report *qe)
{
    bool same = (qe->misc_select & identity->misc_mask) == identity->misc_select &&
                memcmp(qe->mr_signer, identity->mr_signer, sizeof qe->mr_signer) == 0 &&
                qe->isv_prod_id == identity->isv_prod_id;
    for (size_t i = 0; i < sizeof qe->attributes; i++)
        same &= (qe->attributes[i] & identity->attributes_mask[i]) == identity->attributes[i];
    return same ? 0 : -EKEYREJECTED;
}

int dcap_identity_level(const struct dcap_identity *identity, uint16_t isv_svn,
                        struct tcb_level *ret_level)
{
    struct strict st = {0};
    return strict_svn_level(&st, json_object_get(identity->json, "tcbLevels"), isv_svn, ret_level)
               ? 0
               : -ENOENT;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* TCB info and its levels. Everything is read once when the document is parsed, so that a level that
 * no platform ever reached cannot hide a mistake; matching reads it again from what was accepted. */
#include "attest/dcap/json_strict.h"
#include "attest/dcap/tcb.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define LEVELS_MAX 256
#define MODULE_ID_SIZE 7 /* "TDX_01" and its NUL */

struct platform_level {
    uint8_t sgx[DCAP_COMPONENTS], tdx[DCAP_COMPONENTS];
    uint16_t pce_svn;
    struct tcb_level level;
};

static void components_read(struct strict *st, const json_t *tcb, const char *name,
                            uint8_t svn[DCAP_COMPONENTS])
{
    const json_t *list = strict_array(st, tcb, name);
    if (json_array_size(list) != DCAP_COMPONENTS && !st->failed)
        st->failed = name;
    for (size_t i = 0; i < DCAP_COMPONENTS && !st->failed; i++)
        svn[i] = (uint8_t)strict_uint(st, json_array_get(list, i), "svn", UINT8_MAX);
}

/* Version 2 names each component. */
static void flat_components_read(struct strict *st, const json_t *tcb, uint8_t svn[DCAP_COMPONENTS])
{
    for (unsigned i = 0; i < DCAP_COMPONENTS && !st->failed; i++) {
        char name[sizeof "sgxtcbcomp01svn" + 8];
        snprintf(name, sizeof name, "sgxtcbcomp%02usvn", i + 1);
        const json_t *value = json_object_get(tcb, name);
        json_int_t n = json_integer_value(value);
        if (!json_is_integer(value) || n < 0 || n > UINT8_MAX)
            st->failed = "sgxtcbcompNNsvn";
        else
            svn[i] = (uint8_t)n;
    }
}

static struct platform_level
platform_level_read(struct strict *st, const struct dcap_tcb_info *info, const json_t *object)
{
    struct platform_level read = {.level = strict_level(st, object, false)};
    const json_t *tcb = strict_object(st, object, "tcb");
    read.pce_svn = (uint16_t)strict_uint(st, tcb, "pcesvn", UINT16_MAX);
    if (info->version == 2)
        flat_components_read(st, tcb, read.sgx);
    else
        components_read(st, tcb, "sgxtcbcomponents", read.sgx);
    if (info->tee == DCAP_TDX)
        components_read(st, tcb, "tdxtcbcomponents", read.tdx);
    return read;
}

/* Who may have made a TDX module: its signer, and attributes that are all zero under the mask. */
static bool module_matches(struct strict *st, const json_t *module, const struct td_report *td)
{
    uint8_t signer[TDX_MEASUREMENT_SIZE], attributes[8], mask[8];
    bool same = true;
    strict_hex(st, module, "mrsigner", signer, sizeof signer);
    strict_hex(st, module, "attributes", attributes, sizeof attributes);
    strict_hex(st, module, "attributesMask", mask, sizeof mask);
    if (!td || st->failed)
        return false;
    for (size_t i = 0; i < sizeof mask; i++)
        same &= (td->seam_attributes[i] & mask[i]) == attributes[i] && td->seam_attributes[i] == 0;
    return same && memcmp(signer, td->mr_signer_seam, sizeof signer) == 0;
}

static void modules_check(struct strict *st, const struct dcap_tcb_info *info)
{
    struct tcb_level ignored;
    if (info->tee != DCAP_TDX)
        return;
    (void)module_matches(st, strict_object(st, info->json, "tdxModule"), NULL);
    const json_t *modules = json_object_get(info->json, "tdxModuleIdentities");
    for (size_t i = 0; i < json_array_size(modules); i++) {
        const json_t *module = json_array_get(modules, i);
        (void)strict_text(st, module, "id");
        (void)module_matches(st, module, NULL);
        (void)strict_svn_level(st, strict_array(st, module, "tcbLevels"), 0, &ignored);
    }
}

static void tee_read(struct strict *st, struct dcap_tcb_info *info)
{
    if (info->version == 2) {
        info->tee = DCAP_SGX;
        return;
    }
    const char *id = strict_text(st, info->json, "id");
    info->tee = strcmp(id, "TDX") == 0 ? DCAP_TDX : DCAP_SGX;
    if (info->tee == DCAP_SGX && strcmp(id, "SGX") != 0 && !st->failed)
        st->failed = "id";
}

static void info_read(struct strict *st, struct dcap_tcb_info *info)
{
    info->version = strict_uint(st, info->json, "version", 3);
    if (info->version < 2 && !st->failed)
        st->failed = "version";
    tee_read(st, info);
    info->issued_s = strict_time(st, info->json, "issueDate");
    info->next_s = strict_time(st, info->json, "nextUpdate");
    strict_hex(st, info->json, "fmspc", info->fmspc, sizeof info->fmspc);
    strict_hex(st, info->json, "pceId", info->pce_id, sizeof info->pce_id);
    info->evaluation_number = strict_uint(st, info->json, "tcbEvaluationDataNumber", INT32_MAX);
    (void)strict_uint(st, info->json, "tcbType", 0); /* no other way to compare is defined */
    const json_t *levels = strict_array(st, info->json, "tcbLevels");
    if (json_array_size(levels) > LEVELS_MAX)
        st->failed = "tcbLevels";
    for (size_t i = 0; i < json_array_size(levels) && !st->failed; i++)
        (void)platform_level_read(st, info, json_array_get(levels, i));
    modules_check(st, info);
}

int dcap_tcb_info_parse(struct slice object, struct dcap_tcb_info *ret_info, struct error *e)
{
    struct strict st = {0};
    struct dcap_tcb_info info = {.json = strict_load(object)};
    if (!info.json)
        return error_set(e, -EBADMSG, "the TCB info is no JSON");
    info_read(&st, &info);
    if (st.failed) {
        dcap_tcb_info_done(&info);
        return error_set(e, -EBADMSG, "the TCB info has no acceptable '%s'", st.failed);
    }
    *ret_info = info;
    return 0;
}

void dcap_tcb_info_done(struct dcap_tcb_info *info)
{
    json_decref(info->json);
    info->json = NULL;
}

static bool reaches(const uint8_t *have, const uint8_t *least, size_t from)
{
    for (size_t i = from; i < DCAP_COMPONENTS; i++)
        if (have[i] < least[i])
            return false;
    return true;
}

int dcap_platform_level(const struct dcap_tcb_info *info, const struct dcap_pck *pck,
                        const uint8_t *td_svn, struct tcb_level *ret_level)
{
    struct strict st = {0};
    const json_t *levels = json_object_get(info->json, "tcbLevels");
    for (size_t i = 0; i < json_array_size(levels); i++) {
        struct platform_level each = platform_level_read(&st, info, json_array_get(levels, i));
        if (st.failed)
            return -ENOENT;
        /* With a module version, components 0 and 1 are the module's: dcap_module_level() judges. */
        if (!reaches(pck->components, each.sgx, 0) || pck->pce_svn < each.pce_svn ||
            (td_svn && !reaches(td_svn, each.tdx, td_svn[1] > 0 ? 2 : 0)))
            continue;
        *ret_level = each.level;
        return 0;
    }
    return -ENOENT;
}

/* Ids are compared without regard to case: the documents use both. */
static const json_t *module_find(const struct dcap_tcb_info *info, unsigned version)
{
    char id[MODULE_ID_SIZE + 4];
    snprintf(id, sizeof id, "TDX_%02x", version & 0xff);
    const json_t *modules = json_object_get(info->json, "tdxModuleIdentities");
    for (size_t i = 0; i < json_array_size(modules); i++) {
        const json_t *module = json_array_get(modules, i);
        const char *name = json_string_value(json_object_get(module, "id"));
        if (name && strcasecmp(name, id) == 0)
            return module;
    }
    return NULL;
}

int dcap_module_level(const struct dcap_tcb_info *info, const struct td_report *td,
                      const uint8_t *td_svn, struct tcb_level *ret_level)
{
    struct strict st = {0};
    if (td_svn[1] == 0) {
        if (!module_matches(&st, json_object_get(info->json, "tdxModule"), td))
            return -EKEYREJECTED;
        *ret_level = (struct tcb_level){.status = TCB_UP_TO_DATE};
        return 0;
    }
    const json_t *module = module_find(info, td_svn[1]);
    if (!module)
        return -ENOENT;
    if (!module_matches(&st, module, td))
        return -EKEYREJECTED;
    return strict_svn_level(&st, json_object_get(module, "tcbLevels"), td_svn[0], ret_level)
               ? 0
               : -ENOENT;
}

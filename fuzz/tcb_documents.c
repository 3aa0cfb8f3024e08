/* SPDX-License-Identifier: Apache-2.0 */
/* A document that parses has a level for the best platform and module there can be, or says so; the
 * signed part of a file is one JSON object inside it. */
#include "attest/dcap/tcb.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void info_try(struct slice text)
{
    struct dcap_tcb_info info;
    struct dcap_pck pck;
    struct td_report td = {0};
    struct tcb_level level;
    if (dcap_tcb_info_parse(text, &info, NULL) < 0)
        return;
    memset(&pck, 0xff, sizeof pck);
    memset(td.tee_tcb_svn, 0xff, sizeof td.tee_tcb_svn);
    assert(dcap_platform_level(&info, &pck, info.tee == DCAP_TDX ? td.tee_tcb_svn : NULL, &level) ==
           0);
    assert(level.status > TCB_NONE && level.status < TCB_STATUS_COUNT);
    for (unsigned version = 0; version < 256; version++) {
        td.tee_tcb_svn[1] = (uint8_t)version;
        if (dcap_module_level(&info, &td, td.tee_tcb_svn, &level) == 0)
            assert(level.status > TCB_NONE && level.status < TCB_STATUS_COUNT);
    }
    dcap_tcb_info_done(&info);
}

static void identity_try(struct slice text)
{
    struct dcap_identity identity;
    struct tcb_level level;
    if (dcap_identity_parse(text, &identity, NULL) < 0)
        return;
    assert(dcap_identity_level(&identity, UINT16_MAX, &level) == 0);
    dcap_identity_done(&identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dcap_signed document;
    struct slice text = slice_of(data, size);
    info_try(text);
    identity_try(text);
    if (dcap_signed_parse(text, "tcbInfo", &document) == 0) {
        assert(document.object.bytes > data && document.object.size < size);
        assert(document.object.bytes[0] == '{');
        assert(document.object.bytes[document.object.size - 1] == '}');
        info_try(document.object);
    }
    if (dcap_signed_parse(text, "enclaveIdentity", &document) == 0)
        identity_try(document.object);
    return 0;
}

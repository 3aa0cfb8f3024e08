/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/dcap/pck.h"

#include "base/reader.h"

#include <errno.h>

/* DER (X.690, section 8), as much of it as the extension uses. */
enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_OCTETS = 0x04,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_SEQUENCE = 0x30,
};

/* 1.2.840.113741.1.13.1; members add their number, and theirs another one. */
static const uint8_t pck_oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

enum member { PPID = 1, TCB, PCE_ID, FMSPC, SGX_TYPE, PLATFORM_INSTANCE, CONFIGURATION };
enum tcb_member { TCB_PCE_SVN = 17, TCB_CPU_SVN };
enum configuration_member { DYNAMIC_PLATFORM = 1, CACHED_KEYS, SMT_ENABLED };

#define REQUIRED ((1u << PPID) | (1u << TCB) | (1u << PCE_ID) | (1u << FMSPC) | (1u << SGX_TYPE))
#define TCB_REQUIRED ((2u << TCB_CPU_SVN) - 2)

/* One element of the kind `tag`; lengths in their shortest form only. */
static struct slice der_element(struct reader *rd, unsigned tag)
{
    if (reader_u8(rd) != tag)
        rd->failed = true;
    size_t size = reader_u8(rd);
    if (size == 0x81) {
        size = reader_u8(rd);
        rd->failed |= size < 0x80;
    } else if (size == 0x82) {
        size = reader_u16_be(rd);
        rd->failed |= size < 0x100;
    } else if (size > 0x82 || size == 0x80) {
        rd->failed = true;
    }
    return reader_slice(rd, size);
}

static void octets(struct reader *rd, void *to, size_t size)
{
    struct slice value = der_element(rd, DER_OCTETS);
    rd->failed |= value.size != size;
    if (!rd->failed)
        memcpy(to, value.bytes, size);
}

/* A number of at most two bytes that is not negative. */
static uint16_t number(struct reader *rd, unsigned tag, unsigned most)
{
    struct slice value = der_element(rd, tag);
    unsigned n = 0;
    rd->failed |= value.size < 1 || value.size > 3;
    if (rd->failed)
        return 0;
    for (size_t i = 0; i < value.size; i++)
        n = n << 8 | value.bytes[i];
    bool padded = value.size > 1 && value.bytes[0] == 0 && value.bytes[1] < 0x80;
    rd->failed |= (value.bytes[0] & 0x80) || padded || n > most;
    return (uint16_t)n;
}

static bool truth(struct reader *rd)
{
    struct slice value = der_element(rd, DER_BOOLEAN);
    rd->failed |= value.size != 1 || (value.bytes[0] != 0 && value.bytes[0] != 0xff);
    return !rd->failed && value.bytes[0] != 0;
}

typedef void member_fn(struct reader *rd, unsigned member, struct dcap_pck *pck);

/* A sequence of pairs of OID and value. The OID is `prefix`'s and one number more, which may stand
 * there once. Returns the set of numbers seen. */
static unsigned members_read(struct slice bytes, struct slice prefix, unsigned most, member_fn *fn,
                             struct dcap_pck *pck, struct reader *outer)
{
    struct reader rd = reader_over(bytes);
    unsigned seen = 0;
    while (reader_ok(&rd) && reader_left(&rd) > 0) {
        struct reader pair = reader_over(der_element(&rd, DER_SEQUENCE));
        struct slice oid = der_element(&pair, DER_OID);
        unsigned n = oid.size == prefix.size + 1 ? oid.bytes[prefix.size] : 0;
        if (!reader_ok(&pair) || n < 1 || n > most || (seen & 1u << n) ||
            memcmp(oid.bytes, prefix.bytes, prefix.size) != 0) {
            rd.failed = true;
            break;
        }
        seen |= 1u << n;
        fn(&pair, n, pck);
        rd.failed |= !reader_finished(&pair);
    }
    outer->failed |= rd.failed;
    return seen;
}

static struct slice prefix_of(unsigned member, uint8_t room[sizeof pck_oid + 1])
{
    memcpy(room, pck_oid, sizeof pck_oid);
    room[sizeof pck_oid] = (uint8_t)member;
    return slice_of(room, sizeof pck_oid + 1);
}

static void tcb_member_read(struct reader *rd, unsigned member, struct dcap_pck *pck)
{
    if (member == TCB_PCE_SVN)
        pck->pce_svn = number(rd, DER_INTEGER, UINT16_MAX);
    else if (member == TCB_CPU_SVN)
        octets(rd, pck->cpu_svn, sizeof pck->cpu_svn);
    else
        pck->components[member - 1] = (uint8_t)number(rd, DER_INTEGER, UINT8_MAX);
}

static void configuration_member_read(struct reader *rd, unsigned member, struct dcap_pck *pck)
{
    bool value = truth(rd);
    if (member == DYNAMIC_PLATFORM)
        pck->dynamic_platform = value;
    else if (member == CACHED_KEYS)
        pck->cached_keys = value;
    else
        pck->smt_enabled = value;
}

static void member_read(struct reader *rd, unsigned member, struct dcap_pck *pck)
{
    uint8_t room[sizeof pck_oid + 1], instance[16];
    struct slice prefix = prefix_of(member, room);
    switch ((enum member)member) {
    case PPID:
        octets(rd, pck->ppid, sizeof pck->ppid);
        return;
    case TCB: {
        struct slice tcb = der_element(rd, DER_SEQUENCE);
        if (members_read(tcb, prefix, TCB_CPU_SVN, tcb_member_read, pck, rd) != TCB_REQUIRED)
            rd->failed = true;
        return;
    }
    case PCE_ID:
        octets(rd, pck->pce_id, sizeof pck->pce_id);
        return;
    case FMSPC:
        octets(rd, pck->fmspc, sizeof pck->fmspc);
        return;
    case SGX_TYPE:
        pck->sgx_type = (uint8_t)number(rd, DER_ENUMERATED, 2);
        return;
    case PLATFORM_INSTANCE:
        octets(rd, instance, sizeof instance);
        return;
    case CONFIGURATION: {
        struct slice configuration = der_element(rd, DER_SEQUENCE);
        pck->has_configuration = true;
        (void)members_read(configuration, prefix, SMT_ENABLED, configuration_member_read, pck, rd);
        return;
    }
    }
    rd->failed = true;
}

int dcap_pck_parse(struct slice extension, struct dcap_pck *ret_pck)
{
    struct dcap_pck pck = {0};
    struct reader rd = reader_over(extension);
    struct slice all = der_element(&rd, DER_SEQUENCE);
    unsigned seen =
        members_read(all, slice_of(pck_oid, sizeof pck_oid), CONFIGURATION, member_read, &pck, &rd);
    if (!reader_finished(&rd) || (seen & REQUIRED) != REQUIRED)
        return -EBADMSG;
    *ret_pck = pck;
    return 0;
}

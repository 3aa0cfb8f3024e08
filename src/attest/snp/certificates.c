/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers certificates from the forms in which they come. */
#include "attest/snp/verify.h"

#include "base/reader.h"

#include <errno.h>
#include <openssl/x509.h>

#define TABLE_ENTRY_SIZE 24 /* GUID, offset, size */
#define TABLE_ENTRIES_MAX 16

static int chain_add(struct snp_certificates *all, struct slice bytes)
{
    struct x509_chain chain = {0};
    int r = x509_chain_read(bytes, &chain);
    if (r == 0 && all->count + chain.count > SNP_CERTIFICATES_MAX)
        r = -E2BIG;
    if (r < 0) {
        x509_chain_done(&chain);
        return r;
    }
    for (int i = 0; i < chain.count; i++)
        all->certificate[all->count++] = chain.certificate[i];
    return 0;
}

static int single_add(struct snp_certificates *all, struct slice bytes)
{
    X509_CRL *crl = NULL;
    int r = chain_add(all, bytes);
    if (r != -EBADMSG)
        return r;
    if (x509_crl_read(bytes, &crl) < 0)
        return -EBADMSG;
    if (all->crl_count == SNP_CRLS_MAX) {
        X509_CRL_free(crl);
        return -E2BIG;
    }
    all->crl[all->crl_count++] = crl;
    return 0;
}

/* Entries up to one of zeros, each naming a stretch of the table itself. */
static int table_add(struct snp_certificates *all, struct slice table)
{
    static const uint8_t end[16];
    struct reader rd = reader_over(table);
    for (int i = 0; i < TABLE_ENTRIES_MAX; i++) {
        struct slice guid = reader_slice(&rd, sizeof end);
        size_t offset = reader_u32(&rd), size = reader_u32(&rd);
        if (!reader_ok(&rd))
            return -EBADMSG;
        if (slice_equals(guid, slice_of(end, sizeof end)))
            return i > 0 ? 0 : -EBADMSG;
        if (offset > table.size || size > table.size - offset)
            return -EBADMSG;
        int r = single_add(all, slice_of(table.bytes + offset, size));
        if (r < 0)
            return r;
    }
    return -EBADMSG;
}

int snp_certificates_add(struct snp_certificates *all, struct slice bytes)
{
    int r = single_add(all, bytes);
    return r == -EBADMSG && bytes.size > TABLE_ENTRY_SIZE ? table_add(all, bytes) : r;
}

int snp_certificates_share(const struct snp_certificates *from, struct snp_certificates *to)
{
    if (from->count > SNP_CERTIFICATES_MAX - to->count ||
        from->crl_count > SNP_CRLS_MAX - to->crl_count)
        return -E2BIG;
    for (int i = 0; i < from->count; i++) {
        X509_up_ref(from->certificate[i]);
        to->certificate[to->count++] = from->certificate[i];
    }
    for (int i = 0; i < from->crl_count; i++) {
        X509_CRL_up_ref(from->crl[i]);
        to->crl[to->crl_count++] = from->crl[i];
    }
    return 0;
}

void snp_certificates_done(struct snp_certificates *all)
{
    for (int i = 0; i < all->count; i++)
        X509_free(all->certificate[i]);
    for (int i = 0; i < all->crl_count; i++)
        X509_CRL_free(all->crl[i]);
    *all = (struct snp_certificates){0};
}

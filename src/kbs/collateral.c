/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/collateral.h"

#include "attest/dcap/collateral.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_AGAIN_S 10
#define HARDWARE_ID_OID "1.3.6.1.4.1.3704.1.4"

struct collateral {
    char *dir;
    struct vendor_sources sources;
    struct evidence_verifier verifier;
    int64_t (*now_s)(void);
    int64_t looked_s;
    uint8_t fingerprint[SHA256_SIZE]; /* of names, sizes and times of all files */
    struct dcap_collateral *sets[COLLATERAL_SETS_MAX];
    X509 **certificates;
    X509_CRL *lists[SNP_CRLS_MAX];
    int list_count;
    struct collateral_counts counts;
};

static void contents_free(struct collateral *c)
{
    for (unsigned i = 0; i < c->counts.sets; i++)
        dcap_collateral_free(c->sets[i]);
    for (unsigned i = 0; i < c->counts.certificates; i++)
        X509_free(c->certificates[i]);
    for (int i = 0; i < c->list_count; i++)
        X509_CRL_free(c->lists[i]);
    free(c->certificates);
    c->certificates = NULL;
    c->list_count = 0;
    c->counts = (struct collateral_counts){0};
}

static void dir_closep(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static int file_read(int dir, const char *name, struct buf *ret)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : 1;
    ret->size_max = COLLATERAL_FILE_SIZE_MAX;
    while (n > 0) {
        uint8_t *to = buf_reserve(ret, 4096);
        n = to ? read(fd, to, 4096) : -1;
        if (n > 0)
            ret->size += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return n < 0 ? -EIO : 0;
}

static void refused(struct collateral *c, const char *folder, const char *file, const char *why)
{
    c->counts.refused++;
    LOG_WARNING("collateral cannot be used", LOG_TEXT("folder", folder), LOG_TEXT("file", file),
                LOG_TEXT("why", why));
}

static void set_load(struct collateral *c, int dir, const char *folder)
{
    static const char *const names[] = {
        "tcb_info.json", "qe_identity.json",         "tcb_signing_chain.pem",
        "pck_crl.der",   "pck_crl_issuer_chain.pem", "root_ca_crl.der"};
    struct buf b[ARRAY_COUNT(names)] = {{0}};
    struct error e = {0};
    int r = c->counts.sets < COLLATERAL_SETS_MAX ? 0 : error_set(&e, -E2BIG, "too many sets");
    for (size_t i = 0; i < ARRAY_COUNT(names) && r == 0; i++) {
        r = file_read(dir, names[i], &b[i]);
        if (r < 0)
            error_set(&e, r, "%s cannot be read", names[i]);
    }
    if (r == 0) {
        const struct dcap_files files = {buf_slice(&b[0]), buf_slice(&b[1]), buf_slice(&b[2]),
                                         buf_slice(&b[3]), buf_slice(&b[4]), buf_slice(&b[5])};
        r = dcap_collateral_open(&files, c->sources.intel_root, &c->sets[c->counts.sets], &e);
    }
    if (r == 0) {
        c->counts.sets++;
    } else {
        refused(c, folder, "", e.text);
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        buf_done(&b[i]);
}

static int certificate_keep(struct collateral *c, X509 *certificate)
{
    unsigned count = c->counts.certificates;
    if (count >= COLLATERAL_CERTIFICATES_MAX)
        return -E2BIG;
    if ((count & (count - 1)) == 0) {
        X509 **more = realloc(c->certificates, (count ? 2 * count : 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        c->certificates = more;
    }
    X509_up_ref(certificate);
    c->certificates[c->counts.certificates++] = certificate;
    return 0;
}

static void amd_file_load(struct collateral *c, int dir, const char *folder, const char *name)
{
    SCOPED(snp_certificates_done) struct snp_certificates all = {0};
    SCOPED(buf_done) struct buf bytes = {0};
    int r = file_read(dir, name, &bytes);
    if (r == 0)
        r = snp_certificates_add(&all, buf_slice(&bytes));
    for (int i = 0; i < all.count && r == 0; i++)
        r = certificate_keep(c, all.certificate[i]);
    for (int i = 0; i < all.crl_count && r == 0; i++) {
        if (c->list_count == SNP_CRLS_MAX) {
            r = -E2BIG;
            break;
        }
        X509_CRL_up_ref(all.crl[i]);
        c->lists[c->list_count++] = all.crl[i];
        c->counts.lists++;
    }
    if (r < 0)
        refused(c, folder, name,
                r == -E2BIG ? "too many" : "neither a certificate nor a revocation list");
}

static void folder_load(struct collateral *c, int above, const char *folder)
{
    int fd = openat(above, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SCOPED(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (faccessat(fd, "tcb_info.json", F_OK, 0) == 0) {
        set_load(c, fd, folder);
        return;
    }
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            amd_file_load(c, fd, folder, entry->d_name);
}

static int stat_add(struct sha256_stream *stream, int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, 0) < 0)
        return 0;
    const int64_t numbers[] = {st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                               (int64_t)st.st_ino};
    int r = sha256_stream_add(stream, slice_of_text(name));
    return r < 0 ? r : sha256_stream_add(stream, slice_of(numbers, sizeof numbers));
}

/* Names of one level, or of two for the folders in it. */
static int names_add(struct sha256_stream *stream, int above, const char *name, unsigned levels)
{
    int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SCOPED(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int r = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while (r == 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        r = stat_add(stream, fd, entry->d_name);
        if (r == 0 && levels > 1)
            r = names_add(stream, fd, entry->d_name, levels - 1);
    }
    return r;
}

static int fingerprint_take(const char *dir, uint8_t ret[SHA256_SIZE])
{
    SCOPED(sha256_stream_freep) struct sha256_stream *stream = NULL;
    int r = sha256_stream_new(&stream);
    if (r == 0)
        r = names_add(stream, AT_FDCWD, dir, 2);
    return r < 0 ? r : sha256_stream_finish(stream, ret);
}

static int contents_load(struct collateral *c)
{
    int fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SCOPED(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    if (!dir)
        return -errno;
    contents_free(c);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            folder_load(c, fd, entry->d_name);
    LOG_NOTICE("collateral loaded", LOG_INT("sets", c->counts.sets),
               LOG_INT("certificates", c->counts.certificates), LOG_INT("lists", c->counts.lists));
    return 0;
}

void collateral_refresh(struct collateral *c)
{
    uint8_t fingerprint[SHA256_SIZE];
    c->looked_s = c->now_s();
    if (!c->dir || fingerprint_take(c->dir, fingerprint) < 0 ||
        memcmp(fingerprint, c->fingerprint, sizeof fingerprint) == 0)
        return;
    /* What is being written now is looked at again after the next change. */
    if (contents_load(c) == 0)
        memcpy(c->fingerprint, fingerprint, sizeof fingerprint);
}

static void look_again(struct collateral *c)
{
    int64_t now = c->now_s();
    if (now >= c->looked_s + LOOK_AGAIN_S || now < c->looked_s)
        collateral_refresh(c);
}

static const struct dcap_collateral *dcap_find(void *ctx, const struct vendor_platform *p)
{
    struct collateral *c = ctx;
    const struct dcap_collateral *best = NULL;
    int64_t now = c->now_s();
    look_again(c);
    for (unsigned i = 0; i < c->counts.sets; i++) {
        const struct dcap_collateral *one = c->sets[i];
        if (!dcap_collateral_fits(one, p->tee, p->fmspc, p->processor_ca))
            continue;
        /* One that is good now before one that is not; among equals the newer. */
        bool good = dcap_collateral_judge(one, now) == DCAP_FAULT_NONE;
        bool best_good = best && dcap_collateral_judge(best, now) == DCAP_FAULT_NONE;
        if (!best || (good && !best_good) ||
            (good == best_good && dcap_collateral_newer(one, best)))
            best = one;
    }
    return best;
}

/* Authorities and roots are for every report; of endorsement certificates only those of its chip. */
static bool certificate_fits(X509 *certificate, const struct snp_report *report)
{
    struct slice id;
    if (report->signing_key == SNP_VLEK || x509_extension(certificate, HARDWARE_ID_OID, &id) < 0)
        return true;
    if (id.size > 2 && id.bytes[0] == 0x04 && id.bytes[1] == id.size - 2)
        id = slice_of(id.bytes + 2, id.size - 2);
    return id.size <= sizeof report->chip_id && id.size >= 8 &&
           memcmp(id.bytes, report->chip_id, id.size) == 0;
}

static int snp_add(void *ctx, const struct snp_report *report, struct snp_certificates *all)
{
    struct collateral *c = ctx;
    look_again(c);
    for (unsigned i = 0; i < c->counts.certificates; i++) {
        if (!certificate_fits(c->certificates[i], report))
            continue;
        if (all->count == SNP_CERTIFICATES_MAX)
            return -E2BIG;
        X509_up_ref(c->certificates[i]);
        all->certificate[all->count++] = c->certificates[i];
    }
    for (int i = 0; i < c->list_count && all->crl_count < SNP_CRLS_MAX; i++) {
        X509_CRL_up_ref(c->lists[i]);
        all->crl[all->crl_count++] = c->lists[i];
    }
    return 0;
}

static int64_t now_of(void *ctx)
{
    const struct collateral *c = ctx;
    return c->now_s();
}

int collateral_open(const char *dir, const uint8_t *intel_root, const struct snp_roots *amd_roots,
                    int64_t (*now_s)(void), struct collateral **ret, struct error *e)
{
    SCOPED(collateral_freep) struct collateral *c = calloc(1, sizeof *c);
    if (!c || (dir && !(c->dir = strdup(dir))))
        return error_set(e, -ENOMEM, "no memory for collateral");
    c->now_s = now_s;
    c->sources = (struct vendor_sources){intel_root, amd_roots, dcap_find, snp_add, now_of, c};
    c->verifier = (struct evidence_verifier){vendor_verify_fn, &c->sources};
    int r = 0;
    if (dir) {
        r = fingerprint_take(dir, c->fingerprint);
        if (r == 0)
            r = contents_load(c);
    }
    c->looked_s = now_s();
    if (r < 0)
        return error_set(e, r, "cannot read the collateral directory '%s'", dir);
    *ret = TAKE(c);
    return 0;
}

void collateral_free(struct collateral *c)
{
    if (!c)
        return;
    contents_free(c);
    free(c->dir);
    free(c);
}

void collateral_freep(struct collateral **c)
{
    collateral_free(*c);
}

const struct evidence_verifier *collateral_verifier(struct collateral *c)
{
    return &c->verifier;
}

struct collateral_counts collateral_counts(const struct collateral *c)
{
    return c->counts;
}

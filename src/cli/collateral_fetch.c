/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/collateral_fetch.h"

#include "attest/dcap/collateral.h"
#include "attest/vendor.h"
#include "attest/x509_check.h"
#include "base/hex.h"
#include "cli/owner_keys.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { URL_SIZE = 1024, ANSWER_MAX = 1 << 20, HEADER_MAX = 65536, TIMEOUT_S = 30 };

/* One answer: its body, and the chain that Intel sends in a header. */
struct answer {
    struct buf body, chain;
};

static void answer_done(struct answer *a)
{
    buf_done(&a->body);
    buf_done(&a->chain);
}

static size_t body_take(char *bytes, size_t size, size_t count, void *arg)
{
    struct answer *a = arg;
    a->body.size_max = ANSWER_MAX;
    return buf_append(&a->body, bytes, size * count) < 0 ? 0 : size * count;
}

/* Percent-encoded PEM in a header whose name ends so, whatever comes before it. */
static size_t header_take(char *bytes, size_t size, size_t count, void *arg)
{
    static const char suffix[] = "issuer-chain:";
    struct answer *a = arg;
    size_t total = size * count;
    const char *colon = memchr(bytes, ':', total);
    size_t name = colon ? (size_t)(colon - bytes) + 1 : 0;
    if (name < sizeof suffix - 1 ||
        strncasecmp(bytes + name - (sizeof suffix - 1), suffix, sizeof suffix - 1) != 0)
        return total;
    a->chain.size_max = HEADER_MAX;
    for (size_t i = name; i < total; i++) {
        char c = bytes[i];
        uint8_t byte = (uint8_t)c;
        if (c == '%' && i + 2 < total && hex_decode(slice_of(bytes + i + 1, 2), &byte, 1) == 0)
            i += 2;
        else if (isspace((unsigned char)c))
            continue;
        if (buf_append_byte(&a->chain, byte) < 0)
            return 0;
    }
    return total;
}

static int get(const struct fetch_settings *s, const char *url, struct answer *ret,
               long *ret_status, struct error *e)
{
    char why[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    if (!curl)
        return error_set(e, -ENOMEM, "no memory for a request");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header_take);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, ret);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    if (s->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, s->ca_file);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return error_set(e, -EIO, "cannot get %s: %s", url,
                         why[0] ? why : curl_easy_strerror(code));
    return 0;
}

static int get_good(const struct fetch_settings *s, const char *url, struct answer *ret,
                    struct error *e)
{
    long status = 0;
    int r = get(s, url, ret, &status, e);
    if (r == 0 && status != 200)
        r = error_set(e, -EIO, "%s answered %ld", url, status);
    return r;
}

/* A PCCS gives revocation lists as hexadecimal text, Intel's service as DER. */
static int hex_undo(struct buf *bytes)
{
    SCOPED(buf_done) struct buf raw = {0};
    size_t size = bytes->size;
    while (size > 0 && isspace(bytes->bytes[size - 1]))
        size--;
    uint8_t *to = size >= 2 && size % 2 == 0 ? buf_reserve(&raw, size / 2) : NULL;
    if (!to || hex_decode(slice_of(bytes->bytes, size), to, size / 2) < 0)
        return 0;
    buf_clear(bytes);
    return buf_append(bytes, to, size / 2);
}

struct intel {
    struct answer tcb, identity, pck_crl, root_crl;
};

static void intel_done(struct intel *i)
{
    answer_done(&i->tcb);
    answer_done(&i->identity);
    answer_done(&i->pck_crl);
    answer_done(&i->root_crl);
}

static int root_crl_get(const struct fetch_settings *s, struct answer *ret, struct error *e)
{
    char url[URL_SIZE];
    long status = 0;
    snprintf(url, sizeof url, "%s/sgx/certification/v4/rootcacrl", s->pccs);
    int r = get(s, url, ret, &status, e);
    if (r < 0 || status == 200)
        return r;
    answer_done(ret);
    *ret = (struct answer){0};
    return get_good(s, s->root_crl, ret, e);
}

static int intel_get(const struct fetch_settings *s, const struct vendor_platform *p,
                     struct intel *ret, struct error *e)
{
    const char *tee = p->tee == DCAP_TDX ? "tdx" : "sgx";
    char url[URL_SIZE], fmspc[2 * DCAP_FMSPC_SIZE + 1];
    hex_encode(slice_of(p->fmspc, sizeof p->fmspc), fmspc);
    snprintf(url, sizeof url, "%s/%s/certification/v4/tcb?fmspc=%s", s->pccs, tee, fmspc);
    int r = get_good(s, url, &ret->tcb, e);
    snprintf(url, sizeof url, "%s/%s/certification/v4/qe/identity", s->pccs, tee);
    if (r == 0)
        r = get_good(s, url, &ret->identity, e);
    snprintf(url, sizeof url, "%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der", s->pccs,
             p->processor_ca ? "processor" : "platform");
    if (r == 0)
        r = get_good(s, url, &ret->pck_crl, e);
    if (r == 0)
        r = root_crl_get(s, &ret->root_crl, e);
    if (r == 0)
        r = hex_undo(&ret->pck_crl.body);
    return r < 0 ? r : hex_undo(&ret->root_crl.body);
}

static int file_put(const char *folder, const char *name, const struct buf *bytes, struct error *e)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return error_set(e, -ENAMETOOLONG, "'%s' is too long", folder);
    return owner_file_write(path, buf_slice(bytes), 0644, e);
}

/* Removes a folder of plain files. */
static void folder_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(folder);
}

/* Whoever reads the directory meets the old set or the new one, never half of each. */
static int folder_swap(const char *fresh, const char *place, struct error *e)
{
    char old[4096];
    snprintf(old, sizeof old, "%.4000s.old", fresh);
    folder_remove(old);
    if (rename(place, old) < 0 && errno != ENOENT)
        return error_set(e, -errno, "cannot replace '%s'", place);
    if (rename(fresh, place) < 0)
        return error_set(e, -errno, "cannot put '%s' in its place", place);
    folder_remove(old);
    return 0;
}

static int set_write(const char *dir, const char *name, const struct intel *i, struct error *e)
{
    char fresh[4096], place[4096];
    snprintf(fresh, sizeof fresh, "%.3000s/.new-%d", dir, getpid());
    snprintf(place, sizeof place, "%.3000s/%.200s", dir, name);
    folder_remove(fresh);
    if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || mkdir(fresh, 0755) < 0)
        return error_set(e, -errno, "cannot write into '%s'", dir);
    int r = file_put(fresh, "tcb_info.json", &i->tcb.body, e);
    if (r == 0)
        r = file_put(fresh, "tcb_signing_chain.pem", &i->tcb.chain, e);
    if (r == 0)
        r = file_put(fresh, "qe_identity.json", &i->identity.body, e);
    if (r == 0)
        r = file_put(fresh, "pck_crl.der", &i->pck_crl.body, e);
    if (r == 0)
        r = file_put(fresh, "pck_crl_issuer_chain.pem", &i->pck_crl.chain, e);
    if (r == 0)
        r = file_put(fresh, "root_ca_crl.der", &i->root_crl.body, e);
    if (r == 0)
        r = folder_swap(fresh, place, e);
    folder_remove(fresh);
    return r;
}

static int platform_fetch(const struct fetch_settings *s, const struct vendor_platform *p,
                          struct error *e)
{
    SCOPED(intel_done) struct intel got = {{{0}, {0}}, {{0}, {0}}, {{0}, {0}}, {{0}, {0}}};
    SCOPED(dcap_collateral_freep) struct dcap_collateral *checked = NULL;
    char name[64], fmspc[2 * DCAP_FMSPC_SIZE + 1];
    int r = intel_get(s, p, &got, e);
    if (r < 0)
        return r;
    const struct dcap_files files = {buf_slice(&got.tcb.body),      buf_slice(&got.identity.body),
                                     buf_slice(&got.tcb.chain),     buf_slice(&got.pck_crl.body),
                                     buf_slice(&got.pck_crl.chain), buf_slice(&got.root_crl.body)};
    r = dcap_collateral_open(&files, dcap_intel_root, &checked, e);
    if (r < 0)
        return error_prefix(e, r, "%s gave what cannot be believed", s->pccs);
    if (checked->tcb_info.tee != p->tee ||
        memcmp(checked->tcb_info.fmspc, p->fmspc, sizeof p->fmspc) != 0)
        return error_set(e, -EBADMSG, "%s gave statements about another platform", s->pccs);
    hex_encode(slice_of(p->fmspc, sizeof p->fmspc), fmspc);
    snprintf(name, sizeof name, "%s-%s-%s", p->tee == DCAP_TDX ? "tdx" : "sgx", fmspc,
             p->processor_ca ? "processor" : "platform");
    r = set_write(s->dir, name, &got, e);
    if (r < 0)
        return r;
    enum dcap_fault fault = dcap_collateral_judge(checked, (int64_t)time(NULL));
    printf("%s/%s: evaluation %u%s%s\n", s->dir, name, checked->tcb_info.evaluation_number,
           fault ? "; not good now: " : "", fault ? dcap_fault_message(fault) : "");
    return 0;
}

/* ---- AMD ---- */

/* Certificates or a revocation list of AMD's, read but not yet believed. */
struct amd {
    struct answer answer;
    struct snp_certificates all;
};

static void amd_done(struct amd *amd)
{
    answer_done(&amd->answer);
    snp_certificates_done(&amd->all);
}

static int amd_get(const struct fetch_settings *s, const char *url, struct amd *ret,
                   struct error *e)
{
    long status = 0;
    int r = get(s, url, &ret->answer, &status, e);
    if (r == 0 && status != 200)
        r = error_set(e, -EIO, "%s answered %ld", url, status);
    if (r == 0 && snp_certificates_add(&ret->all, buf_slice(&ret->answer.body)) < 0)
        r = error_set(e, -EBADMSG, "%s gave neither a certificate nor a revocation list", url);
    return r;
}

static int amd_doubt(const char *url, struct error *e)
{
    return error_set(e, -EKEYREJECTED, "%s gave what cannot be believed: AMD has not signed it",
                     url);
}

/* The root of `product` in a chain that is that root and what it has issued; NULL: it is none. */
static X509 *amd_root(const struct snp_certificates *chain, enum snp_product product)
{
    uint8_t hash[SHA256_SIZE];
    X509 *root = NULL;
    for (int i = 0; i < chain->count && !root; i++)
        if (x509_key_hash(chain->certificate[i], hash) == 0 &&
            memcmp(hash, snp_amd_roots.key_hash[product], sizeof hash) == 0 &&
            x509_issued(chain->certificate[i], chain->certificate[i]) == 0)
            root = chain->certificate[i];
    for (int i = 0; i < chain->count && root; i++)
        if (x509_issued(chain->certificate[i], root) < 0)
            return NULL;
    return chain->count > 1 && chain->crl_count == 0 ? root : NULL;
}

/* Each list must be the root's and of now: another would only put a good one out of use. */
static int amd_lists_check(const struct amd *lists, X509 *root, const char *url, struct error *e)
{
    if (lists->all.crl_count == 0 || lists->all.count > 0)
        return error_set(e, -EBADMSG, "%s gave no revocation list", url);
    for (int i = 0; i < lists->all.crl_count; i++) {
        if (x509_crl_issued(lists->all.crl[i], root) < 0)
            return amd_doubt(url, e);
        if (x509_crl_valid_at(lists->all.crl[i], (int64_t)time(NULL)) < 0)
            return error_set(e, -ETIME, "%s gave a revocation list that is not of now", url);
    }
    return 0;
}

/* Chain and revocation list of a product, for "vcek" or "vlek". A service without lists is gone on
 * without: then the policy says whether that will do. *ret_chain is the caller's. */
static int amd_kind_fetch(const struct fetch_settings *s, const char *folder,
                          enum snp_product product, const char *kind, struct amd *ret_chain,
                          struct error *e)
{
    SCOPED(amd_done) struct amd lists = {{{0}, {0}}, {{0}, 0, {0}, 0}};
    struct error why = {0};
    char url[URL_SIZE], name[32];
    const char *product_name = snp_product_name(product);
    snprintf(url, sizeof url, "%s/%s/v1/%s/cert_chain", s->kds, kind, product_name);
    int r = amd_get(s, url, ret_chain, e);
    X509 *root = r == 0 ? amd_root(&ret_chain->all, product) : NULL;
    if (r == 0 && !root)
        r = amd_doubt(url, e);
    if (r < 0)
        return r;
    snprintf(url, sizeof url, "%s/%s/v1/%s/crl", s->kds, kind, product_name);
    bool has_lists = amd_get(s, url, &lists, &why) == 0;
    if (has_lists)
        r = amd_lists_check(&lists, root, url, e);
    else
        fprintf(stderr, "coffer-collateral: %s (going on without)\n", why.text);
    snprintf(name, sizeof name, "%s_chain.pem", kind);
    if (r == 0)
        r = file_put(folder, name, &ret_chain->answer.body, e);
    snprintf(name, sizeof name, "%s_crl.der", kind);
    return r < 0 || !has_lists ? r : file_put(folder, name, &lists.answer.body, e);
}

/* A chip's own certificate, which what is in `chain` has issued. */
static int amd_chip_fetch(const struct fetch_settings *s, const char *folder, const char *url,
                          const char *name, const struct amd *chain, struct error *e)
{
    SCOPED(amd_done) struct amd chip = {{{0}, {0}}, {{0}, 0, {0}, 0}};
    int r = amd_get(s, url, &chip, e);
    bool issued = false;
    for (int i = 0; r == 0 && i < chain->all.count && chip.all.count == 1; i++) {
        X509 *by = chain->all.certificate[i];
        issued = issued || (x509_issued(by, by) < 0 && /* the root endorses no chip */
                            x509_issued(chip.all.certificate[0], by) == 0);
    }
    if (r == 0 && !issued)
        r = amd_doubt(url, e);
    return r < 0 ? r : file_put(folder, name, &chip.answer.body, e);
}

static enum snp_product amd_product(const char *name)
{
    for (unsigned i = 1; i < SNP_PRODUCT_COUNT; i++)
        if (strcmp(name, snp_product_name((enum snp_product)i)) == 0)
            return (enum snp_product)i;
    return SNP_PRODUCT_UNKNOWN;
}

static int report_fetch(const struct fetch_settings *s, const struct snp_report *report,
                        struct error *e)
{
    SCOPED(amd_done) struct amd chain = {{{0}, {0}}, {{0}, 0, {0}, 0}};
    enum snp_product p = s->product ? amd_product(s->product) : report->product;
    char folder[4096], url[URL_SIZE], chip[2 * SNP_CHIP_ID_SIZE + 1], name[160];
    if (p == SNP_PRODUCT_UNKNOWN)
        return error_set(e, -EINVAL,
                         "the report does not say its product: give --product Milan, "
                         "Genoa or Turin");
    struct snp_tcb tcb = snp_tcb_of(p, report->tcb_reported);
    const char *kind = report->signing_key == SNP_VLEK ? "vlek" : "vcek";
    snprintf(folder, sizeof folder, "%.3000s/amd-%.10s", s->dir, snp_product_name(p));
    if ((mkdir(s->dir, 0755) < 0 && errno != EEXIST) ||
        (mkdir(folder, 0755) < 0 && errno != EEXIST))
        return error_set(e, -errno, "cannot write into '%s'", s->dir);
    int r = amd_kind_fetch(s, folder, p, kind, &chain, e);
    if (r < 0 || report->signing_key == SNP_VLEK)
        return r; /* a VLEK comes from the provider, in the auxblob */
    hex_encode(slice_of(report->chip_id, p == SNP_TURIN ? 8 : SNP_CHIP_ID_SIZE), chip);
    snprintf(url, sizeof url, "%s/vcek/v1/%s/%s?blSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
             s->kds, snp_product_name(p), chip, tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode);
    if (p == SNP_TURIN)
        snprintf(url + strlen(url), sizeof url - strlen(url), "&fmcSPL=%02u", tcb.fmc);
    snprintf(name, sizeof name, "vcek_%.64s_%u_%u_%u_%u.der", chip, tcb.boot_loader, tcb.tee,
             tcb.snp, tcb.microcode);
    r = amd_chip_fetch(s, folder, url, name, &chain, e);
    if (r == 0)
        printf("%s/%s\n", folder, name);
    return r;
}

/* Bytes, or hexadecimal text. */
int fetch_for_file(const struct fetch_settings *s, struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    struct vendor_platform platform;
    struct dcap_quote quote;
    struct snp_report report;
    struct bundle bundle;
    int r = owner_file_read(s->quote, ANSWER_MAX, &bytes, e);
    if (r == 0)
        r = hex_undo(&bytes);
    if (r < 0)
        return r;
    struct slice evidence = buf_slice(&bytes);
    if (bundle_is(evidence) && bundle_parse(evidence, &bundle) == 0)
        evidence = bundle.report;
    if (evidence.size == SNP_REPORT_SIZE && snp_report_parse(evidence, &report) == 0)
        return report_fetch(s, &report, e);
    if (dcap_quote_parse(evidence, &quote) < 0)
        return error_set(e, -EBADMSG, "'%s' holds neither a quote nor a report", s->quote);
    if (vendor_platform_of(&quote, &platform) < 0)
        return error_set(e, -ENODATA, "the quote in '%s' does not carry its platform's certificate",
                         s->quote);
    return platform_fetch(s, &platform, e);
}

static int platform_named(const char *tee, const char *fmspc, const char *ca,
                          struct vendor_platform *ret)
{
    *ret = (struct vendor_platform){.tee = strcmp(tee, "tdx") == 0 ? DCAP_TDX : DCAP_SGX,
                                    .processor_ca = strcmp(ca, "processor") == 0};
    if ((strcmp(tee, "tdx") != 0 && strcmp(tee, "sgx") != 0) ||
        (!ret->processor_ca && strcmp(ca, "platform") != 0))
        return -EINVAL;
    return hex_decode(slice_of_text(fmspc), ret->fmspc, sizeof ret->fmspc) < 0 ? -EINVAL : 0;
}

int fetch_for_platform(const struct fetch_settings *s, struct error *e)
{
    struct vendor_platform platform;
    if (platform_named(s->tee, s->fmspc, s->ca, &platform) < 0)
        return error_set(e, -EINVAL,
                         "--fmspc takes 12 hexadecimal digits, --tee tdx or sgx, --ca "
                         "platform or processor");
    return platform_fetch(s, &platform, e);
}

/* "amd-Milan": as report_fetch() names its folders; what it has of, once more. A chip's certificate
 * does not change: with a new TCB there is another. */
static int amd_again(const struct fetch_settings *s, const char *name, bool *ret_known,
                     struct error *e)
{
    static const char *const kinds[] = {"vcek", "vlek"};
    enum snp_product product =
        strncmp(name, "amd-", 4) == 0 ? amd_product(name + 4) : SNP_PRODUCT_UNKNOWN;
    char folder[4096], path[4200];
    int r = 0;
    if (product == SNP_PRODUCT_UNKNOWN)
        return 0;
    snprintf(folder, sizeof folder, "%.3000s/%.60s", s->dir, name);
    for (size_t i = 0; i < ARRAY_COUNT(kinds) && r == 0; i++) {
        SCOPED(amd_done) struct amd chain = {{{0}, {0}}, {{0}, 0, {0}, 0}};
        snprintf(path, sizeof path, "%s/%s_chain.pem", folder, kinds[i]);
        if (access(path, F_OK) < 0)
            continue;
        *ret_known = true;
        r = amd_kind_fetch(s, folder, product, kinds[i], &chain, e);
        if (r == 0)
            printf("%s\n", path);
    }
    return r;
}

/* "tdx-50806f000000-platform": as platform_fetch() names its folders. */
static int folder_again(const struct fetch_settings *s, const char *name, bool *ret_known,
                        struct error *e)
{
    char copy[64], *save = NULL;
    struct vendor_platform platform;
    if (strlen(name) >= sizeof copy)
        return 0;
    if (strncmp(name, "amd-", 4) == 0)
        return amd_again(s, name, ret_known, e);
    memcpy(copy, name, strlen(name) + 1);
    const char *tee = strtok_r(copy, "-", &save), *fmspc = strtok_r(NULL, "-", &save),
               *ca = strtok_r(NULL, "-", &save);
    *ret_known = tee && fmspc && ca && platform_named(tee, fmspc, ca, &platform) == 0;
    return *ret_known ? platform_fetch(s, &platform, e) : 0;
}

/* One that cannot be fetched does not keep the others from being; the first failure is told. */
int fetch_again(const struct fetch_settings *s, struct error *e)
{
    DIR *dir = opendir(s->dir);
    struct dirent *entry;
    int r = 0, known = 0;
    if (!dir)
        return error_set(e, -errno, "cannot read '%s'", s->dir);
    while ((entry = readdir(dir))) {
        struct error one = {0};
        bool is_known = false;
        int here = entry->d_name[0] == '.' ? 0 : folder_again(s, entry->d_name, &is_known, &one);
        known += is_known;
        if (here < 0 && r == 0)
            r = error_set(e, here, "%s", one.text);
    }
    closedir(dir);
    if (r == 0 && known == 0)
        return error_set(e, -ENOENT,
                         "'%s' has nothing that could be fetched again: begin with "
                         "--quote FILE or --fmspc HEX",
                         s->dir);
    return r;
}

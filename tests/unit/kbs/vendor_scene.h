/* SPDX-License-Identifier: Apache-2.0 */
/* Trust domains and enclaves of the world in attest/dcap_world.h as a key broker meets them: collateral
 * in a directory, evidence in a certificate, with one knob for each thing that can be wrong. */
#ifndef COFFER_TESTS_KBS_VENDOR_SCENE_H
#define COFFER_TESTS_KBS_VENDOR_SCENE_H

#include "kbs/collateral.h"

#include "../attest/dcap_world.h"
#include "attest/ratls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char g_dir[64];
static int64_t g_now_s = WORLD_NOW_S;
static const uint8_t g_nonce[RATLS_NONCE_SIZE] = {1, 2, 3};

static int64_t now_s(void)
{
    return g_now_s;
}

static void dir_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", g_dir);
    if (g_dir[0] && system(command) != 0)
        printf("# %s is left behind\n", g_dir);
}

static void dir_make(void)
{
    if (!g_dir[0])
        atexit(dir_remove);
    else
        dir_remove();
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-collateral-XXXXXX");
    REQUIRE(mkdtemp(g_dir) != NULL);
}

static void file_put(const char *folder, const char *name, struct slice bytes)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s/%s", g_dir, folder, name);
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes.bytes, 1, bytes.size, file) == bytes.size);
    fclose(file);
}

static void set_put(const char *folder, const struct world *w)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", g_dir, folder);
    REQUIRE(mkdir(path, 0700) == 0 || errno == EEXIST);
    file_put(folder, "tcb_info.json", buf_slice(&w->tcb_info));
    file_put(folder, "qe_identity.json", buf_slice(&w->identity));
    file_put(folder, "tcb_signing_chain.pem", buf_slice(&w->signer_chain));
    file_put(folder, "pck_crl.der", buf_slice(&w->pck_crl));
    file_put(folder, "pck_crl_issuer_chain.pem", buf_slice(&w->authority_chain));
    file_put(folder, "root_ca_crl.der", buf_slice(&w->root_crl));
}

struct scene {
    struct knobs knobs;
    bool single;        /* the quote names the connection's key itself */
    bool no_collateral; /* the directory is empty */
    bool other_key, other_nonce, other_launcher;
};

struct process {
    struct knobs knobs;
    struct world world;
    struct p256_key *launcher;
    bool single, other_launcher;
};

/* Evidence as a launcher or an enclave makes it for a certificate. */
static int evidence_make(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                         struct buf *ret, struct error *e)
{
    struct process *p = ctx;
    SCOPED(buf_done) struct buf signed_record = {0};
    uint8_t point[EVIDENCE_POINT_SIZE], data[EVIDENCE_REPORT_DATA_SIZE];
    struct evidence ev = {.tee = TEE_TDX, .svn = 2};
    (void)e;
    memset(ev.program, 0x22, sizeof ev.program);
    memcpy(ev.report_data, report_data, sizeof ev.report_data);
    REQUIRE(p256_public(p->launcher, point) == 0 && bundle_launcher_data(point, data) == 0);
    REQUIRE(bundle_process_sign(p->launcher, &ev, &signed_record) == 0);
    data[0] ^= p->other_launcher;
    p->knobs.report_data = p->single ? report_data : data;
    buf_clear(&p->world.quote);
    quote_make(&p->world.quote, &p->world, &p->knobs);
    const struct bundle b = {
        .tee = TEE_TDX, .report = buf_slice(&p->world.quote), .process = buf_slice(&signed_record)};
    return p->single ? buf_append_slice(ret, b.report) : bundle_write(&b, ret);
}

/* A whole handshake's worth: certificate, evidence, binding. */
static int verified(const struct scene *s, struct evidence *ret, struct refusal *refusal)
{
    SCOPED(collateral_freep) struct collateral *collateral = NULL;
    SCOPED(p256_freep) struct p256_key *key = NULL;
    struct process p = {
        .knobs = s->knobs, .single = s->single, .other_launcher = s->other_launcher};
    X509 *certificate = NULL;
    uint8_t nonce[RATLS_NONCE_SIZE];
    memcpy(nonce, g_nonce, sizeof nonce);
    nonce[0] ^= s->other_nonce;
    world_make(&p.world, &s->knobs);
    dir_make();
    if (!s->no_collateral)
        set_put("set", &p.world);
    REQUIRE(p256_generate(&p.launcher) == 0 && p256_generate(&key) == 0);
    REQUIRE(ratls_certificate(key, g_nonce, evidence_make, &p, &certificate, NULL) == 0);
    REQUIRE(collateral_open(g_dir, p.world.root_hash, &snp_amd_roots, now_s, &collateral, NULL) ==
            0);
    if (s->other_key) {
        SCOPED(p256_freep) struct p256_key *stranger = NULL;
        REQUIRE(p256_generate(&stranger) == 0);
        REQUIRE(X509_set_pubkey(certificate, p256_pkey(stranger)) == 1 &&
                X509_sign(certificate, p256_pkey(stranger), EVP_sha256()) > 0);
    }
    int r = ratls_verify(certificate, nonce, collateral_verifier(collateral), ret, refusal);
    X509_free(certificate);
    p256_free(p.launcher);
    world_done(&p.world);
    return r;
}

#endif

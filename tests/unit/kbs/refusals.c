/* SPDX-License-Identifier: Apache-2.0 */
/* Every refusal of docs/refusals.md, made to occur: by a call of the API, from whoever would cause it.
 * The last test finds the one that was forgotten. */
#include "kbs/peer.h"
#include "network_end.h"
#include "vendor_scene.h"

static bool r_seen[REFUSAL_COUNT];

static void sees(const char *code, const char *message, const char *remedy)
{
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        enum refusal_reason reason = (enum refusal_reason)i;
        if (code && strcmp(refusal_code(reason), code) == 0) {
            r_seen[i] = true;
            CHECK_TEXT(message, refusal_message(reason));
            CHECK_TEXT(remedy, refusal_remedy(reason));
        }
    }
}

/* Takes `in`. The answer says the code, what it means and what to do, as the manual does. */
static void refused(const struct tls_peer *peer, const char *path, json_t *in, const char *code)
{
    int status = 0;
    json_t *out = called(peer, path, in, &status);
    const char *said = json_string_value(json_object_get(out, "code"));
    CHECK(status >= 400);
    CHECK_TEXT(said, code);
    sees(said, json_string_value(json_object_get(out, "message")),
         json_string_value(json_object_get(out, "remedy")));
    json_decref(out);
}

static void provision_refused(const struct tls_peer *peer, const char *policy, const char *code)
{
    refused(peer, "/v1/provision", provision_request("demo", policy), code);
}

static json_t *named(const char *tenant, const char *policy)
{
    return json_pack("{s:s, s:s}", "tenant", tenant, "policy", policy);
}

/* ---- evidence that is not what it should be ---- */

enum damage { WHOLE, CHANGED, CUT };

static int device_evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                           struct buf *ret_evidence, struct error *e)
{
    const enum damage *damage = ctx;
    int r = sim_device_evidence(report_data, ret_evidence, e);
    if (r == 0 && *damage == CHANGED)
        ret_evidence->bytes[ret_evidence->size - 1] ^= 1;
    if (r == 0 && *damage == CUT)
        ret_evidence->size--;
    return r;
}

/* A certificate whose evidence answers `nonce`, judged where it should answer g_nonce. */
static void certificate_refused(enum damage damage, const uint8_t *nonce, bool lost,
                                const char *code)
{
    struct p256_key *key = NULL;
    struct tls_peer peer;
    X509 *certificate = NULL;
    REQUIRE(p256_generate(&key) == 0);
    REQUIRE(ratls_certificate(key, nonce, device_evidence, &damage, &certificate, NULL) == 0);
    tls_peer_judge(certificate, lost ? NULL : g_nonce, NULL, &peer);
    provision_refused(&peer, "any", code);
    X509_free(peer.certificate);
    p256_free(key);
}

TEST(evidence_that_proves_nothing)
{
    static const uint8_t other[RATLS_NONCE_SIZE] = {9};
    char device[128];
    struct sim_identity id = {0};
    w_start(NULL);
    tenant_add("demo", &w_owner);
    snprintf(device, sizeof device, "%s/device", w_dir);
    REQUIRE(sim_device_set(device, &id, NULL) == 0);
    provision_refused(&w_owner.peer, "any", "EVIDENCE_ABSENT");
    certificate_refused(CUT, g_nonce, false, "EVIDENCE_MALFORMED");
    certificate_refused(CHANGED, g_nonce, false, "EVIDENCE_SIGNATURE");
    certificate_refused(WHOLE, other, false, "EVIDENCE_STALE");
    certificate_refused(WHOLE, g_nonce, true, "INTERNAL");
}

static struct tls_peer scene_peer(const struct scene *s)
{
    struct tls_peer peer = w_runtime;
    peer.kind =
        verified(s, &peer.evidence, &peer.refusal) == 0 ? TLS_PEER_ATTESTED : TLS_PEER_REFUSED;
    return peer;
}

TEST(evidence_that_its_vendor_does_not_stand_by)
{
    const struct {
        struct scene scene;
        const char *code;
    } cases[] = {
        {{.knobs = {.td = true}, .other_key = true}, "EVIDENCE_BINDING"},
        {{.knobs = {.td = true, .pck_by_stranger = true}}, "EVIDENCE_CHAIN"},
        {{.knobs = {.td = true, .module_other_signer = true}}, "EVIDENCE_PLATFORM"},
        {{.knobs = {.td = true}, .other_launcher = true}, "LAUNCHER_BINDING"},
        {{.knobs = {.td = true, .revoke_pck = true}}, "PLATFORM_REVOKED"},
        {{.knobs = {.td = true}, .no_collateral = true}, "COLLATERAL_MISSING"},
        {{.knobs = {.td = true, .tcb_info_old = true}}, "COLLATERAL_EXPIRED"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct tls_peer peer = scene_peer(&cases[i].scene);
        provision_refused(&peer, "any", cases[i].code);
    }
    /* A key broker that knows of no vendor. */
    struct process p = {.knobs = {.td = true}};
    struct p256_key *key = NULL;
    struct tls_peer peer;
    X509 *certificate = NULL;
    world_make(&p.world, &p.knobs);
    REQUIRE(p256_generate(&p.launcher) == 0 && p256_generate(&key) == 0);
    REQUIRE(ratls_certificate(key, g_nonce, evidence_make, &p, &certificate, NULL) == 0);
    tls_peer_judge(certificate, g_nonce, NULL, &peer);
    provision_refused(&peer, "any", "EVIDENCE_KIND_UNKNOWN");
    X509_free(peer.certificate);
    p256_free(key);
    p256_free(p.launcher);
    world_done(&p.world);
}

/* ---- genuine evidence of what the policy does not want ---- */

static void judged(const char *yaml, const struct evidence *ev, const char *code)
{
    static unsigned count;
    struct tls_peer peer = w_runtime;
    char *text = NULL, name[20];
    peer.evidence = *ev;
    snprintf(name, sizeof name, "judge-%u", count++);
    REQUIRE(asprintf(&text,
                     "version: 1\ntenant: demo\nname: %s\ncommand: {arguments: [server]}\n%s", name,
                     yaml) > 0);
    check_ok(&w_owner.peer, "/v1/policy/put", put_request(&w_owner, "demo", name, text, NULL));
    provision_refused(&peer, name, code);
    free(text);
}

#define OTHER "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define OF(tee_) "tee: [" tee_ "]\nprogram: {measurements: [" PROGRAM "]}\n"

TEST(another_program_runtime_or_device)
{
    struct evidence ev = evidence_of(0x22);
    judged(OF("tdx"), &ev, "TEE_REFUSED");
    judged("tee: [sim]\nprogram: {measurements: [" OTHER "]}\n", &ev, "PROGRAM_REFUSED");
    judged("tee: [sim]\nprogram: {signers: [" OTHER "]}\n", &ev, "SIGNER_REFUSED");
    judged("tee: [sim]\nprogram: {measurements: [" PROGRAM "], svn_min: 2}\n", &ev, "SVN_TOO_LOW");
    judged(OF("sim") "runtime: {measurements: [" OTHER "]}\n", &ev, "RUNTIME_REFUSED");
    ev.debug = true;
    judged(OF("sim"), &ev, "DEBUG_REFUSED");
    ev.debug = false;
    ev.device[0] ^= 1;
    judged(OF("sim"), &ev, "DEVICE_REFUSED");
}

#define TWELVE(four) four four four four four four four four four four four four
#define HEX48(byte) TWELVE(byte byte byte byte)
#define BYTES48(byte) "sha384:" HEX48(byte)
#define IMAGED "platform:\n  measurements: [" BYTES48("05") "]\n"
#define PINNED IMAGED "  rtmr1: [" BYTES48("07") "]\n  rtmr2: [" BYTES48("08") "]\n"

static struct evidence machine(enum tee tee)
{
    struct evidence ev = evidence_of(0x22);
    struct evidence_platform *p = &ev.platform;
    ev.tee = tee;
    p->present = true;
    p->launched = tee != TEE_SGX;
    p->tcb = TCB_UP_TO_DATE;
    p->chip_size = EVIDENCE_CHIP_SIZE;
    memset(p->measurement, 5, sizeof p->measurement);
    memset(p->rtmr[1], 7, sizeof p->rtmr[1]);
    memset(p->rtmr[2], 8, sizeof p->rtmr[2]);
    w_kbs->manifest->tees = (1u << TEE_COUNT) - 1;
    return ev;
}

TEST(another_machine_or_image)
{
    struct evidence td = machine(TEE_TDX), snp = machine(TEE_SNP), sgx = machine(TEE_SGX);
    judged(OF("tdx"), &td, "IMAGE_UNPINNED");
    judged(OF("tdx") PINNED "  rtmr3: [" BYTES48("09") "]\n", &td, "RTMR_REFUSED");
    judged(OF("tdx") PINNED "  config_id: [hex:" HEX48("01") "]\n", &td, "HOST_DATA_REFUSED");
    judged(OF("tdx") PINNED "  chips: [00112233445566778899aabbccddeeff]\n", &td,
           "PLATFORM_REFUSED");
    judged(OF("snp") "platform:\n  measurements: [" BYTES48("06") "]\n", &snp, "IMAGE_REFUSED");
    judged(OF("snp") IMAGED "  id_keys: [" BYTES48("06") "]\n", &snp, "IMAGE_SIGNER_REFUSED");
    judged("tee: [sgx]\nprogram: {measurements: [" PROGRAM "], product: 4}\n", &sgx,
           "PRODUCT_REFUSED");
    td.platform.sept_ve = true;
    judged(OF("tdx") PINNED, &td, "TD_ATTRIBUTES_REFUSED");
    td.platform.tcb = TCB_OUT_OF_DATE;
    judged(OF("tdx") PINNED, &td, "TCB_STATUS_REFUSED");
    td.platform.advisory_count = 1;
    snprintf(td.platform.advisories[0], sizeof td.platform.advisories[0], "INTEL-SA-1");
    judged(OF("tdx") PINNED "  tcb: {statuses: [OutOfDate]}\n", &td, "TCB_ADVISORY_REFUSED");
    judged(OF("snp") IMAGED "  snp_min: {microcode: 3}\n", &snp, "TCB_TOO_OLD");
    snp.platform.vmpl = 1;
    judged(OF("snp") IMAGED, &snp, "VMPL_REFUSED");
    snp.platform.vmpl = 0;
    snp.platform.migration = true;
    judged(OF("snp") IMAGED, &snp, "MIGRATION_REFUSED");
}

/* ---- owners and operators ---- */

TEST(names_and_keys_that_are_not_the_right_ones)
{
    char hash[65];
    refused(&w_owner.peer, "/v1/tenant/list", json_object(), "NOT_OPERATOR");
    refused(&w_operator.peer, "/v1/tenant/add",
            json_pack("{s:s, s:s}", "tenant", "demo", "owner", w_owner.hash), "TENANT_TAKEN");
    refused(&w_operator.peer, "/v1/tenant/add", json_object(), "REQUEST_INVALID");
    w_kbs->manifest->tenants_max = 1;
    refused(&w_operator.peer, "/v1/tenant/add",
            json_pack("{s:s, s:s}", "tenant", "more", "owner", w_owner.hash), "LIMIT_REACHED");
    w_kbs->manifest->tenants_max = 100;
    refused(&w_runtime, "/v1/provision", provision_request("nobody", "p"), "TENANT_UNKNOWN");
    provision_refused(&w_runtime, "nothing", "POLICY_UNKNOWN");
    policy_put(&w_owner, "demo", "plain", "", hash);
    char *text = policy_text("demo", "plain", "explain: true\n");
    refused(&w_operator.peer, "/v1/policy/put",
            put_request(&w_operator, "demo", "plain", text, hash), "NOT_OWNER");
    refused(&w_owner.peer, "/v1/policy/put", put_request(&w_owner, "demo", "plain", text, NULL),
            "POLICY_CONFLICT");
    refused(&w_owner.peer, "/v1/policy/put", put_request(&w_operator, "demo", "plain", text, hash),
            "POLICY_SIGNATURE");
    refused(&w_owner.peer, "/v1/policy/put",
            put_request(&w_owner, "demo", "plain", "version: 2\n", hash), "POLICY_INVALID");
    free(text);
    check_ok(&w_owner.peer, "/v1/policy/revoke", named("demo", "plain"));
    provision_refused(&w_runtime, "plain", "POLICY_REVOKED");
}

TEST(approvals_codes_and_services)
{
    char hash[65];
    policy_put(&w_owner, "demo", "both",
               "totp: [phone]\naccess: {update: {require: 2, of: [owner, {totp: phone}]}}\n", hash);
    refused(&w_owner.peer, "/v1/policy/revoke", named("demo", "both"), "APPROVAL_MISSING");
    json_t *in = named("demo", "both");
    json_object_set_new(in, "totp", json_pack("{s:s}", "phone", "000000"));
    refused(&w_owner.peer, "/v1/policy/revoke", in, "TOTP_REFUSED");
    in = named("demo", "both");
    json_object_set_new(in, "approvals",
                        json_pack("[{s:s, s:o}]", "certificate", w_operator.pem, "signature",
                                  signature_of(&w_operator, "something else")));
    refused(&w_owner.peer, "/v1/policy/revoke", in, "APPROVAL_INVALID");
    static const char services[] =
        "version: 1\ntenant: demo\nname: many\ntee: [sim]\nservices:\n"
        "  web: {program: {measurements: [" PROGRAM "]}, command: {arguments: [web]}}\n";
    check_ok(&w_owner.peer, "/v1/policy/put",
             put_request(&w_owner, "demo", "many", services, NULL));
    provision_refused(&w_runtime, "many:cook", "SERVICE_UNKNOWN");
}

TEST(secrets_that_are_not_to_be_had)
{
    char hash[65], pinned[65], more[400];
    policy_put(&w_owner, "demo", "secrets",
               "secrets: {g: {kind: ascii, source: given}, s: {kind: ascii, source: generate, "
               "reveal: once}}\nsecret_files: [{path: /s, secret: g}]\n",
               hash);
    provision_refused(&w_runtime, "secrets", "SECRET_MISSING");
    json_t *reveal = named("demo", "secrets");
    json_object_set_new(reveal, "secret", json_string("s"));
    check_ok(&w_owner.peer, "/v1/secret/reveal", json_incref(reveal));
    refused(&w_owner.peer, "/v1/secret/reveal", reveal, "SECRET_SPENT");
    static const char sink[] =
        "secrets: {i: {kind: ascii, source: import, import: {policy: %s, secret: %s, "
        "hash: sha256:%s}}}\nsecret_files: [{path: /s, secret: i}]\n";
    policy_put(&w_owner, "demo", "source",
               "secrets: {x: {kind: ascii, source: generate, export: [{policy: sink}]}, "
               "y: {kind: ascii, source: generate, export: [{policy: friend}]}}\n",
               pinned);
    snprintf(more, sizeof more, sink, "source", "y", pinned);
    policy_put(&w_owner, "demo", "sink", more, hash);
    provision_refused(&w_runtime, "sink", "NOT_EXPORTED");
    snprintf(more, sizeof more, sink, "source", "x", hash);
    policy_put(&w_owner, "demo", "sink", more, hash);
    provision_refused(&w_runtime, "sink", "IMPORT_CHANGED");
}

/* ---- volumes ---- */

static json_t *of_volume(const char *id, int epoch, int sequence)
{
    char tag[65];
    memset(tag, '0' + sequence, sizeof tag - 1);
    tag[64] = '\0';
    return json_pack("{s:s, s:s, s:i, s:i, s:s}", "id", id, "opening",
                     "000102030405060708090a0b0c0d0e0f", "epoch", epoch, "sequence", sequence,
                     "tag", tag);
}

TEST(volumes_of_others_and_of_before)
{
    char hash[65], id[33];
    struct tls_peer other = w_runtime;
    policy_put(&w_owner, "demo", "data", "volumes: [{name: data, mount: /data, mode: periodic}]\n",
               hash);
    json_t *out = good(&w_runtime, "/v1/provision", provision_request("demo", "data"));
    snprintf(id, sizeof id, "%s",
             json_string_value(
                 json_object_get(json_array_get(json_object_get(out, "volumes"), 0), "id")));
    json_decref(out);
    refused(&w_owner.peer, "/v1/volume/open", of_volume(id, 0, 0), "SESSION_INVALID");
    refused(&w_runtime, "/v1/volume/open", of_volume("00000000000000000000000000000000", 0, 0),
            "VOLUME_UNKNOWN");
    check_ok(&w_runtime, "/v1/volume/open", of_volume(id, 0, 0));
    check_ok(&w_runtime, "/v1/volume/report", of_volume(id, 1, 5));
    refused(&w_runtime, "/v1/volume/report", of_volume(id, 1, 4), "VOLUME_ROLLBACK");
    refused(&w_runtime, "/v1/volume/erase/key",
            json_pack("{s:s, s:i, s:i}", "id", id, "epoch", 1, "number", 9), "ERASE_KEY_GONE");
    memset(other.key_hash, 9, sizeof other.key_hash);
    check_ok(&other, "/v1/provision", provision_request("demo", "data"));
    refused(&other, "/v1/volume/open", of_volume(id, 0, 0), "VOLUME_HELD");
    w_now_ms += 60000;
    check_ok(&other, "/v1/volume/open", of_volume(id, 0, 0));
    refused(&w_runtime, "/v1/volume/report", of_volume(id, 1, 6), "VOLUME_FENCED");
}

/* ---- the state, and a second key broker ---- */

static void copy(const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s && cp -r %s %s", to, from, to);
    REQUIRE(system(command) == 0);
}

static json_t *state_of(void)
{
    json_t *info = good(&w_operator.peer, "/v1/info", NULL);
    json_t *state = json_incref(json_object_get(info, "state"));
    json_decref(info);
    return state;
}

TEST(a_state_that_somebody_put_back)
{
    char older[80], more[400];
    snprintf(older, sizeof older, "%s-older", w_dir);
    snprintf(more, sizeof more,
             "freshness: owner\nconfirmers: [sha256:%s]\nholders: [sha256:%s, sha256:%s]\n"
             "shares_needed: 2\n",
             w_operator.hash, w_owner.hash, w_operator.hash);
    kbs_free(TAKE(w_kbs));
    copy(w_dir, older);
    w_start(more);
    provision_refused(&w_runtime, "data", "LOCKED");
    json_t *newest = state_of();
    refused(&w_owner.peer, "/v1/unlock", json_pack("{s:O}", "head", newest), "NOT_CONFIRMER");
    check_ok(&w_operator.peer, "/v1/unlock", json_pack("{s:O}", "head", newest));
    refused(&w_operator.peer, "/v1/shares",
            json_pack("{s:[s, s]}", "holders", w_operator.pem, w_owner.pem), "NOT_HOLDER");
    kbs_free(TAKE(w_kbs));
    copy(older, w_dir);
    w_start(more);
    refused(&w_operator.peer, "/v1/unlock", json_pack("{s:o}", "head", newest), "STATE_OLD");
    copy("/dev/null", older);
    REQUIRE(unlink(older) == 0);
}

static void peer_start(bool standby)
{
    static const struct key256 key = {{1}};
    char role[100];
    const struct peer_settings settings = {
        .dir = w_dir, .address = "127.0.0.1:1", .standby = standby, .platform_key = &key};
    snprintf(role, sizeof role, "%s/role", w_dir);
    (void)unlink(role);
    kbs_free(TAKE(w_kbs));
    w_start(NULL);
    REQUIRE(peer_open(w_kbs, &settings, &w_kbs->peer, NULL) == 0);
    w_kbs->manifest->confirmers = w_kbs->manifest->operators;
}

TEST(one_of_two_key_brokers)
{
    struct tls_peer other = w_runtime;
    peer_start(true);
    provision_refused(&w_runtime, "data", "STANDBY");
    refused(&w_operator.peer, "/v1/peer/promote", json_object(), "PEER_STALE");
    other.evidence.config[0] ^= 1;
    refused(&other, "/v1/peer/status", json_object(), "CONFIG_REFUSED");
    peer_start(false);
    provision_refused(&w_runtime, "data", "PEER_ABSENT");
}

TEST(a_connection_that_was_proved_long_ago)
{
    kbs_free(TAKE(w_kbs));
    w_start(NULL);
    start();
    (void)heard();
    struct buf messages = handshake(1, &w_operator, w_operator.key);
    show(1, &messages);
    w_now_ms += KEEPER_PROOF_MS;
    CHECK_EQ(status_of(1, "/v1/tenant/list", NULL), 503);
    CHECK_TEXT(g_code, "CONNECTION_OLD");
    sees(g_code, g_message, g_remedy);
    buf_done(&messages);
    stop();
}

TEST(no_refusal_of_the_manual_was_forgotten)
{
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        if (!r_seen[i])
            printf("# %s did not occur\n", refusal_code((enum refusal_reason)i));
        CHECK(r_seen[i]);
    }
}

TAP_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer attest`: look at evidence, and check the key broker. */
#include "attest/bundle.h"
#include "attest/ratls.h"
#include "base/hex.h"
#include "cli/attest_file.h"
#include "cli/command.h"
#include "cli/kbs_client.h"
#include "platform/linux/tsm.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ATTEST_USAGE                                                                              \
    "show FILE | show --tsm [DIR] [--out FILE] | collateral --dir DIR ... | verify [--state DIR " \
    "| --kbs ADDRESS --kbs-pin FILE] | verify QUOTE "                                             \
    "[--collateral DIR] [--at TIME] [--event-log FILE] [--json]"
#define FILE_SIZE_MAX ((size_t)64 << 10)

struct attest_options {
    const char *state, *kbs, *kbs_pin, *out, *report_data;
    bool tsm;
    struct attest_file_options quote;
};

#define ROW(name, member, value, help)                                                      \
    {                                                                                       \
        name, OPTION_TEXT, offsetof(struct attest_options, member), NULL, value, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("state", state, "DIR", "State directory of the running system, to find the key broker"),
    ROW("kbs", kbs, "ADDRESS", "verify: the key broker, if it runs elsewhere"),
    ROW("kbs-pin", kbs_pin, "FILE", "verify: whom to believe to be the key broker"),
    ROW("collateral", quote.collateral, "DIR",
        "verify QUOTE: the vendor's statements (tcb_info.json and so on; AMD certificates)"),
    ROW("at", quote.at, "TIME", "verify QUOTE: as of then, as in 2026-03-17T22:34:05Z (now)"),
    ROW("event-log", quote.event_log, "FILE", "verify QUOTE: boot log that must explain its RTMRs"),
    ROW("out", out, "FILE", "show --tsm: keep the evidence there as well"),
    ROW("report-data", report_data, "HEX", "show --tsm: 64 bytes to be in the report (zeros)"),
    {"tsm", OPTION_FLAG, offsetof(struct attest_options, tsm), NULL, NULL,
     "show: evidence of this virtual machine, from configfs-tsm or the entry DIR there", 0, 0},
    {"json", OPTION_FLAG, offsetof(struct attest_options, quote.json), NULL, NULL,
     "show, verify QUOTE: the result as JSON", 0, 0},
};

static void digest_print(const char *name, const uint8_t *digest, size_t size)
{
    char hex[2 * EVIDENCE_REPORT_DATA_SIZE + 1] = "";
    hex_encode(slice_of(digest, size), hex);
    printf("%-12s %s\n", name, strspn(hex, "0") == 2 * size ? "none" : hex);
}

static void evidence_print(const struct evidence *ev)
{
    printf("%-12s %s%s\n", "tee", tee_name(ev->tee),
           ev->tee == TEE_SIM ? " (a simulation: protects nothing)" : "");
    printf("%-12s %s\n", "debug", ev->debug ? "yes: its host can read it" : "no");
    printf("%-12s %u\n", "svn", ev->svn);
    digest_print("program", ev->program, sizeof ev->program);
    digest_print("runtime", ev->runtime, sizeof ev->runtime);
    digest_print("signer", ev->signer, sizeof ev->signer);
    digest_print("config", ev->config, sizeof ev->config);
    digest_print("device", ev->device, sizeof ev->device);
    digest_print("instance", ev->instance, sizeof ev->instance);
    digest_print("report data", ev->report_data, sizeof ev->report_data);
}

/* The evidence inside a certificate; whether it answers a nonce only the handshake could tell. */
static int certificate_evidence(struct slice pem, struct buf *ret_record)
{
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    ASN1_OBJECT *oid = OBJ_txt2obj(RATLS_OID, 1);
    int at = certificate && oid ? X509_get_ext_by_OBJ(certificate, oid, -1) : -1;
    int r = -EBADMSG;
    if (at >= 0) {
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
        struct slice record, claims;
        r = ratls_extension_parse(
            slice_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)), &record,
            &claims);
        if (r == 0)
            r = buf_append_slice(ret_record, record);
    }
    ASN1_OBJECT_free(oid);
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

/* Asks the machine itself. */
static int machine_show(const struct attest_options *o, const char *path, struct error *e)
{
    SCOPED(tsm_answer_done) struct tsm_answer answer = {0};
    SCOPED(buf_done) struct buf record = {0};
    uint8_t data[TSM_REPORT_DATA_SIZE] = {0};
    if (o->report_data && hex_decode(slice_of_text(o->report_data), data, sizeof data) < 0)
        return error_set(e, -EINVAL, "--report-data takes 128 hexadecimal digits");
    int r = tsm_report(path, data, -1, &answer, e);
    if (r < 0)
        return r;
    const struct bundle b = {answer.kind == TSM_TDX ? TEE_TDX : TEE_SNP,
                             buf_slice(&answer.report),
                             buf_slice(&answer.auxiliary),
                             {0}};
    r = bundle_write(&b, &record);
    if (r == 0 && o->out)
        r = owner_file_write(o->out, buf_slice(&record), 0644, e);
    if (r < 0)
        return r;
    if (!o->quote.json)
        printf("%-16s %s\n", "provider", answer.provider);
    return attest_evidence_show(buf_slice(&record), o->quote.json, e);
}

int attest_record_read(const char *path, size_t size_max, struct buf *ret_record, struct error *e)
{
    static const char pem_start[] = "-----BEGIN";
    SCOPED(buf_done) struct buf bytes = {0};
    int r = owner_file_read(path, size_max, &bytes, e);
    if (r < 0)
        return r;
    if (bytes.size > sizeof pem_start && memcmp(bytes.bytes, pem_start, sizeof pem_start - 1) == 0)
        r = certificate_evidence(buf_slice(&bytes), ret_record);
    else
        r = buf_append_slice(ret_record, buf_slice(&bytes));
    if (r == 0)
        r = attest_hex_undo(ret_record);
    return r < 0 ? error_set(e, r, "'%s' holds no evidence", path) : 0;
}

static int attest_show(const struct attest_options *o, const char *path, struct error *e)
{
    static const char pem_start[] = "-----BEGIN";
    SCOPED(buf_done) struct buf bytes = {0}, record = {0};
    struct evidence ev = {0};
    int r = owner_file_read(path, FILE_SIZE_MAX, &bytes, e);
    if (r < 0)
        return r;
    if (bytes.size > sizeof pem_start && memcmp(bytes.bytes, pem_start, sizeof pem_start - 1) == 0)
        r = certificate_evidence(buf_slice(&bytes), &record);
    else
        r = buf_append_slice(&record, buf_slice(&bytes));
    if (r == 0)
        r = evidence_verify(buf_slice(&record), &ev);
    if (r == -EOPNOTSUPP || (r == -EBADMSG && record.size > EVIDENCE_RECORD_SIZE)) {
        struct error inner = {0};
        r = attest_evidence_show(buf_slice(&record), o->quote.json, &inner);
        if (r >= 0)
            return r;
        return error_set(e, r, "'%s' holds evidence of a kind that is not known here", path);
    }
    if (r == -EKEYREJECTED)
        return error_set(e, r, "'%s' holds evidence that its device did not sign", path);
    if (r < 0)
        return error_set(
            e, r, "'%s' holds no evidence: neither a record nor a certificate with one", path);
    evidence_print(&ev);
    printf("%-12s good, by the device above; whether to trust that is the reader's decision\n",
           "signature");
    return 0;
}

static int attest_verify(const struct attest_options *o, struct error *e)
{
    SCOPED(buf_done) struct buf address = {0}, pin = {0};
    char state[PATH_MAX];
    json_t *answer = NULL;
    int r = command_state(o->state, state, sizeof state, e);
    if (r == 0)
        r = o->kbs ? buf_append_text(&address, o->kbs)
                   : kbs_client_file(NULL, state, "kbs-address", &address, e);
    if (r == 0)
        r = kbs_client_file(o->kbs_pin, state, "kbs-pin", &pin, e);
    if (r < 0)
        return r;
    const struct kbs_client client = {buf_text(&address), buf_text(&pin), NULL};
    if (!client.address || !client.pin)
        return error_set(e, -ENOMEM, "no memory");
    r = kbs_client_call(&client, "/v1/info", NULL, &answer, NULL, e);
    if (r < 0)
        return r;
    const char *says = json_string_value(json_object_get(answer, "pin"));
    printf("The key broker at %s has proved to be the expected one, by evidence for this very\n"
           "connection:\n  %s\n",
           client.address, says ? says : "");
    json_decref(answer);
    return 0;
}

/* A program of its own: see src/cli/collateral_main.c. */
static int collateral_run(int argc, char **argv)
{
    char program[PATH_MAX], *words[64];
    struct error e = {0};
    int r = command_sibling("coffer-collateral", program, sizeof program, &e);
    if (r == 0 && argc > 60)
        r = error_set(&e, -EINVAL, "too many words");
    if (r < 0)
        return command_fail("attest", &e, r);
    words[0] = program;
    for (int i = 1; i < argc; i++)
        words[i] = argv[i];
    words[argc] = NULL;
    execv(program, words);
    error_set(&e, -errno, "cannot start '%s'", program);
    return command_fail("attest", &e, -EIO);
}

int attest_command(int argc, char **argv)
{
    struct attest_options o = {0};
    struct error e = {0};
    int count = 0;
    if (argc >= 1 && strcmp(argv[0], "collateral") == 0)
        return collateral_run(argc, argv);
    int code = command_options("attest", ATTEST_USAGE, g_rows, ARRAY_COUNT(g_rows), argc, argv, &o,
                               &count);
    if (code >= 0)
        return code;
    int r;
    if (o.tsm && count >= 1 && count <= 2 && strcmp(argv[0], "show") == 0)
        r = machine_show(&o, count == 2 ? argv[1] : NULL, &e);
    else if (count == 2 && strcmp(argv[0], "show") == 0)
        r = attest_show(&o, argv[1], &e);
    else if (count == 1 && strcmp(argv[0], "verify") == 0)
        r = attest_verify(&o, &e);
    else if (count == 2 && strcmp(argv[0], "verify") == 0)
        r = (o.quote.file = argv[1], attest_file(&o.quote, &e));
    else
        r = error_set(&e, -EINVAL, "usage: coffer attest " ATTEST_USAGE);
    return r < 0 ? command_fail("attest", &e, r) : r;
}

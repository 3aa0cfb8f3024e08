/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/attest_file.h"

#include "attest/bundle.h"
#include "attest/ccel.h"
#include "attest/dcap/verify.h"
#include "attest/snp/verify.h"
#include "base/hex.h"
#include "cli/owner_keys.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#define EVIDENCE_FILE_MAX ((size_t)1 << 20)
#define HEX_SIZE_MAX 64

/* What was found, as members in the order in which a person should read them. */
static void put(json_t *out, const char *name, const char *value)
{
    (void)json_object_set_new(out, name, json_string(value));
}

static void put_hex(json_t *out, const char *name, const void *bytes, size_t size)
{
    char text[2 * HEX_SIZE_MAX + 1];
    hex_encode(slice_of(bytes, size), text);
    put(out, name, text);
}

static void print_value(const char *name, const json_t *value)
{
    if (json_is_string(value))
        printf("%-16s %s\n", name, json_string_value(value));
    else if (json_is_integer(value))
        printf("%-16s %lld\n", name, (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        printf("%-16s %s\n", name, json_is_true(value) ? "yes" : "no");
    for (size_t i = 0; i < json_array_size(value); i++)
        printf("%-16s %s\n", i ? "" : name, json_string_value(json_array_get(value, i)));
}

static void result_print(json_t *out, bool as_json)
{
    if (as_json) {
        (void)json_dumpf(out, stdout, JSON_INDENT(2));
        printf("\n");
        return;
    }
    for (void *at = json_object_iter(out); at; at = json_object_iter_next(out, at))
        print_value(json_object_iter_key(at), json_object_iter_value(at));
}

static int file_of(const char *folder, const char *name, struct buf *ret_bytes, struct error *e)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return error_set(e, -ENAMETOOLONG, "'%s' is too long", folder);
    return owner_file_read(path, EVIDENCE_FILE_MAX, ret_bytes, e);
}

/* The six files under the names that the service's answers have. */
int attest_folder_dcap(const char *folder, struct dcap_collateral **ret, struct error *e)
{
    static const char *const names[] = {
        "tcb_info.json", "qe_identity.json",         "tcb_signing_chain.pem",
        "pck_crl.der",   "pck_crl_issuer_chain.pem", "root_ca_crl.der"};
    struct buf bytes[ARRAY_COUNT(names)] = {{0}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_COUNT(names) && r == 0; i++)
        r = file_of(folder, names[i], &bytes[i], e);
    if (r == 0) {
        const struct dcap_files files = {buf_slice(&bytes[0]), buf_slice(&bytes[1]),
                                         buf_slice(&bytes[2]), buf_slice(&bytes[3]),
                                         buf_slice(&bytes[4]), buf_slice(&bytes[5])};
        r = dcap_collateral_open(&files, dcap_intel_root, ret, e);
        if (r < 0)
            (void)error_prefix(e, r, "collateral in '%s'", folder);
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        buf_done(&bytes[i]);
    return r;
}

static void td_put(json_t *out, const struct td_report *td)
{
    put_hex(out, "mrtd", td->mr_td, sizeof td->mr_td);
    put_hex(out, "rtmr0", td->rtmr[0], sizeof td->rtmr[0]);
    put_hex(out, "rtmr1", td->rtmr[1], sizeof td->rtmr[1]);
    put_hex(out, "rtmr2", td->rtmr[2], sizeof td->rtmr[2]);
    put_hex(out, "rtmr3", td->rtmr[3], sizeof td->rtmr[3]);
    put_hex(out, "mrconfigid", td->mr_config_id, sizeof td->mr_config_id);
    put_hex(out, "mrowner", td->mr_owner, sizeof td->mr_owner);
    put_hex(out, "mrownerconfig", td->mr_owner_config, sizeof td->mr_owner_config);
    put_hex(out, "td_attributes", td->td_attributes, sizeof td->td_attributes);
    put_hex(out, "xfam", td->xfam, sizeof td->xfam);
    put_hex(out, "tee_tcb_svn", td->tee_tcb_svn, sizeof td->tee_tcb_svn);
    if (td->has_now)
        put_hex(out, "mrservicetd", td->mr_service_td, sizeof td->mr_service_td);
}

static void enclave_put(json_t *out, const struct sgx_report *enclave)
{
    put_hex(out, "mrenclave", enclave->mr_enclave, sizeof enclave->mr_enclave);
    put_hex(out, "mrsigner", enclave->mr_signer, sizeof enclave->mr_signer);
    (void)json_object_set_new(out, "isvprodid", json_integer(enclave->isv_prod_id));
    (void)json_object_set_new(out, "isvsvn", json_integer(enclave->isv_svn));
    put_hex(out, "attributes", enclave->attributes, sizeof enclave->attributes);
}

static void verdict_put(json_t *out, const struct dcap_verdict *v, bool judged)
{
    char date[DCAP_TIME_TEXT_SIZE];
    json_t *advisories = json_array();
    put(out, "tcb_status", judged ? tcb_status_name(v->status) : "not judged: no collateral");
    if (!judged) {
        json_decref(advisories);
        return;
    }
    if (v->now != TCB_NONE)
        put(out, "tcb_status_now", tcb_status_name(v->now));
    dcap_time_write(v->tcb_date_s, date);
    put(out, "tcb_date", date);
    (void)json_object_set_new(out, "evaluation", json_integer(v->evaluation_number));
    for (unsigned i = 0; i < v->advisory_count; i++)
        (void)json_array_append_new(advisories, json_string(v->advisories[i]));
    (void)json_object_set_new(out, "advisories", advisories);
}

static void refusal_put(json_t *out, const char *code, const char *message)
{
    put(out, "verdict", "refused");
    put(out, "code", code);
    put(out, "reason", message);
}

/* Does the log explain the quote's registers? A log that does not is no evidence of anything. */
static int event_log_judge(json_t *out, const char *path, const struct dcap_quote *quote,
                           struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    struct ccel log;
    char name[sizeof "rtmr0 log"];
    int r = owner_file_read(path, CCEL_SIZE_MAX, &bytes, e), code = 0;
    if (r < 0)
        return r;
    if (quote->tee != DCAP_TDX || ccel_replay(buf_slice(&bytes), &log) < 0)
        return error_set(e, -EBADMSG, "'%s' is no event log of a trust domain", path);
    (void)json_object_set_new(out, "log_events", json_integer(log.events));
    for (int i = 0; i < CCEL_RTMRS; i++) {
        bool same = memcmp(log.rtmr[i], quote->td.rtmr[i], SHA384_SIZE) == 0;
        snprintf(name, sizeof name, "rtmr%d log", i);
        put(out, name, same ? "explains it" : "differs");
        code |= !same;
    }
    return code;
}

static int quote_judge(json_t *out, struct slice bytes, const struct attest_file_options *o,
                       int64_t at_s, struct error *e)
{
    SCOPED(dcap_collateral_freep) struct dcap_collateral *collateral = NULL;
    struct dcap_quote quote;
    struct dcap_verdict verdict;
    int r = dcap_quote_parse(bytes, &quote);
    if (r < 0)
        return r;
    if (o->collateral)
        r = attest_folder_dcap(o->collateral, &collateral, e);
    if (r < 0)
        return r;
    int code = 0;
    if (dcap_verify(&quote, collateral, dcap_intel_root, at_s, &verdict) < 0) {
        refusal_put(out, dcap_fault_code(verdict.fault), dcap_fault_message(verdict.fault));
        code = 1;
    } else {
        put(out, "verdict", "genuine");
        code = collateral ? 0 : ATTEST_UNJUDGED;
    }
    put(out, "kind", quote.tee == DCAP_TDX ? "Intel TDX quote" : "Intel SGX quote");
    (void)json_object_set_new(out, "version", json_integer(quote.version));
    if (code != 1)
        verdict_put(out, &verdict, collateral != NULL);
    (void)json_object_set_new(out, "debug", json_boolean(dcap_quote_debug(&quote)));
    put_hex(out, "fmspc", verdict.pck.fmspc, sizeof verdict.pck.fmspc);
    if (quote.tee == DCAP_TDX)
        td_put(out, &quote.td);
    else
        enclave_put(out, &quote.enclave);
    put_hex(out, "report_data", dcap_quote_report_data(&quote), DCAP_REPORT_DATA_SIZE);
    (void)json_object_set_new(out, "trailing_bytes", json_integer((json_int_t)quote.trailing));
    if (o->event_log) {
        r = event_log_judge(out, o->event_log, &quote, e);
        code = r < 0 ? r : MAX(code, r);
    }
    return code;
}

/* Every certificate and revocation list of the folder, whatever it is called. */
int attest_folder_snp(const char *folder, struct snp_certificates *all, struct error *e)
{
    DIR *listing = opendir(folder);
    struct dirent *entry;
    int r = 0;
    if (!listing)
        return error_set(e, -errno, "cannot read the folder '%s'", folder);
    while (r == 0 && (entry = readdir(listing)) != NULL) {
        SCOPED(buf_done) struct buf bytes = {0};
        if (entry->d_type == DT_DIR)
            continue;
        r = file_of(folder, entry->d_name, &bytes, e);
        /* Other files may lie there too; too many certificates may not. */
        if (r == 0 && snp_certificates_add(all, buf_slice(&bytes)) == -E2BIG)
            r = error_set(e, -E2BIG, "'%s' holds more than %d certificates", folder,
                          SNP_CERTIFICATES_MAX);
    }
    (void)closedir(listing);
    return r;
}

static void tcb_put(json_t *out, const struct snp_verdict *v)
{
    char text[96];
    snprintf(text, sizeof text, "boot loader %u, TEE %u, SNP %u, microcode %u",
             v->reported.boot_loader, v->reported.tee, v->reported.snp, v->reported.microcode);
    if (v->product == SNP_TURIN)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", FMC %u", v->reported.fmc);
    put(out, "tcb", text);
}

static void report_put(json_t *out, const struct snp_report *report, const struct snp_verdict *v)
{
    char policy[32];
    snprintf(policy, sizeof policy, "0x%llx", (unsigned long long)report->policy);
    put(out, "kind", "AMD SEV-SNP report");
    (void)json_object_set_new(out, "version", json_integer(report->version));
    put(out, "product", snp_product_name(v->product));
    put(out, "signing_key", report->signing_key == SNP_VLEK ? "VLEK" : "VCEK");
    put(out, "revocation", v->crl_checked ? "checked" : "not checked: no list");
    (void)json_object_set_new(out, "debug", json_boolean(v->debug));
    (void)json_object_set_new(out, "migration", json_boolean(v->migration));
    (void)json_object_set_new(out, "vmpl", json_integer(report->vmpl));
    (void)json_object_set_new(out, "guest_svn", json_integer(report->guest_svn));
    put(out, "policy", policy);
    if (!v->fault)
        tcb_put(out, v);
    put_hex(out, "measurement", report->measurement, sizeof report->measurement);
    put_hex(out, "host_data", report->host_data, sizeof report->host_data);
    put_hex(out, "family_id", report->family_id, sizeof report->family_id);
    put_hex(out, "image_id", report->image_id, sizeof report->image_id);
    put_hex(out, "id_key_digest", report->id_key_digest, sizeof report->id_key_digest);
    put_hex(out, "chip_id", report->chip_id, sizeof report->chip_id);
    put_hex(out, "report_data", report->report_data, sizeof report->report_data);
}

static int report_judge(json_t *out, struct slice bytes, struct slice auxiliary,
                        const struct attest_file_options *o, int64_t at_s, struct error *e)
{
    SCOPED(snp_certificates_done) struct snp_certificates all = {0};
    struct snp_report report;
    struct snp_verdict verdict;
    int r = snp_report_parse(bytes, &report);
    if (r == 0 && auxiliary.size > 0)
        r = snp_certificates_add(&all, auxiliary);
    if (r == 0 && o->collateral)
        r = attest_folder_snp(o->collateral, &all, e);
    if (r < 0)
        return r;
    r = snp_verify(&report, &all, &snp_amd_roots, at_s, &verdict);
    if (r < 0)
        refusal_put(out, snp_fault_code(verdict.fault), snp_fault_message(verdict.fault));
    else
        put(out, "verdict", "genuine");
    report_put(out, &report, &verdict);
    return r < 0 ? 1 : 0;
}

/* Files of quotes come as bytes or as hexadecimal text. */
int attest_hex_undo(struct buf *bytes)
{
    size_t size = bytes->size;
    while (size > 0 && (bytes->bytes[size - 1] == '\n' || bytes->bytes[size - 1] == '\r'))
        size--;
    SCOPED(buf_done) struct buf raw = {0};
    uint8_t *room = size % 2 == 0 && size >= 64 ? buf_reserve(&raw, size / 2) : NULL;
    if (!room || hex_decode(slice_of(bytes->bytes, size), room, size / 2) < 0)
        return 0;
    bytes->size = 0;
    return buf_append(bytes, room, size / 2);
}

int attest_time_of(const char *text, int64_t *ret_s, struct error *e)
{
    if (!text) {
        *ret_s = (int64_t)time(NULL);
        return 0;
    }
    if (dcap_time_parse(text, ret_s) < 0)
        return error_set(e, -EINVAL, "--at takes a time like 2026-03-17T22:34:05Z, not '%s'", text);
    return 0;
}

/* The second tier of a bundle: who the process is, if its launcher is the one that the machine names. */
static int process_judge(json_t *out, const struct bundle *b, struct slice said)
{
    uint8_t point[EVIDENCE_POINT_SIZE], data[EVIDENCE_REPORT_DATA_SIZE];
    struct evidence ev;
    int r = evidence_launched_verify(b->process, b->tee, &ev, point);
    if (r == 0)
        r = bundle_launcher_data(point, data);
    bool bound = r == 0 && said.size == sizeof data && memcmp(data, said.bytes, sizeof data) == 0;
    put(out, "process",
        r < 0    ? "not signed by its launcher"
        : !bound ? "signed by a launcher that the machine does not name"
                 : "signed by the launcher that the machine names");
    if (r < 0)
        return 1;
    put_hex(out, "program", ev.program, sizeof ev.program);
    put_hex(out, "runtime", ev.runtime, sizeof ev.runtime);
    put_hex(out, "instance", ev.instance, sizeof ev.instance);
    put_hex(out, "process_data", ev.report_data, sizeof ev.report_data);
    return bound ? 0 : 1;
}

/* What the first tier says: its report data. */
static struct slice said_by(const struct bundle *b, struct dcap_quote *quote,
                            struct snp_report *report)
{
    if (b->tee == TEE_SNP && snp_report_parse(b->report, report) == 0)
        return slice_of(report->report_data, sizeof report->report_data);
    if (b->tee != TEE_SNP && dcap_quote_parse(b->report, quote) == 0)
        return slice_of(dcap_quote_report_data(quote), DCAP_REPORT_DATA_SIZE);
    return (struct slice){0};
}

/* An exit code, or -errno. */
static int evidence_judge(json_t *out, struct slice bytes, const struct attest_file_options *o,
                          int64_t at_s, struct error *e)
{
    struct bundle b = {.report = bytes};
    struct dcap_quote quote;
    struct snp_report report;
    if (bundle_is(bytes) && bundle_parse(bytes, &b) < 0)
        return -EBADMSG;
    int r = b.report.size == SNP_REPORT_SIZE ? report_judge(out, b.report, b.auxiliary, o, at_s, e)
                                             : quote_judge(out, b.report, o, at_s, e);
    if (r < 0 || b.process.size == 0)
        return r;
    int process = process_judge(out, &b, said_by(&b, &quote, &report));
    return process ? process : r;
}

int attest_evidence_show(struct slice evidence, bool json, struct error *e)
{
    const struct attest_file_options o = {.json = json};
    json_t *out = json_object();
    int r = out ? evidence_judge(out, evidence, &o, (int64_t)time(NULL), e) : -ENOMEM;
    if (r >= 0)
        result_print(out, json);
    json_decref(out);
    return r < 0 ? r : 0;
}

int attest_file(const struct attest_file_options *o, struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    int64_t at_s;
    int r = attest_time_of(o->at, &at_s, e);
    if (r == 0)
        r = owner_file_read(o->file, EVIDENCE_FILE_MAX, &bytes, e);
    if (r == 0)
        r = attest_hex_undo(&bytes);
    if (r < 0)
        return r;
    json_t *out = json_object();
    if (!out)
        return error_set(e, -ENOMEM, "no memory");
    struct error inner = {0};
    r = evidence_judge(out, buf_slice(&bytes), o, at_s, &inner);
    if (r >= 0)
        result_print(out, o->json);
    json_decref(out);
    if (r >= 0)
        return r;
    if (inner.code)
        return error_set(e, r, "%s", inner.text);
    return error_set(e, r,
                     r == -EOPNOTSUPP
                         ? "'%s' holds evidence of a version or kind that is not known here"
                         : "'%s' holds neither a quote nor a report",
                     o->file);
}

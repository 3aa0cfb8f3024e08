/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/machine.h"

#include "base/hex.h"
#include "base/log.h"
#include "platform/linux/tsm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LAUNCHER_REGISTER = 3 };

struct machine {
    enum tee tee;
    struct p256_key *key;
    struct tsm_answer answer;
};

int machine_register_event(const uint8_t launcher[EVIDENCE_DIGEST_SIZE],
                           uint8_t ret_digest[SHA384_SIZE])
{
    SCOPED(buf_done) struct buf text = {0};
    char hex[2 * EVIDENCE_DIGEST_SIZE + 1];
    hex_encode(slice_of(launcher, EVIDENCE_DIGEST_SIZE), hex);
    int r = buf_printf(&text, "coffer-launcher sha256:%s", hex);
    return r < 0 ? r : sha384(buf_slice(&text), ret_digest);
}

/* Of a register: SHA-384 of the value before and the event. */
static int extended(const uint8_t before[SHA384_SIZE], const uint8_t event[SHA384_SIZE],
                    uint8_t ret[SHA384_SIZE])
{
    uint8_t both[2 * SHA384_SIZE];
    memcpy(both, before, SHA384_SIZE);
    memcpy(both + SHA384_SIZE, event, SHA384_SIZE);
    return sha384(slice_of(both, sizeof both), ret);
}

/* Once for each boot, however often the launcher starts: a policy names one value. What somebody else
 * has put there stays, and is for the policy to refuse. */
static int register_extend(const struct machine_settings *s, struct error *e)
{
    static const uint8_t zeros[SHA384_SIZE];
    uint8_t value[TSM_RTMR_SIZE], event[SHA384_SIZE], wanted[SHA384_SIZE];
    struct error ignored = {0};
    if (tsm_rtmr_read(s->rtmr_dir, LAUNCHER_REGISTER, value, &ignored) < 0) {
        LOG_NOTICE("no register to extend", LOG_TEXT("why", ignored.text));
        return 0;
    }
    int r = machine_register_event(s->launcher, event);
    if (r == 0)
        r = extended(zeros, event, wanted);
    if (r < 0)
        return error_set(e, r, "cannot compute a register's value");
    if (memcmp(value, wanted, sizeof wanted) == 0)
        return 0;
    if (memcmp(value, zeros, sizeof zeros) != 0) {
        LOG_WARNING("register 3 was extended by somebody else");
        return 0;
    }
    return tsm_rtmr_extend(s->rtmr_dir, LAUNCHER_REGISTER, event, e);
}

static int report_get(const struct machine_settings *s, struct machine *m, struct error *e)
{
    uint8_t point[EVIDENCE_POINT_SIZE], data[EVIDENCE_REPORT_DATA_SIZE];
    int r = p256_public(m->key, point);
    if (r == 0)
        r = bundle_launcher_data(point, data);
    if (r < 0)
        return error_set(e, r, "cannot name the launcher's key");
    r = tsm_report(s->tsm, data, -1, &m->answer, e);
    if (r < 0)
        return r;
    m->tee = m->answer.kind == TSM_TDX ? TEE_TDX : TEE_SNP;
    if (s->tee != TEE_COUNT && s->tee != m->tee)
        return error_set(e, -ENODEV, "--tee %s, but this machine's reports are of '%s'",
                         tee_name(s->tee), m->answer.provider);
    return 0;
}

/* The register first, so that the report has its value. */
int machine_open(const struct machine_settings *s, struct machine **ret, struct error *e)
{
    SCOPED(machine_freep) struct machine *m = calloc(1, sizeof *m);
    char provider[TSM_PROVIDER_SIZE];
    int r = m ? p256_generate(&m->key) : -ENOMEM;
    if (r < 0)
        return error_set(e, r, "cannot make the launcher's key");
    r = tsm_provider(s->tsm, provider, e);
    if (r == 0 && strcmp(provider, "tdx_guest") == 0)
        r = register_extend(s, e);
    if (r == 0)
        r = report_get(s, m, e);
    if (r == 0)
        *ret = TAKE(m);
    return r;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    p256_free(m->key);
    tsm_answer_done(&m->answer);
    free(m);
}

void machine_freep(struct machine **m)
{
    machine_free(*m);
}

enum tee machine_tee(const struct machine *m)
{
    return m->tee;
}

int machine_evidence(const struct machine *m, const struct evidence *identity,
                     const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE], struct buf *ret_evidence,
                     struct error *e)
{
    SCOPED(buf_done) struct buf process = {0};
    struct evidence ev = *identity;
    ev.tee = m->tee;
    memcpy(ev.report_data, report_data, sizeof ev.report_data);
    int r = bundle_process_sign(m->key, &ev, &process);
    const struct bundle b = {m->tee, buf_slice(&m->answer.report), buf_slice(&m->answer.auxiliary),
                             buf_slice(&process)};
    if (r == 0)
        r = bundle_write(&b, ret_evidence);
    return r < 0 ? error_set(e, r, "cannot sign evidence for a process") : 0;
}

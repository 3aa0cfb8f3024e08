/* SPDX-License-Identifier: Apache-2.0 */
/* launcher/machine.h: in a confidential virtual machine, the launcher's key, the machine's own report
 * that names it, and evidence of processes signed with it (attest/bundle.h). The report is asked for
 * once: it serves every start. The key is made here, lives in this process only, and dies with it.
 * One thread. */
#ifndef COFFER_LAUNCHER_MACHINE_H
#define COFFER_LAUNCHER_MACHINE_H

#include "attest/bundle.h"
#include "base/error.h"

struct machine;

struct machine_settings {
    enum tee tee;         /* TEE_TDX or TEE_SNP; TEE_COUNT: whichever there is */
    const char *tsm;      /* see platform/linux/tsm.h; NULL: the kernel's usual place */
    const char *rtmr_dir; /* TDX: where registers are; NULL: the kernel's usual place */
    uint8_t launcher[EVIDENCE_DIGEST_SIZE]; /* SHA-256 of this program, for register 3 */
};

/* Makes the key, extends register 3 where there is one, and gets the report. 0, or -errno with what to
 * do in `e`; -ENODEV: the machine is of another kind. */
must_check int machine_open(const struct machine_settings *settings, struct machine **ret_machine,
                            struct error *e);
void machine_free(struct machine *machine);
void machine_freep(struct machine **machine);
enum tee machine_tee(const struct machine *machine);

/* Evidence of a process with `identity`'s runtime, program, signer, config, instance, svn and debug,
 * over `report_data`. Appends. */
must_check int machine_evidence(const struct machine *machine, const struct evidence *identity,
                                const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                                struct buf *ret_evidence, struct error *e);

/* What register 3 is extended with for a launcher of that digest: SHA-384 of the text
 * "coffer-launcher sha256:HEX". */
must_check int machine_register_event(const uint8_t launcher[EVIDENCE_DIGEST_SIZE],
                                      uint8_t ret_digest[SHA384_SIZE]);

#endif

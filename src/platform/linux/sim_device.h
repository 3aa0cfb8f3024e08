/* SPDX-License-Identifier: Apache-2.0 */
/* platform/linux/sim_device.h: a file of mode 0600 plays the CPU of the `sim` platform. From the
 * root secret in it come the key that signs evidence (base/evidence_record.h) and the keys that
 * seal. It protects nothing against the owner of the machine and says so in every evidence (tee
 * `sim`); it exists so that everything above runs the same path as with real hardware.
 *
 * The file is opened, used and forgotten in each call; no secret stays in the process. A launcher's
 * child calls what it needs before it enters its sandbox. Set once, before any thread starts. */
#ifndef COFFER_PLATFORM_LINUX_SIM_DEVICE_H
#define COFFER_PLATFORM_LINUX_SIM_DEVICE_H

#include "base/evidence_record.h"
#include "platform/ops.h"

/* What this process is, as its evidence will say. In an enclave the CPU measures; here the runtime
 * (or the launcher, for the child it has just forked) says what it has hashed. */
struct sim_identity {
    uint8_t runtime[EVIDENCE_DIGEST_SIZE]; /* SHA-256 of the runtime; zeros: none, run natively */
    uint8_t program[EVIDENCE_DIGEST_SIZE]; /* SHA-256 of the program's file */
    uint8_t signer[EVIDENCE_DIGEST_SIZE];  /* zeros: unsigned */
    uint8_t config[EVIDENCE_DIGEST_SIZE];  /* SHA-256 of its manifest; zeros: none */
    /* Random, of the launcher: it starts no second process on a volume while a first one lives, so
     * the key broker lets a successor with the same instance in without waiting for a lease to
     * run out. Zeros: no such promise. */
    uint8_t instance[EVIDENCE_INSTANCE_SIZE];
    uint32_t svn;
    bool debug;
    /* Seal to signer and manifest instead of to the very program, so that a rebuilt program finds
     * its data. For development: any unsigned program may then unseal. */
    bool insecure__seal_to_signer;
};

/* From here on this process has that identity, and its device is the file at `path` (created at
 * its first use if absent). Both are copied. -EINVAL if the path is too long. */
must_check int sim_device_set(const char *path, const struct sim_identity *identity,
                              struct error *e);

/* The two entries of struct platform_ops. -ENODEV before sim_device_set(), -EPERM if the file's
 * mode, type or owner is not as it must be, -EBADMSG if its contents are not ours, -EIO. */
must_check int sim_device_seal_key(struct slice label, struct key256 *ret_key, struct error *e);
must_check int sim_device_evidence(const uint8_t report_data[REPORT_DATA_SIZE],
                                   struct buf *ret_evidence, struct error *e);

/* The public half of the key that signs evidence: SEC 1, uncompressed. */
must_check int sim_device_public(uint8_t ret_point[EVIDENCE_POINT_SIZE], struct error *e);

/* SHA-256 of a file, for struct sim_identity; `fd` is left open, its position unchanged. */
must_check int sim_device_measure(const char *path, uint8_t ret_digest[EVIDENCE_DIGEST_SIZE],
                                  struct error *e);
must_check int sim_device_measure_fd(int fd, uint8_t ret_digest[EVIDENCE_DIGEST_SIZE],
                                     struct error *e);

#endif

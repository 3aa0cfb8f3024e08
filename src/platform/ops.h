/* SPDX-License-Identifier: Apache-2.0 */
/* platform/ops.h: the only place where the runtime and the volume meet the host.
 *
 * One const table of functions per platform, chosen once at start with platform_set(). Nothing
 * outside src/platform/ makes a host system call of its own; everything goes through
 * platform()->call() or the checked wrappers in platform/host.h. What comes back is hostile input:
 * host.h bounds lengths by what was asked for and turns errors a call cannot give into -EPERM. */
#ifndef COFFER_PLATFORM_OPS_H
#define COFFER_PLATFORM_OPS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/macros.h"
#include "base/secret.h"
#include "base/slice.h"

#include <stdbool.h>

#define REPORT_DATA_SIZE 64

struct platform_ops {
    const char *name; /* "sim", "tdx", "snp", "null" ... as in `--tee` and in policies */

    /* The kernel is outside: no memory is shared with it or copied by it. There is no fork, no shared
     * mapping, no vDSO; the guest's calls all go the slow way, because arguments are copied there. */
    bool enclave;

    /* One host system call of x86-64 Linux: the raw result, -4095..-1 being errors. */
    long (*call)(long nr, const long args[6]);

    /* The same, unless *stop is not zero when it would begin: then -513. A signal handler may set
     * *stop (see platform/linux/linux.h). Both leave vector registers and FS untouched. */
    long (*call_unless)(const volatile uint32_t *stop, long nr, const long args[6]);

    /* Cryptographic randomness that the host cannot choose. 0 or -EIO. */
    int (*random)(void *bytes, size_t size);

    /* A key only this platform and this measured program can derive again (SGX EGETKEY, SNP derived
     * key; in sim from the device file). 0, or -EOPNOTSUPP where the platform has none. */
    int (*seal_key)(struct slice label, struct key256 *ret_key, struct error *e);

    /* Evidence over `report_data` for the measured program. Appends to `ret_evidence`. 0, or
     * -EOPNOTSUPP. */
    int (*evidence)(const uint8_t report_data[REPORT_DATA_SIZE], struct buf *ret_evidence,
                    struct error *e);
};

extern const struct platform_ops platform_sim;  /* platform/linux/: a plain process */
extern const struct platform_ops platform_null; /* fails politely; what unit tests may link */

/* Set once, before any thread starts; the table must live for ever. */
void platform_set(const struct platform_ops *ops);
const struct platform_ops *platform(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* platform/linux/tsm.h: reports of a confidential virtual machine through configfs-tsm, and the run
 * time measurement registers of TDX. Whatever comes back is hostile until its signature is checked.
 *
 * Interface: Linux Documentation/ABI/testing/configfs-tsm-report and
 * sysfs-devices-virtual-misc-tdx_guest. Success of a write proves nothing there (its result is
 * discarded at close); the generation does. Blocks; one thread per entry. */
#ifndef COFFER_PLATFORM_LINUX_TSM_H
#define COFFER_PLATFORM_LINUX_TSM_H

#include "base/buf.h"
#include "base/error.h"
#include "base/macros.h"

#define TSM_ROOT "/sys/kernel/config/tsm/report"
#define TSM_RTMR_DIR "/sys/devices/virtual/misc/tdx_guest/measurements"
#define TSM_REPORT_DATA_SIZE 64
#define TSM_BLOB_SIZE_MAX ((size_t)32 << 10)
#define TSM_PROVIDER_SIZE 32
#define TSM_RTMR_SIZE 48
#define TSM_RTMR_COUNT 4

enum tsm_kind { TSM_UNKNOWN, TSM_TDX, TSM_SNP };

struct tsm_answer {
    enum tsm_kind kind;
    char provider[TSM_PROVIDER_SIZE]; /* "tdx_guest", "sev_guest", or what else there is */
    struct buf report;                /* outblob */
    struct buf auxiliary;             /* auxblob; empty where there is none */
};

/* A report over `report_data`. `path` is the directory where entries are made (TSM_ROOT), or an entry
 * that somebody has made for us; NULL: TSM_ROOT. `privilege_level` (VMPL) is asked for if it is not
 * negative. *ret_answer starts as {0} and is the caller's to release, also after an error. 0; -ENOENT
 * no such interface; -ENXIO no provider; -EBUSY somebody else uses the entry; -EMSGSIZE a blob over
 * the limit; -EOPNOTSUPP a provider that is not known; or what the kernel said. */
must_check int tsm_report(const char *path, const uint8_t report_data[TSM_REPORT_DATA_SIZE],
                          int privilege_level, struct tsm_answer *ret_answer, struct error *e);
void tsm_answer_done(struct tsm_answer *answer);

/* The provider of an entry or, by making one, of the directory. As above. */
must_check int tsm_provider(const char *path, char ret_provider[TSM_PROVIDER_SIZE],
                            struct error *e);

/* Registers 0 to 3. `dir` NULL: TSM_RTMR_DIR. Extending is SHA-384 of the old value and `digest`; it
 * cannot be undone. 0, -ENOENT, -EIO. */
must_check int tsm_rtmr_read(const char *dir, unsigned index, uint8_t ret_value[TSM_RTMR_SIZE],
                             struct error *e);
must_check int tsm_rtmr_extend(const char *dir, unsigned index, const uint8_t digest[TSM_RTMR_SIZE],
                               struct error *e);

#endif

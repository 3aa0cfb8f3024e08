/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/creds.h: who a thread is to files on volumes, as the host was told: each thread has an
 * identity of its own on Linux too, which only the C library makes the process's. */
#ifndef COFFER_RUNTIME_CREDS_H
#define COFFER_RUNTIME_CREDS_H

#include <stdint.h>

#define CREDS_GROUPS_MAX 32

/* Capabilities that count here, named as in capabilities(7). */
enum creds_power {
    POWER_OVERRIDE = 1 << 0, /* CAP_DAC_OVERRIDE */
    POWER_SEARCH = 1 << 1,   /* CAP_DAC_READ_SEARCH */
    POWER_OWNER = 1 << 2,    /* CAP_FOWNER */
    POWER_SET_ID = 1 << 3,   /* CAP_FSETID */
    POWER_CHOWN = 1 << 4,
    POWER_MKNOD = 1 << 5,
    POWER_ADMIN = 1 << 6, /* CAP_SYS_ADMIN */
    POWER_LEASE = 1 << 7,
    POWER_ALL = (1 << 8) - 1,
};

struct creds {
    uint32_t uid, gid; /* of file access: setfsuid(2) */
    uint32_t group_count;
    uint32_t groups[CREDS_GROUPS_MAX];
    uint32_t powers;                          /* enum creds_power, effective */
    uint32_t real_uid, real_gid, real_powers; /* what access(2) asks with */
};

#endif

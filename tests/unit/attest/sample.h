/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence of a simulated device that lives as long as the test program. */
#ifndef COFFER_TESTS_UNIT_ATTEST_SAMPLE_H
#define COFFER_TESTS_UNIT_ATTEST_SAMPLE_H

#include "platform/linux/sim_device.h"
#include "tap.h"

#include <unistd.h>

static char sample_device[64];

static inline void sample_remove(void)
{
    unlink(sample_device);
}

static inline struct sim_identity sample_identity(void)
{
    struct sim_identity id = {.svn = 3};
    memset(id.runtime, 0x11, sizeof id.runtime);
    memset(id.program, 0x22, sizeof id.program);
    memset(id.signer, 0x33, sizeof id.signer);
    memset(id.config, 0x44, sizeof id.config);
    memset(id.instance, 0x55, sizeof id.instance);
    return id;
}

static inline void sample_device_set(const struct sim_identity *id)
{
    if (!sample_device[0]) {
        snprintf(sample_device, sizeof sample_device, "/tmp/coffer-test-device-%d", getpid());
        atexit(sample_remove);
    }
    REQUIRE(sim_device_set(sample_device, id, NULL) == 0);
}

static inline int sample_evidence(void *ctx, const uint8_t report_data[REPORT_DATA_SIZE],
                                  struct buf *ret_evidence, struct error *e)
{
    (void)ctx;
    return sim_device_evidence(report_data, ret_evidence, e);
}

#endif

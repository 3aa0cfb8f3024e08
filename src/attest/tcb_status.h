/* SPDX-License-Identifier: Apache-2.0 */
/* attest/tcb_status.h: Intel's words for how good a platform is. */
#ifndef COFFER_ATTEST_TCB_STATUS_H
#define COFFER_ATTEST_TCB_STATUS_H

#include "base/macros.h"

/* From good to bad only loosely: which ones are good enough is a policy's decision, by name. */
#define TCB_STATUSES(M)                                                                 \
    M(UP_TO_DATE, "UpToDate")                                                           \
    M(SW_HARDENING_NEEDED, "SWHardeningNeeded")                                         \
    M(CONFIGURATION_NEEDED, "ConfigurationNeeded")                                      \
    M(CONFIGURATION_AND_SW_HARDENING_NEEDED, "ConfigurationAndSWHardeningNeeded")       \
    M(OUT_OF_DATE, "OutOfDate")                                                         \
    M(OUT_OF_DATE_CONFIGURATION_NEEDED, "OutOfDateConfigurationNeeded")                 \
    M(TD_RELAUNCH_ADVISED, "TDRelaunchAdvised")                                         \
    M(TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED, "TDRelaunchAdvisedConfigurationNeeded") \
    M(REVOKED, "Revoked")
#define TCB_STATUS_ID(id, name) TCB_##id,
enum tcb_status { TCB_NONE, TCB_STATUSES(TCB_STATUS_ID) TCB_STATUS_COUNT };
#undef TCB_STATUS_ID

/* "UpToDate"; "none" for TCB_NONE. */
const char *tcb_status_name(enum tcb_status status);
must_check int tcb_status_parse(const char *name, enum tcb_status *ret_status); /* -EINVAL */

#endif

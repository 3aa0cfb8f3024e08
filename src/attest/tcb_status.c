/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/tcb_status.h"

#include <errno.h>
#include <string.h>

static const char *const status_names[] = {
#define TCB_STATUS_NAME(id, name) [TCB_##id] = (name),
    TCB_STATUSES(TCB_STATUS_NAME)
#undef TCB_STATUS_NAME
};

const char *tcb_status_name(enum tcb_status status)
{
    return status > TCB_NONE && status < TCB_STATUS_COUNT ? status_names[status] : "none";
}

int tcb_status_parse(const char *name, enum tcb_status *ret_status)
{
    for (int i = TCB_NONE + 1; i < TCB_STATUS_COUNT; i++) {
        if (strcmp(name, status_names[i]) != 0)
            continue;
        *ret_status = (enum tcb_status)i;
        return 0;
    }
    return -EINVAL;
}

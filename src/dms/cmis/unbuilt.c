/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that are not built yet: their capabilities are off. */
#include "dms/cmis/model.h"

int cmis_step_begin(struct cmis_call *cmis)
{
    return store_step_begin(cmis->store);
}

int cmis_step_end(struct cmis_call *cmis, int result)
{
    (void)!store_step_end(cmis->store, result);
    return result;
}

#define OPERATION(name, service, writes, inputs, outputs)                                    \
    int cmis_##name(struct cmis_call *cmis)                                                  \
    {                                                                                        \
        return cmis_fail(cmis, CMIS_NOT_SUPPORTED, "This operation is not supported here."); \
    }
#include "dms/cmis/operations.def"

/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/model.h: what the files of the CMIS model share. */
#ifndef COFFER_DMS_CMIS_MODEL_H
#define COFFER_DMS_CMIS_MODEL_H

#include "dms/cmis/cmis.h"
#include "dms/store_internal.h"

/* A step of the store's transaction around an operation; the result of the operation is -1 or 0. */
must_check int cmis_step_begin(struct cmis_call *cmis);
must_check int cmis_step_end(struct cmis_call *cmis, int result);

/* The handlers of operations.def. */
#define OPERATION(name, service, writes, inputs, outputs) cmis_operation_fn cmis_##name;
#include "dms/cmis/operations.def"
#undef OPERATION

#endif

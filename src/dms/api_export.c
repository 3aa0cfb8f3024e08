/* SPDX-License-Identifier: Apache-2.0 */
/* Everything as one archive, for administrators. */
#include "dms/dms.h"
#include "dms/export.h"
#include "dms/paged.h"

#include <errno.h>
#include <stdlib.h>

struct export_paged {
    struct paged paged;
    struct export *export;
};

static int part_write(struct paged *paged)
{
    struct export_paged *self = container_of(paged, struct export_paged, paged);
    return export_write(self->export, &paged->out, &paged->ended);
}

static void part_free(struct paged *paged)
{
    struct export_paged *self = container_of(paged, struct export_paged, paged);
    export_free(self->export);
    free(self);
}

void export_get(struct call *call)
{
    struct export_paged *self = calloc(1, sizeof *self);
    int r = self ? export_new(call->dms->store, call->actor.now_ms, false, &self->export) : -ENOMEM;
    if (r < 0) {
        free(self);
        call_problem_errno(call, r);
        return;
    }
    self->paged.write = part_write;
    self->paged.free = part_free;
    call_audit(call, "export", 0, NULL, NULL); /* is durable before the first byte goes out */
    call_download_headers(call, "coffer-export.tar");
    call_reply_paged(call, 200, "application/x-tar", &self->paged);
}

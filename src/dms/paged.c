/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/paged.h"

#include <errno.h>

static void paged_resume(void *arg)
{
    struct paged *paged = arg;
    http_response_resume(paged->call->req);
}

static ssize_t paged_wait(struct paged *paged)
{
    loop_defer(paged->call->dms->loop, &paged->task, paged_resume, paged);
    return -EAGAIN;
}

static ssize_t paged_read(void *arg, void *to, size_t size)
{
    struct paged *paged = arg;
    if (paged->out.size == 0 && !paged->ended) {
        if (store_in_transaction(paged->call->dms->store)) /* it may still be undone */
            return paged_wait(paged);
        int r = paged->write(paged);
        if (r < 0 || paged->out.failed)
            return r < 0 ? r : -ENOMEM;
        if (paged->out.size == 0 && !paged->ended) /* others get their turn */
            return paged_wait(paged);
    }
    size = MIN(size, paged->out.size);
    memcpy(to, paged->out.bytes, size);
    buf_consume(&paged->out, size);
    return (ssize_t)size;
}

static void paged_close(void *arg)
{
    struct paged *paged = arg;
    loop_defer_stop(paged->call->dms->loop, &paged->task);
    buf_done(&paged->out);
    paged->free(paged);
}

void call_reply_paged(struct call *call, int status, const char *type, struct paged *paged)
{
    paged->call = call;
    call_reply_source(call, status, type, HTTP_SIZE_UNKNOWN,
                      (struct http_source){paged_read, paged_close, paged});
}

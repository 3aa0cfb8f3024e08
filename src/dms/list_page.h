/* SPDX-License-Identifier: Apache-2.0 */
/* dms/list_page.h: a page of a JSON list whose cursors are keys: {"items":[...],"next":...}. */
#ifndef COFFER_DMS_LIST_PAGE_H
#define COFFER_DMS_LIST_PAGE_H

#include "dms/dms.h"

struct list_page {
    struct call *call;
    struct json json;
    int limit;
    int64_t from; /* rows behind this key, exclusive: above it, or below for the newest first */
    int64_t last;
    struct buf body;
};

/* Reads ?limit= and ?cursor=. 0, or the call has been ended. */
must_check int list_page_begin(struct list_page *page, struct call *call, bool newest_first);
/* An item with that key has been written. 0 or -ENOMEM. */
must_check int list_page_item(struct list_page *page, int64_t key);
/* Ends the call: with the page, or with the problem that `r` is. */
void list_page_end(struct list_page *page, int r, bool more);

#endif

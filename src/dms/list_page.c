/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/list_page.h"

#include <errno.h>
#include <stdio.h>

static int after_read(struct call *call, int64_t *ret_after)
{
    char *cursor;
    *ret_after = 0;
    if (call_cursor(call, &cursor) < 0)
        return -EINVAL;
    if (!*cursor || key_parse(slice_of_text(cursor), ret_after) == 0)
        return 0;
    call_problem(call, 400, "bad-cursor", "cursor is the `next` of the page before.");
    return -EINVAL;
}

int list_page_begin(struct list_page *page, struct call *call, bool newest_first)
{
    *page = (struct list_page){.call = call};
    if (call_limit(call, &page->limit) < 0)
        return -EINVAL;
    int r = newest_first ? call_cursor_key(call, &page->from) : after_read(call, &page->from);
    if (r < 0)
        return r;
    page->json = json_into(&page->body);
    json_open_object(&page->json, NULL);
    json_open_array(&page->json, "items");
    return 0;
}

int list_page_item(struct list_page *page, int64_t key)
{
    page->last = key;
    return page->body.failed ? -ENOMEM : 0;
}

void list_page_end(struct list_page *page, int r, bool more)
{
    char next[24];
    if (r < 0) {
        buf_done(&page->body);
        call_problem_errno(page->call, r);
        return;
    }
    (void)snprintf(next, sizeof next, "%lld", (long long)page->last);
    json_close(&page->json);
    json_put_text(&page->json, "next", more ? next : NULL);
    json_close(&page->json);
    call_reply_buf(page->call, 200, "application/json", &page->body);
}

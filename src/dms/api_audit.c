/* SPDX-License-Identifier: Apache-2.0 */
/* The audit trail: for administrators all of it, for a node's readers what is about it; as pages, as
 * CSV, and checked. */
#include "base/hex.h"
#include "dms/audit_csv.h"
#include "dms/list_page.h"
#include "dms/paged.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Where a call comes from */

const char *call_from(struct call *call)
{
    const struct http_transport *transport = http_request_transport(call->req);
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char text[INET6_ADDRSTRLEN] = "";
    if (getpeername(transport->fd, (struct sockaddr *)&address, &size) < 0)
        return "";
    if (address.ss_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)&address)->sin_addr,
                        text, sizeof text);
    else if (address.ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)&address)->sin6_addr,
                        text, sizeof text);
    const char *copy = arena_text(&call->req->arena, slice_of_text(text));
    return copy ? copy : "";
}

/* Pages */

static void hash_text(const uint8_t hash[DIGEST_SIZE], char text[2 * DIGEST_SIZE + 1])
{
    hex_encode(slice_of(hash, DIGEST_SIZE), text);
}

static int page_entry(void *arg, const struct audit_entry *entry)
{
    struct list_page *page = arg;
    char hash[2 * DIGEST_SIZE + 1], node[24];
    hash_text(entry->hash, hash);
    (void)snprintf(node, sizeof node, "%lld", (long long)entry->node);
    json_open_object(&page->json, NULL);
    json_put_int(&page->json, "sequence", entry->sequence);
    json_put_int(&page->json, "time_ms", entry->time_ms);
    json_put_text(&page->json, "action", entry->action);
    json_put_text(&page->json, "user", entry->user);
    json_put_text(&page->json, "from", entry->from);
    json_put_text(&page->json, "id",
                  entry->node == 0            ? NULL
                  : entry->node == STORE_ROOT ? "root"
                                              : node);
    json_put_text(&page->json, "name", entry->name);
    json_put_text(&page->json, "detail", entry->detail);
    json_put_text(&page->json, "hash", hash);
    json_close(&page->json);
    return list_page_item(page, entry->sequence);
}

/* What waits to be written is part of the answer. */
static int settle(struct call *call)
{
    int r = audit_settle(call->dms->store);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

static void entries_reply(struct call *call, int64_t node, const char *user)
{
    struct list_page page;
    bool more = false;
    if (settle(call) < 0 || list_page_begin(&page, call, true) < 0)
        return;
    int r =
        audit_list(call->dms->store, node, user, page.from, page.limit, page_entry, &page, &more);
    list_page_end(&page, r, more);
}

void audit_get(struct call *call)
{
    char *id = NULL, *user = NULL;
    int64_t node = 0;
    int r = http_request_query(call->req, "id", &id);
    if (r == 0)
        r = key_parse(slice_of_text(id), &node);
    if (r == 0 || r == -ENOENT)
        r = http_request_query(call->req, "user", &user);
    if ((r < 0 && r != -ENOENT) || (id && !node) || (id && user)) {
        call_problem(call, 400, "bad-filter", "Ask for id= or user=, or for all.");
        return;
    }
    entries_reply(call, node, user);
}

void node_audit_get(struct call *call)
{
    struct node node;
    int kind = strstr(call->route->path, "/folders/") ? NODE_FOLDER : NODE_DOCUMENT;
    if (call_node(call, 0, kind, &node) == 0)
        entries_reply(call, node.key, NULL);
}

void audit_state_get(struct call *call)
{
    struct audit_head head;
    struct buf body = {0};
    struct json json = json_into(&body);
    char hash[2 * DIGEST_SIZE + 1];
    if (settle(call) < 0)
        return;
    audit_head_get(call->dms->store, &head);
    hash_text(head.hash, hash);
    json_open_object(&json, NULL);
    json_put_int(&json, "sequence", head.sequence);
    json_put_text(&json, "hash", hash);
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}

/* CSV */

enum { ENTRIES_PER_PAGE = 200 };

struct csv {
    struct paged paged;
    int64_t after;
    bool begun;
};

static int csv_entry(void *arg, const struct audit_entry *entry)
{
    struct csv *csv = arg;
    csv->after = entry->sequence;
    return audit_csv_entry(&csv->paged.out, entry);
}

static int csv_write(struct paged *paged)
{
    struct csv *csv = container_of(paged, struct csv, paged);
    bool more = false;
    if (!csv->begun)
        audit_csv_head(&paged->out);
    csv->begun = true;
    int r =
        audit_export(paged->call->dms->store, csv->after, ENTRIES_PER_PAGE, csv_entry, csv, &more);
    paged->ended = !more;
    return r;
}

static void csv_free(struct paged *paged)
{
    free(container_of(paged, struct csv, paged));
}

void audit_csv_get(struct call *call)
{
    int64_t after = 0;
    char *text = NULL;
    int r = http_request_query(call->req, "after", &text);
    if (r == 0 && strcmp(text, "0") != 0)
        r = key_parse(slice_of_text(text), &after);
    else if (r == -ENOENT)
        r = 0;
    if (r < 0) {
        call_problem(call, 400, "bad-after", "after is the number of an entry.");
        return;
    }
    if (settle(call) < 0)
        return;
    struct csv *csv = calloc(1, sizeof *csv);
    if (!csv) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    csv->paged.write = csv_write;
    csv->paged.free = csv_free;
    csv->after = after;
    http_response_header(call->req, "Content-Disposition", "attachment; filename=\"audit.csv\"");
    call_reply_paged(call, 200, "text/csv; charset=utf-8", &csv->paged);
}

/* Checking the chain */

struct checking {
    struct paged paged;
    struct audit_check check;
};

static void check_reply(struct checking *checking, bool ok)
{
    struct json json = json_into(&checking->paged.out);
    char hash[2 * DIGEST_SIZE + 1];
    hash_text(checking->check.at.hash, hash);
    json_open_object(&json, NULL);
    json_put_bool(&json, "ok", ok);
    json_put_int(&json, "entries", checking->check.at.sequence);
    json_put_text(&json, "hash", hash);
    if (!ok)
        json_put_int(&json, "broken_at", checking->check.bad);
    json_close(&json);
    checking->paged.ended = true;
}

static int check_write(struct paged *paged)
{
    struct checking *checking = container_of(paged, struct checking, paged);
    bool more = false;
    int r = audit_check(paged->call->dms->store, &checking->check, ENTRIES_PER_PAGE, &more);
    if (r == -EBADMSG || (r == 0 && !more))
        check_reply(checking, r == 0);
    return r == -EBADMSG ? 0 : r;
}

static void check_free(struct paged *paged)
{
    free(container_of(paged, struct checking, paged));
}

void audit_check_get(struct call *call)
{
    if (settle(call) < 0)
        return;
    struct checking *checking = calloc(1, sizeof *checking);
    if (!checking) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    checking->paged.write = check_write;
    checking->paged.free = check_free;
    call_reply_paged(call, 200, "application/json", &checking->paged);
}

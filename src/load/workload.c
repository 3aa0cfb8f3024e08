/* SPDX-License-Identifier: Apache-2.0 */
#include "load/workload.h"

#include "load/content.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#define PREPARED_DOCUMENTS 3
#define SOAP_SIZE_MAX ((uint64_t)1 << 20) /* its answer is kept whole */
#define SOAP_BOUNDARY "coffer-load-part"

const char *const operation_names[OPERATION_COUNT] = {
    "upload", "download", "SOAP store", "SOAP get",    "metadata",      "list",
    "search", "delete",   "purge",      "make folder", "remove folder",
};

bool operation_has_size(enum operation operation)
{
    return operation <= OPERATION_SOAP_GET;
}

/* Shares of a hundred requests. A download without a document to download is an upload. */
static const unsigned char shares[][OPERATION_COUNT] = {
    [LOAD_MIXED] = {[OPERATION_UPLOAD] = 15,
                    [OPERATION_DOWNLOAD] = 35,
                    [OPERATION_SOAP_STORE] = 5,
                    [OPERATION_SOAP_GET] = 5,
                    [OPERATION_METADATA] = 15,
                    [OPERATION_LIST] = 12,
                    [OPERATION_SEARCH] = 8,
                    [OPERATION_DELETE] = 5},
    [LOAD_READ] = {[OPERATION_DOWNLOAD] = 100},
    [LOAD_WRITE] = {[OPERATION_UPLOAD] = 100},
};

/* Of a hundred documents: most are small. */
static const unsigned char size_shares[WORKLOAD_SIZES] = {70, 25, 5};

void workload_init(struct workload *w, const struct load_options *options, uint64_t run)
{
    *w = (struct workload){.profile = options->profile, .run = run};
    if (options->document_size > 0) {
        w->sizes[0] = options->document_size;
        w->size_count = 1;
    } else {
        w->sizes[0] = (uint64_t)4 << 10;
        w->sizes[1] = (uint64_t)64 << 10;
        w->sizes[2] = (uint64_t)1 << 20;
        w->size_count = WORKLOAD_SIZES;
    }
}

void request_done(struct request *q)
{
    buf_done(&q->head);
    buf_done(&q->tail);
}

size_t request_read(const struct request *q, uint64_t offset, void *bytes, size_t size)
{
    uint8_t *to = bytes;
    size_t done = 0;
    if (offset < q->head.size) {
        done = MIN(size, q->head.size - (size_t)offset);
        memcpy(to, q->head.bytes + offset, done);
    }
    uint64_t at = offset + done - q->head.size;
    if (done < size && at < q->content_size) {
        size_t take = (size_t)MIN((uint64_t)(size - done), q->content_size - at);
        content_fill(q->content_seed, at, to + done, take);
        done += take;
        at += take;
    }
    if (done < size && at >= q->content_size && at - q->content_size < q->tail.size) {
        size_t from = (size_t)(at - q->content_size);
        size_t take = MIN(size - done, q->tail.size - from);
        memcpy(to + done, q->tail.bytes + from, take);
        done += take;
    }
    return done;
}

/* The head up to, and without, the headers that only some requests have. */
static void head_begin(struct request *q, const struct load_tenant *tenant, const char *method,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
static void head_begin(struct request *q, const struct load_tenant *tenant, const char *method,
                       const char *format, ...)
{
    va_list args;
    buf_clear(&q->head);
    buf_clear(&q->tail);
    q->content_size = 0;
    q->compare = false;
    buf_printf(&q->head, "%s ", method);
    va_start(args, format);
    buf_vprintf(&q->head, format, args);
    va_end(args);
    buf_printf(&q->head, " HTTP/1.1\r\nHost: %s\r\n", tenant->server_name);
    if (tenant->authorization)
        buf_printf(&q->head, "Authorization: %s\r\n", tenant->authorization);
}

static void document_new(const struct workload *w, struct workload_client *client,
                         struct document *document)
{
    unsigned size_class = 0;
    if (w->size_count > 1) {
        unsigned drawn = (unsigned)(content_random(&client->random) % 100);
        while (size_class + 1 < w->size_count && drawn >= size_shares[size_class])
            drawn -= size_shares[size_class++];
    }
    *document = (struct document){.seed = content_random(&client->random),
                                  .size_class = size_class,
                                  .number = client->made++};
}

static void document_name(const struct workload *w, const struct workload_client *client,
                          const struct document *document, char name[96])
{
    snprintf(name, 96, "load-%llx-%llu-%llu.bin", (unsigned long long)w->run,
             (unsigned long long)client->number, (unsigned long long)document->number);
}

/* One of the client's documents, by chance. */
static const struct document *document_pick(struct workload_client *client)
{
    return &client->documents[content_random(&client->random) % client->document_count];
}

static void make_upload(const struct workload *w, struct workload_client *client,
                        const struct load_tenant *tenant, struct request *q)
{
    char name[96];
    document_name(w, client, &q->document, name);
    head_begin(q, tenant, "POST", "/api/documents?name=%s&parent=%s", name, client->folder);
    q->content_seed = q->document.seed;
    q->content_size = w->sizes[q->document.size_class];
    buf_printf(&q->head, "Content-Type: application/octet-stream\r\nContent-Length: %llu\r\n\r\n",
               (unsigned long long)q->content_size);
}

/* A SOAP envelope as the first part of a MTOM message, between these two. */
static const char soap_open[] =
    "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>";
static const char soap_close[] = "</soap:Body></soap:Envelope>";
#define SOAP_NAMESPACES                                                 \
    " xmlns:m=\"http://docs.oasis-open.org/ns/cmis/messaging/200908/\"" \
    " xmlns:c=\"http://docs.oasis-open.org/ns/cmis/core/200908/\""

static void make_soap_store(const struct workload *w, struct workload_client *client,
                            const struct load_tenant *tenant, struct request *q)
{
    SCOPED(buf_done) struct buf part = {0};
    char name[96];
    document_name(w, client, &q->document, name);
    buf_printf(&part,
               "--" SOAP_BOUNDARY "\r\nContent-Type: application/xop+xml; charset=UTF-8; "
               "type=\"text/xml\"\r\nContent-ID: <root>\r\n\r\n%s"
               "<m:createDocument" SOAP_NAMESPACES "><m:repositoryId>coffer</m:repositoryId>"
               "<m:properties><c:propertyId propertyDefinitionId=\"cmis:objectTypeId\">"
               "<c:value>cmis:document</c:value></c:propertyId>"
               "<c:propertyString propertyDefinitionId=\"cmis:name\">"
               "<c:value>%s</c:value></c:propertyString></m:properties>"
               "<m:folderId>%s</m:folderId><m:contentStream>"
               "<m:mimeType>application/octet-stream</m:mimeType><m:stream>"
               "<xop:Include xmlns:xop=\"http://www.w3.org/2004/08/xop/include\" "
               "href=\"cid:body\"/></m:stream></m:contentStream></m:createDocument>%s\r\n"
               "--" SOAP_BOUNDARY "\r\nContent-Type: application/octet-stream\r\n"
               "Content-Transfer-Encoding: binary\r\nContent-ID: <body>\r\n\r\n",
               soap_open, name, client->folder, soap_close);
    head_begin(q, tenant, "POST", "/cmis/services/ObjectService");
    q->content_seed = q->document.seed;
    q->content_size = w->sizes[q->document.size_class];
    buf_append_text(&q->tail, "\r\n--" SOAP_BOUNDARY "--\r\n");
    buf_printf(&q->head,
               "Content-Type: multipart/related; type=\"application/xop+xml\"; start=\"<root>\"; "
               "start-info=\"text/xml\"; boundary=" SOAP_BOUNDARY "\r\n"
               "SOAPAction: \"\"\r\nContent-Length: %llu\r\n\r\n",
               (unsigned long long)(part.size + q->content_size + q->tail.size));
    buf_append_slice(&q->head, buf_slice(&part));
}

static void make_soap_get(const struct load_tenant *tenant, struct request *q)
{
    SCOPED(buf_done) struct buf body = {0};
    buf_printf(&body,
               "%s<m:getContentStream" SOAP_NAMESPACES "><m:repositoryId>coffer</m:repositoryId>"
               "<m:objectId>%s</m:objectId></m:getContentStream>%s",
               soap_open, q->document.id, soap_close);
    head_begin(q, tenant, "POST", "/cmis/services/ObjectService");
    buf_printf(&q->head,
               "Content-Type: text/xml; charset=UTF-8\r\nSOAPAction: \"\"\r\n"
               "Content-Length: %zu\r\n\r\n",
               body.size);
    buf_append_slice(&q->head, buf_slice(&body));
}

static void make(const struct workload *w, struct workload_client *client,
                 const struct load_tenant *tenant, struct request *q, enum operation operation)
{
    const char *id = q->document.id;
    q->operation = operation;
    q->size_class = operation_has_size(operation) ? q->document.size_class : 0;
    switch (operation) {
    case OPERATION_UPLOAD:
        make_upload(w, client, tenant, q);
        return;
    case OPERATION_SOAP_STORE:
        make_soap_store(w, client, tenant, q);
        return;
    case OPERATION_SOAP_GET:
        make_soap_get(tenant, q);
        return;
    case OPERATION_DOWNLOAD:
        head_begin(q, tenant, "GET", "/api/documents/%s/content", id);
        q->compare = true;
        q->content_seed = q->document.seed;
        break;
    case OPERATION_METADATA:
        head_begin(q, tenant, "GET", "/api/documents/%s", id);
        break;
    case OPERATION_LIST:
        head_begin(q, tenant, "GET", "/api/folders/%s/children?limit=20", client->folder);
        break;
    case OPERATION_SEARCH:
        head_begin(q, tenant, "GET", "/api/search?q=%llx&limit=20", (unsigned long long)w->run);
        break;
    case OPERATION_DELETE:
        head_begin(q, tenant, "DELETE", "/api/documents/%s", id);
        break;
    case OPERATION_PURGE:
        head_begin(q, tenant, "DELETE", "/api/trash/%s", client->trashed);
        break;
    case OPERATION_REMOVE_FOLDER:
        head_begin(q, tenant, "DELETE", "/api/folders/%s", client->folder);
        break;
    default: {
        char body[96];
        snprintf(body, sizeof body, "{\"name\": \"load-%llx-%llu\", \"parent\": \"root\"}",
                 (unsigned long long)w->run, (unsigned long long)client->number);
        head_begin(q, tenant, "POST", "/api/folders");
        buf_printf(&q->head, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
        return;
    }
    }
    buf_append_text(&q->head, "\r\n");
}

/* Falls back on storing a document where the operation drawn needs one and there is none. */
static enum operation operation_draw(const struct workload *w, struct workload_client *client)
{
    unsigned drawn = (unsigned)(content_random(&client->random) % 100), operation = 0;
    while (operation + 1 < OPERATION_COUNT && drawn >= shares[w->profile][operation])
        drawn -= shares[w->profile][operation++];
    bool needs_none = operation == OPERATION_UPLOAD || operation == OPERATION_SOAP_STORE ||
                      operation == OPERATION_LIST || operation == OPERATION_SEARCH;
    return client->document_count > 0 || needs_none ? operation : OPERATION_UPLOAD;
}

void workload_next(const struct workload *w, struct workload_client *client,
                   const struct load_tenant *tenant, struct request *q)
{
    if (client->trashed[0]) {
        make(w, client, tenant, q, OPERATION_PURGE);
        return;
    }
    enum operation operation = operation_draw(w, client);
    if (operation == OPERATION_UPLOAD || operation == OPERATION_SOAP_STORE)
        document_new(w, client, &q->document);
    else if (client->document_count > 0)
        q->document = *document_pick(client);
    if (w->sizes[q->document.size_class] > SOAP_SIZE_MAX) {
        if (operation == OPERATION_SOAP_STORE)
            operation = OPERATION_UPLOAD;
        else if (operation == OPERATION_SOAP_GET)
            operation = OPERATION_DOWNLOAD;
    }
    make(w, client, tenant, q, operation);
}

bool workload_is_ready(const struct workload *w, const struct workload_client *client)
{
    return client->folder[0] &&
           (w->profile == LOAD_WRITE || client->document_count >= PREPARED_DOCUMENTS);
}

bool workload_prepare(const struct workload *w, struct workload_client *client,
                      const struct load_tenant *tenant, struct request *q)
{
    if (!client->folder[0]) {
        make(w, client, tenant, q, OPERATION_MAKE_FOLDER);
        return true;
    }
    if (workload_is_ready(w, client))
        return false;
    document_new(w, client, &q->document);
    if (w->size_count > 1)
        q->document.size_class = (unsigned)client->document_count % w->size_count;
    make(w, client, tenant, q, OPERATION_UPLOAD);
    return true;
}

bool workload_remove(struct workload_client *client, const struct load_tenant *tenant,
                     struct request *q)
{
    static const struct workload none;
    if (client->trashed[0]) {
        make(&none, client, tenant, q, OPERATION_PURGE);
        return true;
    }
    if (!client->folder[0])
        return false;
    make(&none, client, tenant, q, OPERATION_REMOVE_FOLDER);
    return true;
}

static int id_take(const char *text, size_t len, char id[WORKLOAD_ID_LEN_MAX + 1])
{
    if (len == 0 || len > WORKLOAD_ID_LEN_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("/?#%&<>\"", text[i]))
            return -EBADMSG;
    memcpy(id, text, len);
    id[len] = '\0';
    return 0;
}

static json_t *json_of(const struct response *response)
{
    return json_loadb((const char *)response->body.bytes, response->body.size,
                      JSON_REJECT_DUPLICATES, NULL);
}

static int judge_json_id(const struct response *response, char id[WORKLOAD_ID_LEN_MAX + 1])
{
    json_t *json = json_of(response);
    const char *text = json_string_value(json_object_get(json, "id"));
    int r = text ? id_take(text, strlen(text), id) : -EBADMSG;
    json_decref(json);
    return r;
}

static int judge_metadata(const struct request *q, const struct response *response)
{
    json_t *json = json_of(response);
    const char *id = json_string_value(json_object_get(json, "id"));
    int r = id && strcmp(id, q->document.id) == 0 ? 0 : -EBADMSG;
    json_decref(json);
    return r;
}

static int judge_list(const struct response *response)
{
    json_t *json = json_of(response);
    int r = json_is_array(json_object_get(json, "items")) ? 0 : -EBADMSG;
    json_decref(json);
    return r;
}

/* An object's id is a document's and, after a semicolon, that of one of its versions; REST knows documents. */
static int judge_soap_store(const struct response *response, char id[WORKLOAD_ID_LEN_MAX + 1])
{
    static const char name[] = "objectId>";
    const char *bytes = (const char *)response->body.bytes;
    const char *end = bytes + response->body.size;
    const char *at = memmem(bytes, response->body.size, name, sizeof name - 1);
    if (!at)
        return -EBADMSG;
    at += sizeof name - 1;
    const char *close = memchr(at, '<', (size_t)(end - at));
    if (!close)
        return -EBADMSG;
    const char *version = memchr(at, ';', (size_t)(close - at));
    return id_take(at, (size_t)((version ? version : close) - at), id);
}

/* The second part of a multipart answer is the document, all of it and nothing else. */
static int judge_soap_get(const struct request *q, const struct response *response, uint64_t size)
{
    const char *bytes = (const char *)response->body.bytes;
    size_t left = response->body.size;
    const char *eol = left ? memchr(bytes, '\r', left) : NULL;
    size_t boundary = eol ? (size_t)(eol - bytes) : 0;
    if (boundary < 3 || memcmp(bytes, "--", 2) != 0)
        return -EBADMSG;
    const char *second = memmem(bytes + boundary, left - boundary, bytes, boundary);
    const char *at = second ? memmem(second, left - (size_t)(second - bytes), "\r\n\r\n", 4) : NULL;
    if (!at)
        return -EBADMSG;
    at += 4;
    left -= (size_t)(at - bytes);
    if (left < size + 2 + boundary || !content_matches(q->document.seed, 0, at, size) ||
        memcmp(at + size, "\r\n", 2) != 0 || memcmp(at + size + 2, bytes, boundary) != 0)
        return -EBADMSG;
    return 0;
}

static void document_remember(struct workload_client *client, const struct document *document)
{
    if (client->document_count < WORKLOAD_DOCUMENTS_MAX)
        client->documents[client->document_count++] = *document;
    else
        client->documents[content_random(&client->random) % WORKLOAD_DOCUMENTS_MAX] = *document;
}

static void document_forget(struct workload_client *client, const char *id)
{
    for (size_t i = 0; i < client->document_count; i++)
        if (strcmp(client->documents[i].id, id) == 0)
            client->documents[i] = client->documents[--client->document_count];
}

static int judge_stored(struct workload_client *client, const struct request *q,
                        const struct response *response)
{
    struct document stored = q->document;
    int r = q->operation == OPERATION_UPLOAD ? judge_json_id(response, stored.id)
                                             : judge_soap_store(response, stored.id);
    if (r == 0)
        document_remember(client, &stored);
    return r;
}

static void judge_trashed(struct workload_client *client, const struct request *q)
{
    const char *id = q->operation == OPERATION_DELETE ? q->document.id : client->folder;
    memcpy(client->trashed, id, sizeof client->trashed);
    if (q->operation == OPERATION_DELETE)
        document_forget(client, q->document.id);
    else
        client->folder[0] = '\0';
}

int workload_judge(const struct workload *w, struct workload_client *client,
                   const struct request *q, const struct response *response)
{
    bool refused = response->status < 200 || response->status > 299;
    if (refused && (q->operation == OPERATION_PURGE || q->operation == OPERATION_REMOVE_FOLDER)) {
        client->trashed[0] = '\0'; /* do not ask for ever */
        if (q->operation == OPERATION_REMOVE_FOLDER)
            client->folder[0] = '\0';
    }
    if (refused)
        return -EREMOTEIO;
    uint64_t size = w->sizes[q->document.size_class];
    switch (q->operation) {
    case OPERATION_UPLOAD:
    case OPERATION_SOAP_STORE:
        return judge_stored(client, q, response);
    case OPERATION_DOWNLOAD:
        return response->differs || response->body_size != size ? -EBADMSG : 0;
    case OPERATION_SOAP_GET:
        return judge_soap_get(q, response, size);
    case OPERATION_METADATA:
        return judge_metadata(q, response);
    case OPERATION_LIST:
    case OPERATION_SEARCH:
        return judge_list(response);
    case OPERATION_DELETE:
    case OPERATION_REMOVE_FOLDER:
        judge_trashed(client, q);
        return 0;
    case OPERATION_PURGE:
        client->trashed[0] = '\0';
        return 0;
    default:
        return judge_json_id(response, client->folder);
    }
}

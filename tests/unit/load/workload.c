/* SPDX-License-Identifier: Apache-2.0 */
#include "load/workload.h"

#include "load/content.h"
#include "tap.h"

#include <errno.h>

static char server_name[] = "acme.localhost", authorization[] = "Basic eDp5";
static const struct load_tenant tenant = {.server_name = server_name,
                                          .authorization = authorization};
static struct workload workload;
static struct workload_client client;
static struct request request;
static struct response response;

static void begin(enum load_profile profile)
{
    struct load_options options = {.profile = profile};
    workload_init(&workload, &options, 0xabc);
    client = (struct workload_client){.number = 3, .random = 7};
    request_done(&request);
    request = (struct request){0};
}

/* Judges an answer given as status and body. */
static int judge(unsigned status, const char *body)
{
    response_begin(&response, false, 0);
    response.status = status;
    buf_append_text(&response.body, body);
    response.body_size = response.body.size;
    return workload_judge(&workload, &client, &request, &response);
}

static void end(void)
{
    request_done(&request);
    response_done(&response);
}

static bool starts(const struct request *q, const char *text)
{
    return q->head.size >= strlen(text) && memcmp(q->head.bytes, text, strlen(text)) == 0;
}

TEST(a_request_reads_the_same_in_whatever_pieces)
{
    uint8_t whole[64], piece[64];
    begin(LOAD_MIXED);
    buf_append_text(&request.head, "head");
    buf_append_text(&request.tail, "tail!");
    request.content_seed = 5;
    request.content_size = 20;
    CHECK_EQ(request_size(&request), 29);
    CHECK_EQ(request_read(&request, 0, whole, sizeof whole), 29);
    CHECK(memcmp(whole, "head", 4) == 0 && memcmp(whole + 24, "tail!", 5) == 0);
    CHECK(content_matches(5, 0, whole + 4, 20));
    for (size_t from = 0; from < 29; from++) {
        for (size_t size = 1; from + size <= 29; size++) {
            CHECK_EQ(request_read(&request, from, piece, size), size);
            CHECK(memcmp(piece, whole + from, size) == 0);
        }
    }
    end();
}

TEST(a_client_makes_its_folder_and_documents_and_removes_them)
{
    begin(LOAD_READ);
    REQUIRE(workload_prepare(&workload, &client, &tenant, &request));
    CHECK(starts(&request, "POST /api/folders HTTP/1.1\r\nHost: acme.localhost\r\n"
                           "Authorization: Basic eDp5\r\n"));
    CHECK_EQ(judge(201, "{\"id\": \"f1\", \"name\": \"x\"}"), 0);
    CHECK_TEXT(client.folder, "f1");
    for (int i = 0; i < 3; i++) {
        REQUIRE(workload_prepare(&workload, &client, &tenant, &request));
        CHECK_EQ(request.operation, OPERATION_UPLOAD);
        CHECK_EQ(judge(201, "{\"id\": \"d\"}"), 0);
    }
    CHECK(!workload_prepare(&workload, &client, &tenant, &request));
    CHECK_EQ(client.documents[2].size_class, 2);
    REQUIRE(workload_remove(&client, &tenant, &request));
    CHECK(starts(&request, "DELETE /api/folders/f1 HTTP/1.1\r\n"));
    CHECK_EQ(judge(204, ""), 0);
    REQUIRE(workload_remove(&client, &tenant, &request));
    CHECK(starts(&request, "DELETE /api/trash/f1 HTTP/1.1\r\n"));
    CHECK_EQ(judge(204, ""), 0);
    CHECK(!workload_remove(&client, &tenant, &request));
    end();
}

TEST(a_refused_removal_is_not_asked_for_ever)
{
    begin(LOAD_READ);
    memcpy(client.folder, "f1", 3);
    REQUIRE(workload_remove(&client, &tenant, &request));
    CHECK_EQ(judge(500, ""), -EREMOTEIO);
    CHECK(!workload_remove(&client, &tenant, &request));
    end();
}

TEST(every_operation_of_the_mixed_profile_is_drawn)
{
    bool drawn[OPERATION_COUNT] = {0};
    begin(LOAD_MIXED);
    memcpy(client.folder, "f1", 3);
    client.documents[0] = (struct document){.id = "d1"};
    client.document_count = 1;
    for (int i = 0; i < 1000; i++) {
        workload_next(&workload, &client, &tenant, &request);
        drawn[request.operation] = true;
        CHECK(!request.head.failed);
    }
    for (unsigned i = 0; i <= OPERATION_DELETE; i++)
        CHECK(drawn[i]);
    end();
}

TEST(without_documents_a_read_becomes_a_store)
{
    begin(LOAD_READ);
    memcpy(client.folder, "f1", 3);
    workload_next(&workload, &client, &tenant, &request);
    CHECK_EQ(request.operation, OPERATION_UPLOAD);
    end();
}

TEST(a_wrong_download_is_seen)
{
    begin(LOAD_READ);
    request.operation = OPERATION_DOWNLOAD;
    CHECK_EQ(judge(200, "short"), -EBADMSG);
    response.body_size = 4096;
    CHECK_EQ(workload_judge(&workload, &client, &request, &response), 0);
    response.differs = true;
    CHECK_EQ(workload_judge(&workload, &client, &request, &response), -EBADMSG);
    CHECK_EQ(judge(404, ""), -EREMOTEIO);
    end();
}

TEST(hostile_ids_are_refused)
{
    begin(LOAD_READ);
    request.operation = OPERATION_UPLOAD;
    CHECK_EQ(judge(201, "{\"id\": \"a/b\"}"), -EBADMSG);
    CHECK_EQ(judge(201, "{\"id\": \"a\\r\\nX: y\"}"), -EBADMSG);
    CHECK_EQ(judge(201, "{\"id\": \"\"}"), -EBADMSG);
    CHECK_EQ(judge(201, "{\"id\": 5}"), -EBADMSG);
    CHECK_EQ(judge(201, "no JSON"), -EBADMSG);
    CHECK_EQ(judge(201, "{\"id\": \"0123456789012345678901234567890123456789012345678901234567890"
                        "123456789\"}"),
             -EBADMSG);
    CHECK_EQ(client.document_count, 0);
    end();
}

/* A MTOM answer with the document's bytes, some of them damaged. */
static int judge_mtom(const char *before, size_t content_size, const char *after, uint8_t damage)
{
    uint8_t content[4096];
    content_fill(11, 0, content, sizeof content);
    content[100] ^= damage;
    request.operation = OPERATION_SOAP_GET;
    request.document = (struct document){.seed = 11};
    response_begin(&response, false, 0);
    response.status = 200;
    buf_append_text(&response.body, before);
    buf_append(&response.body, content, content_size);
    buf_append_text(&response.body, after);
    return workload_judge(&workload, &client, &request, &response);
}

TEST(a_mtom_answer_must_contain_the_document_exactly)
{
    static const char before[] = "--b1\r\nContent-ID: <root>\r\n\r\n<xml/>\r\n--b1\r\nX: y\r\n\r\n";
    begin(LOAD_MIXED);
    CHECK_EQ(judge_mtom(before, 4096, "\r\n--b1--\r\n", 0), 0);
    CHECK_EQ(judge_mtom(before, 4096, "\r\n--b1--\r\n", 1), -EBADMSG);
    CHECK_EQ(judge_mtom(before, 4095, "\r\n--b1--\r\n", 0), -EBADMSG);
    CHECK_EQ(judge_mtom(before, 4096, "x\r\n--b1--\r\n", 0), -EBADMSG);
    CHECK_EQ(judge_mtom(before, 4096, "", 0), -EBADMSG);
    CHECK_EQ(judge_mtom("", 4096, "", 0), -EBADMSG);
    CHECK_EQ(judge(200, ""), -EBADMSG);
    CHECK_EQ(judge(200, "--b\r\n"), -EBADMSG);
    end();
}

TEST(a_soap_store_answer_teaches_the_id)
{
    begin(LOAD_MIXED);
    request.operation = OPERATION_SOAP_STORE;
    CHECK_EQ(judge(200, "<x><m:objectId>d77</m:objectId></x>"), 0);
    CHECK_TEXT(client.documents[0].id, "d77");
    CHECK_EQ(judge(200, "<x><m:objectId>"), -EBADMSG);
    CHECK_EQ(judge(200, "<x/>"), -EBADMSG);
    CHECK_EQ(judge(200, "<x><m:objectId>78;2</m:objectId></x>"), 0);
    CHECK_TEXT(client.documents[1].id, "78"); /* without its version: REST goes by documents */
    end();
}

TAP_MAIN()

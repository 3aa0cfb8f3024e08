/* SPDX-License-Identifier: Apache-2.0 */
/* What the two processes of the key broker say to each other: every cut and every limit is noticed. */
#include "kbs/messages.h"

#include "tap.h"

#include <errno.h>

static json_t *parsed(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    REQUIRE(json != NULL);
    return json;
}

static void check_same(const char *text)
{
    struct buf bytes = {0};
    json_t *json = parsed(text), *back = NULL;
    CHECK_EQ(value_write(json, &bytes), 0);
    CHECK_EQ(value_read(buf_slice(&bytes), &back), 0);
    CHECK(json_equal(json, back));
    json_decref(back);
    for (size_t size = 0; size < bytes.size; size++)
        CHECK_EQ(value_read(slice_of(bytes.bytes, size), &back), -EBADMSG);
    buf_append_byte(&bytes, 0);
    CHECK_EQ(value_read(buf_slice(&bytes), &back), -EBADMSG);
    json_decref(json);
    buf_done(&bytes);
}

TEST(a_document_arrives_as_it_was_and_no_part_of_it_does)
{
    check_same("{}");
    check_same("[]");
    check_same("\"\"");
    check_same(
        "{\"tenant\":\"acme\",\"n\":-9007199254740993,\"list\":[true,false,null,1.5,\"\xc3\xa9\"],"
        "\"o\":{\"\":0,\"k\":{}}}");
}

static int written(const char *text)
{
    struct buf bytes = {0};
    json_t *json = parsed(text);
    int r = value_write(json, &bytes);
    json_decref(json);
    buf_done(&bytes);
    return r;
}

TEST(documents_over_a_limit_are_not_sent)
{
    struct buf text = {0};
    for (int i = 0; i < VALUE_DEPTH_MAX; i++)
        buf_append_byte(&text, '[');
    for (int i = 0; i < VALUE_DEPTH_MAX; i++)
        buf_append_byte(&text, ']');
    check_same(buf_text(&text));
    buf_clear(&text);
    for (int i = 0; i <= VALUE_DEPTH_MAX; i++)
        buf_append_byte(&text, '[');
    for (int i = 0; i <= VALUE_DEPTH_MAX; i++)
        buf_append_byte(&text, ']');
    CHECK_EQ(written(buf_text(&text)), -EMSGSIZE);
    buf_clear(&text);
    buf_append_byte(&text, '[');
    for (int i = 1; i < VALUE_COUNT_MAX; i++)
        buf_append_text(&text, "0,");
    buf_append_text(&text, "0]");
    CHECK_EQ(written(buf_text(&text)), -EMSGSIZE);
    buf_clear(&text);
    buf_append_text(&text, "{\"");
    for (int i = 0; i < VALUE_KEY_SIZE_MAX + 1; i++)
        buf_append_byte(&text, 'k');
    buf_append_text(&text, "\":0}");
    CHECK_EQ(written(buf_text(&text)), -EMSGSIZE);
    buf_done(&text);
}

/* Bytes that no document becomes, but that somebody else may send. */
TEST(what_is_no_document_is_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {
        {"\x08", 1},                                      /* no such tag */
        {"\x05\x01\0\0\0\0", 6},                          /* NUL in a text */
        {"\x05\x01\0\0\0\xff", 6},                        /* no UTF-8 */
        {"\x05\xff\xff\xff\xffx", 6},                     /* a size of others' */
        {"\x07\x02\0\0\0\x01\0\0\0k\0\x01\0\0\0k\0", 17}, /* one key twice */
        {"\x07\x01\0\0\0\x01\0\0\0\0\0", 11},             /* NUL in a key */
        {"\x04\0\0\0\0\0\0\xf0\x7f", 9},                  /* infinity */
        {"\x06\xff\xff\xff\xff", 5},                      /* a count of nothing */
        {"", 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        json_t *json = NULL;
        CHECK_EQ(value_read(slice_of(wrong[i].bytes, wrong[i].size), &json), -EBADMSG);
        CHECK(json == NULL);
    }
    uint8_t deep[5 * (VALUE_DEPTH_MAX + 1)] = {0};
    for (size_t i = 0; i <= VALUE_DEPTH_MAX; i++) {
        deep[5 * i] = 6;
        deep[5 * i + 1] = i < VALUE_DEPTH_MAX;
    }
    json_t *json = NULL;
    CHECK_EQ(value_read(slice_of(deep, sizeof deep), &json), -EBADMSG);
    CHECK_EQ(value_read(slice_of(deep + 5, sizeof deep - 5), &json), 0);
    json_decref(json);
}

TEST(a_message_arrives_whole_and_for_whom_it_is)
{
    struct buf bytes = {0};
    struct message m = {0};
    size_t taken = 0;
    uint8_t random[32] = {7};
    CHECK_EQ(message_write(&bytes, MESSAGE_HELLO, 0x01020304, slice_of(random, 32)), 0);
    for (size_t size = 0; size < bytes.size; size++)
        CHECK_EQ(message_parse(slice_of(bytes.bytes, size), true, &m, &taken), -EAGAIN);
    CHECK_EQ(message_parse(buf_slice(&bytes), true, &m, &taken), 0);
    CHECK_EQ(taken, bytes.size);
    CHECK_EQ(m.kind, MESSAGE_HELLO);
    CHECK_EQ(m.id, 0x01020304);
    CHECK_EQ(m.body.size, 32);
    CHECK_EQ(message_parse(buf_slice(&bytes), false, &m, &taken), -EBADMSG);
    buf_done(&bytes);
}

TEST(sizes_and_kinds_are_judged_by_the_head_alone)
{
    struct message m;
    size_t taken;
    for (unsigned kind = 0; kind < 256; kind++)
        for (int keeper = 0; keeper < 2; keeper++) {
            uint8_t head[MESSAGE_HEAD_SIZE] = {0xff, 0xff, 0xff, 0xff, (uint8_t)kind};
            CHECK_EQ(message_parse(slice_of(head, sizeof head), keeper, &m, &taken), -EBADMSG);
        }
    const uint8_t small[MESSAGE_HEAD_SIZE] = {31, 0, 0, 0, MESSAGE_HELLO};
    CHECK_EQ(message_parse(slice_of(small, sizeof small), true, &m, &taken), -EBADMSG);
    struct buf bytes = {0};
    CHECK_EQ(message_write(&bytes, MESSAGE_HELLO, 0, slice_of("x", 1)), -EMSGSIZE);
    CHECK_EQ(bytes.size, 0);
    buf_done(&bytes);
}

TEST(a_call_has_a_path_and_perhaps_a_document)
{
    struct buf bytes = {0};
    struct message_call call = {0};
    json_t *in = parsed("{\"a\":1}");
    CHECK_EQ(message_call_write(3, "/v1/info", in, &bytes), 0);
    CHECK_EQ(message_call_parse(buf_slice(&bytes), &call), 0);
    CHECK_EQ(call.connection, 3);
    CHECK_TEXT(call.path, "/v1/info");
    CHECK(json_equal(call.in, in));
    json_decref(call.in);
    for (size_t size = 0; size < bytes.size; size++) {
        if (size == 4 + 1 + 8)
            continue; /* a whole call without a document */
        CHECK_EQ(message_call_parse(slice_of(bytes.bytes, size), &call), -EBADMSG);
    }
    buf_clear(&bytes);
    CHECK_EQ(message_call_write(3, "/v1/info", NULL, &bytes), 0);
    CHECK_EQ(message_call_parse(buf_slice(&bytes), &call), 0);
    CHECK(call.in == NULL);
    buf_clear(&bytes);
    CHECK_EQ(message_call_write(3, "info", in, &bytes), -EINVAL);
    CHECK_EQ(message_call_write(3, "/in fo", in, &bytes), -EINVAL);
    CHECK_EQ(message_call_write(3, "", in, &bytes), -EINVAL);
    json_decref(in);
    buf_done(&bytes);
}

TEST(a_certificate_has_evidence_and_a_signature)
{
    const struct message_certificate certificate = {slice_of_text("evidence"), slice_of_text("s")};
    struct message_certificate back;
    struct buf bytes = {0};
    CHECK_EQ(message_certificate_write(&certificate, &bytes), 0);
    CHECK_EQ(message_certificate_parse(buf_slice(&bytes), &back), 0);
    CHECK(slice_is_text(back.evidence, "evidence") && slice_is_text(back.signature, "s"));
    for (size_t size = 0; size < bytes.size; size++)
        CHECK_EQ(message_certificate_parse(slice_of(bytes.bytes, size), &back), -EBADMSG);
    bytes.bytes[0] = 0;
    CHECK_EQ(message_certificate_parse(buf_slice(&bytes), &back), -EBADMSG);
    buf_done(&bytes);
}

TEST(an_answer_has_a_status_of_http)
{
    struct buf bytes = {0};
    struct message_answer answer;
    CHECK_EQ(message_answer_write(403, true, slice_of_text("{}"), &bytes), 0);
    CHECK_EQ(message_answer_parse(buf_slice(&bytes), &answer), 0);
    CHECK(answer.status == 403 && answer.closes && slice_is_text(answer.text, "{}"));
    bytes.bytes[2] = 2;
    CHECK_EQ(message_answer_parse(buf_slice(&bytes), &answer), -EBADMSG);
    bytes.bytes[2] = 1;
    bytes.bytes[1] = 0; /* 147 */
    CHECK_EQ(message_answer_parse(buf_slice(&bytes), &answer), -EBADMSG);
    CHECK_EQ(message_answer_parse(slice_of(bytes.bytes, 2), &answer), -EBADMSG);
    buf_done(&bytes);
}

TAP_MAIN()

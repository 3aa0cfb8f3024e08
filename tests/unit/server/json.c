/* SPDX-License-Identifier: Apache-2.0 */
#include "server/json.h"
#include "server/base64.h"
#include "tap.h"

#include <errno.h>

TEST(nesting_commas_and_escapes_come_out_right)
{
    struct buf out = {0};
    struct json json = json_into(&out);
    json_open_object(&json, NULL);
    json_put_text(&json, "a\"", "x\\\n\x7f\xc3\xa4\xff\xf0\x9f\x98\x80");
    json_open_array(&json, "b");
    json_put_int(&json, NULL, -1);
    json_open_object(&json, NULL);
    json_close(&json);
    json_put_bool(&json, NULL, true);
    json_put_text(&json, NULL, NULL);
    json_close(&json);
    json_put_raw(&json, "c", "{}");
    json_close(&json);
    CHECK_TEXT(buf_text(&out),
               "{\"a\\\"\":\"x\\\\\\u000a\\u007f\xc3\xa4\xef\xbf\xbd\xf0\x9f\x98\x80\","
               "\"b\":[-1,{},true,null],\"c\":{}}");
    buf_done(&out);
}

TEST(base64_goes_both_ways_however_it_is_split)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"}};
    struct buf out = {0};
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        buf_clear(&out);
        CHECK_EQ(base64_encode(slice_of_text(pairs[i][0]), false, &out), 0);
        CHECK_TEXT(buf_text(&out), pairs[i][1]);
        struct base64_decoder decoder = {0};
        uint8_t got[16];
        size_t size = 0;
        for (const char *c = pairs[i][1]; *c; c++) {
            ssize_t n = base64_feed(&decoder, slice_of(c, 1), got + size);
            REQUIRE(n >= 0);
            size += (size_t)n;
        }
        CHECK_EQ(base64_finish(&decoder), 0);
        CHECK(slice_is_text(slice_of(got, size), pairs[i][0]));
    }
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Z===", "=Zg=", "Zg==Zg==", "Zg=a", "Z*==", "===="};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(base64_decode(slice_of_text(bad[i]), &out), -EBADMSG);
    buf_clear(&out);
    CHECK_EQ(base64_encode(slice_of_text("\xff\xfe"), true, &out), 0);
    CHECK_TEXT(buf_text(&out), "__4");
    buf_done(&out);
}

TAP_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sni.h"

#include "base/writer.h"
#include "tap.h"

#include <errno.h>

/* Writes a ClientHello (handshake message only) with `extensions` as they are. */
static size_t hello_write(uint8_t *out, size_t out_size, struct slice extensions)
{
    struct writer wr = writer_over(out, out_size);
    writer_u8(&wr, 1);
    writer_uint_be(&wr, 2 + 32 + 1 + 32 + 2 + 4 + 2 + 2 + extensions.size, 3);
    writer_uint_be(&wr, 0x0303, 2);
    writer_zeros(&wr, 32);
    writer_u8(&wr, 32);
    writer_zeros(&wr, 32);
    writer_uint_be(&wr, 4, 2);
    writer_uint_be(&wr, 0x13011302, 4);
    writer_uint_be(&wr, 0x0100, 2);
    writer_uint_be(&wr, extensions.size, 2);
    writer_slice(&wr, extensions);
    REQUIRE(writer_ok(&wr));
    return writer_size(&wr);
}

static void server_name_write(struct writer *wr, struct slice name)
{
    writer_uint_be(wr, 0, 2);
    writer_uint_be(wr, name.size + 5, 2);
    writer_uint_be(wr, name.size + 3, 2);
    writer_u8(wr, 0);
    writer_uint_be(wr, name.size, 2);
    writer_slice(wr, name);
}

/* Cuts a handshake message into records of `fragment_size`. */
static size_t records_write(uint8_t *out, size_t out_size, struct slice message,
                            size_t fragment_size)
{
    struct writer wr = writer_over(out, out_size);
    for (size_t at = 0; at < message.size;) {
        size_t size = MIN(fragment_size, message.size - at);
        writer_u8(&wr, 22);
        writer_uint_be(&wr, 0x0301, 2);
        writer_uint_be(&wr, size, 2);
        writer_bytes(&wr, message.bytes + at, size);
        at += size;
    }
    REQUIRE(writer_ok(&wr));
    return writer_size(&wr);
}

struct sample {
    uint8_t bytes[40000];
    size_t size;
};

static void sample_of_extensions(struct sample *sample, struct slice extensions, size_t fragment)
{
    uint8_t message[20000];
    size_t size = hello_write(message, sizeof message, extensions);
    sample->size =
        records_write(sample->bytes, sizeof sample->bytes, slice_of(message, size), fragment);
}

static void sample_of_name(struct sample *sample, struct slice name, size_t fragment)
{
    uint8_t extensions[1000];
    struct writer wr = writer_over(extensions, sizeof extensions);
    writer_uint_be(&wr, 0x002b0003, 4); /* supported_versions comes first */
    writer_uint_be(&wr, 0x020304, 3);
    server_name_write(&wr, name);
    REQUIRE(writer_ok(&wr));
    sample_of_extensions(sample, writer_done(&wr), fragment);
}

static int sample_parse(const struct sample *sample, char *name)
{
    return sni_parse(slice_of(sample->bytes, sample->size), name);
}

static struct sample g_sample;

TEST(the_name_is_found_and_lowered)
{
    char name[SNI_NAME_SIZE];
    sample_of_name(&g_sample, slice_of_text("Demo.LocalHost"), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), 0);
    CHECK_TEXT(name, "demo.localhost");
}

TEST(every_truncation_asks_for_more_in_records_of_every_size)
{
    static const size_t fragments[] = {1, 2, 3, 5, 7, 50, 16000};
    for (size_t i = 0; i < ARRAY_COUNT(fragments); i++) {
        char name[SNI_NAME_SIZE] = "untouched";
        sample_of_name(&g_sample, slice_of_text("demo.localhost"), fragments[i]);
        for (size_t size = 0; size < g_sample.size; size++)
            CHECK_EQ(sni_parse(slice_of(g_sample.bytes, size), name), -EAGAIN);
        CHECK_TEXT(name, "untouched");
        CHECK_EQ(sample_parse(&g_sample, name), 0);
        CHECK_TEXT(name, "demo.localhost");
    }
}

TEST(bytes_after_the_hello_change_nothing)
{
    char name[SNI_NAME_SIZE];
    sample_of_name(&g_sample, slice_of_text("a.b"), 16000);
    memset(g_sample.bytes + g_sample.size, 0xff, 30);
    g_sample.size += 30;
    CHECK_EQ(sample_parse(&g_sample, name), 0);
}

TEST(a_hello_without_a_name_is_told_apart_from_a_broken_one)
{
    char name[SNI_NAME_SIZE];
    static const uint8_t versions[] = {0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x04};
    sample_of_extensions(&g_sample, slice_of(versions, sizeof versions), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), -ENOENT);
    sample_of_extensions(&g_sample, slice_of(versions, sizeof versions - 1), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), -EBADMSG);
    sample_of_extensions(&g_sample, slice_of(versions, 0), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), -ENOENT);
}

TEST(a_hello_without_extensions_has_no_name)
{
    char name[SNI_NAME_SIZE];
    uint8_t message[200];
    size_t size = hello_write(message, sizeof message, (struct slice){0}) - 2;
    message[3] = (uint8_t)(message[3] - 2);
    g_sample.size =
        records_write(g_sample.bytes, sizeof g_sample.bytes, slice_of(message, size), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), -ENOENT);
}

TEST(names_that_are_no_host_names_are_refused)
{
    static const char *const bad[] = {"",     "demo.localhost.", "a b", "a/b",
                                      "../x", "d\x80mo",         "a_b"};
    char name[SNI_NAME_SIZE];
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        sample_of_name(&g_sample, slice_of_text(bad[i]), 16000);
        CHECK_EQ(sample_parse(&g_sample, name), -EBADMSG);
    }
    sample_of_name(&g_sample, slice_of("a\0b", 3), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), -EBADMSG);
    char text[300];
    memset(text, 'a', sizeof text);
    sample_of_name(&g_sample, slice_of(text, 253), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), 0);
    CHECK_EQ(strlen(name), 253);
    sample_of_name(&g_sample, slice_of(text, 254), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), -EBADMSG);
}

TEST(two_names_are_refused)
{
    char name[SNI_NAME_SIZE];
    uint8_t extensions[100];
    struct writer wr = writer_over(extensions, sizeof extensions);
    server_name_write(&wr, slice_of_text("a"));
    server_name_write(&wr, slice_of_text("b"));
    sample_of_extensions(&g_sample, writer_done(&wr), 16000);
    CHECK_EQ(sample_parse(&g_sample, name), -EBADMSG);
}

TEST(what_is_no_client_hello_is_refused_at_its_first_wrong_byte)
{
    char name[SNI_NAME_SIZE];
    static const uint8_t alert[] = {21}, version[] = {22, 2}, empty[] = {22, 3, 1, 0, 0},
                         server_hello[] = {22, 3, 1, 0, 4, 2}, huge[] = {22, 3, 1, 0x40, 1};
    CHECK_EQ(sni_parse(slice_of(alert, sizeof alert), name), -EBADMSG);
    CHECK_EQ(sni_parse(slice_of(version, sizeof version), name), -EBADMSG);
    CHECK_EQ(sni_parse(slice_of(empty, sizeof empty), name), -EBADMSG);
    CHECK_EQ(sni_parse(slice_of(server_hello, sizeof server_hello), name), -EBADMSG);
    CHECK_EQ(sni_parse(slice_of(huge, sizeof huge), name), -EBADMSG);
}

TEST(a_hello_over_the_limit_is_refused)
{
    char name[SNI_NAME_SIZE];
    static const uint8_t announced[] = {22, 3, 1, 0x3f, 0xff, 1, 0x00, 0x40, 0x00};
    CHECK_EQ(sni_parse(slice_of(announced, sizeof announced), name), -EMSGSIZE);

    /* Fits as a message, but not with the headers of its one-byte records. */
    static uint8_t extensions[4000];
    struct writer wr = writer_over(extensions, sizeof extensions);
    writer_uint_be(&wr, 21, 2); /* padding */
    writer_uint_be(&wr, sizeof extensions - 4, 2);
    sample_of_extensions(&g_sample, slice_of(extensions, sizeof extensions), 1);
    CHECK(g_sample.size > SNI_HELLO_SIZE_MAX);
    CHECK_EQ(sample_parse(&g_sample, name), -EMSGSIZE);
}

TEST(something_after_the_hello_in_its_record_is_refused)
{
    char name[SNI_NAME_SIZE];
    sample_of_name(&g_sample, slice_of_text("a.b"), 16000);
    g_sample.bytes[4]++;
    g_sample.bytes[g_sample.size++] = 0;
    CHECK_EQ(sample_parse(&g_sample, name), -EBADMSG);
}

TEST(one_flipped_byte_never_yields_an_invalid_name)
{
    for (size_t at = 0; at < 160; at++) {
        for (int bit = 0; bit < 8; bit++) {
            char name[SNI_NAME_SIZE] = "";
            sample_of_name(&g_sample, slice_of_text("demo.localhost"), 16000);
            REQUIRE(at < sizeof g_sample.bytes);
            g_sample.bytes[at] = (uint8_t)(g_sample.bytes[at] ^ 1U << bit);
            if (sample_parse(&g_sample, name) == 0)
                CHECK(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(name));
        }
    }
}

TEST(plain_http_is_recognised_by_its_method)
{
    CHECK(sni_is_plain_http(slice_of_text("GET / HTTP/1.1\r\n")));
    CHECK(sni_is_plain_http(slice_of_text("CONNECT x")));
    CHECK(!sni_is_plain_http(slice_of_text("GE")));
    CHECK(!sni_is_plain_http(slice_of_text("\x16\x03\x01")));
    CHECK(!sni_is_plain_http(slice_of_text("")));
}

TAP_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sni.h"

#include "base/reader.h"

#include <errno.h>

#define RECORD_HANDSHAKE 22
#define RECORD_FRAGMENT_SIZE_MAX ((size_t)16 << 10)
#define HANDSHAKE_CLIENT_HELLO 1
#define HANDSHAKE_HEADER_SIZE 4
#define EXTENSION_SERVER_NAME 0
#define SERVER_NAME_HOST 0

/* The handshake message, put together from the records that carry it. */
struct hello {
    uint8_t bytes[SNI_HELLO_SIZE_MAX];
    size_t size;
    size_t size_wanted; /* 0: the header is not there yet */
};

static int hello_append(struct hello *hello, struct slice fragment, size_t fragment_size)
{
    if (fragment.size > sizeof hello->bytes - hello->size)
        return -EMSGSIZE;
    if (fragment.size > 0)
        memcpy(hello->bytes + hello->size, fragment.bytes, fragment.size);
    size_t size_before = hello->size;
    hello->size += fragment.size;
    if (hello->size > 0 && hello->bytes[0] != HANDSHAKE_CLIENT_HELLO)
        return -EBADMSG;
    if (hello->size < HANDSHAKE_HEADER_SIZE)
        return -EAGAIN;
    struct reader rd = reader_over(slice_of(hello->bytes + 1, 3));
    hello->size_wanted = HANDSHAKE_HEADER_SIZE + reader_u24_be(&rd);
    if (hello->size_wanted > sizeof hello->bytes)
        return -EMSGSIZE;
    /* Nothing may follow a ClientHello in its record: the client must wait for an answer. */
    if (size_before + fragment_size > hello->size_wanted)
        return -EBADMSG;
    return hello->size < hello->size_wanted ? -EAGAIN : 0;
}

static int record_header_check(struct slice start)
{
    if (start.size > 0 && start.bytes[0] != RECORD_HANDSHAKE)
        return -EBADMSG;
    if (start.size > 1 && start.bytes[1] != 3)
        return -EBADMSG;
    return 0;
}

static int hello_collect(struct slice bytes, struct hello *hello)
{
    struct reader rd = reader_over(bytes);
    for (;;) {
        int r = record_header_check(slice_of(rd.at, reader_left(&rd)));
        if (r < 0)
            return r;
        reader_take(&rd, 3);
        size_t size = reader_u16_be(&rd);
        if (!reader_ok(&rd))
            return -EAGAIN;
        if (size == 0 || size > RECORD_FRAGMENT_SIZE_MAX)
            return -EBADMSG;
        r = hello_append(hello, reader_slice(&rd, MIN(size, reader_left(&rd))), size);
        if (r != -EAGAIN)
            return r;
    }
}

static bool name_char_is_valid(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static int name_take(struct slice name, char ret_name[SNI_NAME_SIZE])
{
    char text[SNI_NAME_SIZE] = {0};
    if (name.size == 0 || name.size >= sizeof text || name.bytes[name.size - 1] == '.')
        return -EBADMSG;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.bytes[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        if (!name_char_is_valid(c))
            return -EBADMSG;
        text[i] = (char)c;
    }
    memcpy(ret_name, text, sizeof text);
    return 0;
}

/* One host name; RFC 6066 allows no second one, and no other type was ever defined. */
static int server_name_parse(struct slice extension, char ret_name[SNI_NAME_SIZE])
{
    struct reader rd = reader_over(extension);
    size_t list_size = reader_u16_be(&rd);
    if (!reader_ok(&rd) || list_size != reader_left(&rd))
        return -EBADMSG;
    uint8_t type = reader_u8(&rd);
    struct slice name = reader_slice(&rd, reader_u16_be(&rd));
    if (!reader_finished(&rd) || type != SERVER_NAME_HOST)
        return -EBADMSG;
    return name_take(name, ret_name);
}

static int extensions_parse(struct slice extensions, char ret_name[SNI_NAME_SIZE])
{
    struct reader rd = reader_over(extensions);
    struct slice server_name = {0};
    bool found = false;
    while (reader_left(&rd) > 0) {
        uint16_t type = reader_u16_be(&rd);
        struct slice data = reader_slice(&rd, reader_u16_be(&rd));
        if (!reader_ok(&rd) || (found && type == EXTENSION_SERVER_NAME))
            return -EBADMSG;
        if (type == EXTENSION_SERVER_NAME) {
            server_name = data;
            found = true;
        }
    }
    if (!reader_finished(&rd))
        return -EBADMSG;
    return found ? server_name_parse(server_name, ret_name) : -ENOENT;
}

static int hello_parse(const struct hello *hello, char ret_name[SNI_NAME_SIZE])
{
    struct reader rd = reader_over(
        slice_of(hello->bytes + HANDSHAKE_HEADER_SIZE, hello->size_wanted - HANDSHAKE_HEADER_SIZE));
    uint16_t version = reader_u16_be(&rd);
    reader_take(&rd, 32); /* random */
    size_t session_id_size = reader_u8(&rd);
    reader_take(&rd, session_id_size);
    size_t ciphers_size = reader_u16_be(&rd);
    reader_take(&rd, ciphers_size);
    size_t compressions_size = reader_u8(&rd);
    reader_take(&rd, compressions_size);
    if (!reader_ok(&rd) || version >> 8 != 3 || session_id_size > 32 || ciphers_size < 2 ||
        ciphers_size % 2 != 0 || compressions_size == 0)
        return -EBADMSG;
    if (reader_left(&rd) == 0)
        return -ENOENT; /* a hello from before extensions */
    struct slice extensions = reader_slice(&rd, reader_u16_be(&rd));
    return reader_finished(&rd) ? extensions_parse(extensions, ret_name) : -EBADMSG;
}

int sni_parse(struct slice bytes, char ret_name[SNI_NAME_SIZE])
{
    struct hello hello;
    hello.size = 0;
    hello.size_wanted = 0;
    bytes.size = MIN(bytes.size, SNI_HELLO_SIZE_MAX);
    int r = hello_collect(bytes, &hello);
    if (r == -EAGAIN && bytes.size == SNI_HELLO_SIZE_MAX)
        return -EMSGSIZE;
    return r < 0 ? r : hello_parse(&hello, ret_name);
}

bool sni_is_plain_http(struct slice bytes)
{
    static const char *const methods[] = {"GET ",     "HEAD ",  "POST ",  "PUT ",    "DELETE ",
                                          "OPTIONS ", "PATCH ", "TRACE ", "CONNECT "};
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
        size_t size = strlen(methods[i]);
        if (bytes.size >= size && memcmp(bytes.bytes, methods[i], size) == 0)
            return true;
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies and Upload-Metadata; the first byte chooses. A cookie's value stands in the header, behind
 * its name, at a cookie's begin; what metadata says reads the same when it is written again. */
#include "dms/header_parse.h"
#include "server/base64.h"
#include "server/http.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME "__Host-coffer"

static void cookie_check(struct slice header)
{
    const size_t before = sizeof NAME; /* with its '=' */
    struct slice value = cookie_find(header, NAME);
    if (!value.bytes)
        return;
    assert(value.size > 0 && value.bytes >= header.bytes + before &&
           value.bytes + value.size <= header.bytes + header.size);
    assert(!memchr(value.bytes, ';', value.size));
    assert(memcmp(value.bytes - before, NAME "=", before) == 0);
    const uint8_t *at = value.bytes - before;
    while (at > header.bytes && at[-1] == ' ')
        at--;
    assert(at == header.bytes || at[-1] == ';');
    const uint8_t *end = value.bytes + value.size;
    assert(end == header.bytes + header.size || *end == ';');
}

static void pair_write(struct buf *out, const char *key, const char *text)
{
    if (!text)
        return;
    assert(strlen(text) <= TUS_VALUE_SIZE_MAX && http_is_utf8(slice_of(text, strlen(text))));
    (void)buf_printf(out, "%s%s ", out->size ? "," : "", key);
    (void)base64_encode(slice_of(text, strlen(text)), false, out);
}

static void same(const char *a, const char *b)
{
    assert((a == NULL) == (b == NULL) && (!a || strcmp(a, b) == 0));
}

static void metadata_check(struct slice header)
{
    struct arena arena = {.size_max = 1 << 20};
    struct buf text = {0};
    struct tus_metadata one, two;
    if (tus_metadata_parse(&arena, header, &one) == 0) {
        pair_write(&text, "filename", one.name);
        pair_write(&text, "filetype", one.type);
        pair_write(&text, "parent", one.parent);
        pair_write(&text, "document", one.document);
        pair_write(&text, "conflict", one.conflict);
        int r = tus_metadata_parse(&arena, buf_slice(&text), &two);
        assert(r == 0);
        same(one.name, two.name);
        same(one.type, two.type);
        same(one.parent, two.parent);
        same(one.document, two.document);
        same(one.conflict, two.conflict);
    }
    buf_done(&text);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 'c')
        cookie_check(rest);
    else
        metadata_check(rest);
    return 0;
}

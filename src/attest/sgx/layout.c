/* SPDX-License-Identifier: Apache-2.0 */
/* The page list and the stream; ELF files are in layout_elf.c. */
#include "attest/sgx/layout.h"

#include "base/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_SIZE_MAX = 1024, WORDS_MAX = 6, STREAM_BLOCK = 64, STREAM_CHUNK = 256 };

struct page_text {
    const char *offset, *flags, *fill;
    bool measured;
};

static int number_parse(const char *text, uint64_t *ret_n)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 0);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return -EINVAL;
    *ret_n = n;
    return 0;
}

static int file_fill(const char *text, sgx_file_fn *file, void *ctx, uint8_t page[SGX_PAGE_SIZE],
                     struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    char name[LINE_SIZE_MAX];
    uint64_t at = 0;
    snprintf(name, sizeof name, "%s", text);
    char *mark = strrchr(name, '@');
    if (mark && number_parse(mark + 1, &at) == 0)
        *mark = '\0';
    if (!file)
        return error_set(e, -EINVAL, "pages from files are not possible here");
    int r = file(ctx, name, &bytes, e);
    if (r < 0)
        return r;
    if (at >= bytes.size)
        return error_set(e, -EINVAL, "'%s' ends before byte %llu", name, (unsigned long long)at);
    memset(page, 0, SGX_PAGE_SIZE);
    memcpy(page, bytes.bytes + at, MIN(bytes.size - (size_t)at, (size_t)SGX_PAGE_SIZE));
    return 0;
}

static int page_fill(const char *fill, uint64_t offset, sgx_file_fn *file, void *ctx,
                     uint8_t page[SGX_PAGE_SIZE], struct error *e)
{
    char *end = NULL;
    if (strcmp(fill, "zero") == 0) {
        memset(page, 0, SGX_PAGE_SIZE);
        return 0;
    }
    if (strcmp(fill, "inc") == 0) {
        for (unsigned i = 0; i < SGX_PAGE_SIZE; i++)
            page[i] = (uint8_t)(i + offset / SGX_PAGE_SIZE);
        return 0;
    }
    if (strncmp(fill, "const=", 6) == 0 && strlen(fill) == 8) {
        unsigned long value = strtoul(fill + 6, &end, 16);
        if (*end == '\0') {
            memset(page, (int)value, SGX_PAGE_SIZE);
            return 0;
        }
    }
    if (strncmp(fill, "file=", 5) == 0)
        return file_fill(fill + 5, file, ctx, page, e);
    return error_set(e, -EINVAL, "'%.40s' is no contents: zero, inc, const=XX or file=NAME@OFFSET",
                     fill);
}

static int page_measure(struct sgx_measure *m, const struct page_text *p, sgx_file_fn *file,
                        void *ctx, struct error *e)
{
    uint8_t page[SGX_PAGE_SIZE];
    uint64_t offset = 0, flags = 0;
    if (m->pages >= SGX_LAYOUT_PAGES_MAX)
        return error_set(e, -EINVAL, "more than %u pages", SGX_LAYOUT_PAGES_MAX);
    if (number_parse(p->offset, &offset) < 0 || number_parse(p->flags, &flags) < 0)
        return error_set(e, -EINVAL, "a page begins with two numbers: offset and SECINFO flags");
    int r = page_fill(p->fill, offset, file, ctx, page, e);
    return r < 0 ? r : sgx_measure_page(m, offset, flags, p->measured ? page : NULL, e);
}

/* Splits at spaces in place; how many, or WORDS_MAX + 1 for too many. */
static int words_split(char *line, char *words[WORDS_MAX])
{
    char *save = NULL;
    int count = 0;
    line[strcspn(line, "#\r")] = '\0';
    for (char *w = strtok_r(line, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
        if (count == WORDS_MAX)
            return WORDS_MAX + 1;
        words[count++] = w;
    }
    return count;
}

struct list {
    struct sgx_measure measure;
    uint64_t size, ssa_frame_pages;
    sgx_file_fn *file;
    void *ctx;
};

static int list_page(struct list *list, char **words, int count, struct error *e)
{
    struct page_text page = {.measured = true};
    if (count < 4 || count > 5)
        return error_set(e, -EINVAL, "a page is: page OFFSET FLAGS CONTENTS [unmeasured]");
    page = (struct page_text){words[1], words[2], words[3], count == 4};
    if (count == 5 && strcmp(words[4], "measured") == 0)
        page.measured = true;
    else if (count == 5 && strcmp(words[4], "unmeasured") != 0)
        return error_set(e, -EINVAL, "'%.40s' is neither measured nor unmeasured", words[4]);
    if (!list->measure.stream) {
        if (list->size == 0)
            return error_set(e, -EINVAL, "`size` must come before the first page");
        int r = sgx_measure_begin(&list->measure, list->size, (uint32_t)list->ssa_frame_pages, e);
        if (r < 0)
            return r;
    }
    return page_measure(&list->measure, &page, list->file, list->ctx, e);
}

static int list_line(struct list *list, char *line, struct error *e)
{
    char *words[WORDS_MAX];
    int count = words_split(line, words);
    if (count == 0)
        return 0;
    if (count > WORDS_MAX)
        return error_set(e, -EINVAL, "too many words");
    if (strcmp(words[0], "page") == 0)
        return list_page(list, words, count, e);
    uint64_t *to = strcmp(words[0], "size") == 0           ? &list->size
                   : strcmp(words[0], "ssaframesize") == 0 ? &list->ssa_frame_pages
                                                           : NULL;
    if (!to)
        return error_set(e, -EINVAL, "'%.40s' is neither size, ssaframesize nor page", words[0]);
    if (list->measure.stream)
        return error_set(e, -EINVAL, "'%s' must come before the first page", words[0]);
    if (count != 2 || number_parse(words[1], to) < 0 || *to > SGX_ENCLAVE_SIZE_MAX)
        return error_set(e, -EINVAL, "'%s' needs one number", words[0]);
    return 0;
}

static int list_run(struct list *list, struct slice text, struct error *e)
{
    unsigned number = 0;
    size_t at = 0;
    while (at < text.size) {
        char line[LINE_SIZE_MAX];
        const uint8_t *start = text.bytes + at, *end = memchr(start, '\n', text.size - at);
        size_t size = end ? (size_t)(end - start) : text.size - at;
        number++;
        if (size >= sizeof line || memchr(start, 0, size))
            return error_set(e, -EINVAL, "line %u: this is no page list", number);
        memcpy(line, start, size);
        line[size] = '\0';
        int r = list_line(list, line, e);
        if (r < 0)
            return error_prefix(e, r, "line %u", number);
        at += size + 1;
    }
    if (list->measure.stream)
        return 0;
    if (list->size == 0)
        return error_set(e, -EINVAL, "line 1: this is no page list: `size` is missing");
    return sgx_measure_begin(&list->measure, list->size, (uint32_t)list->ssa_frame_pages, e);
}

int sgx_layout_measure(struct slice text, sgx_file_fn *file, void *ctx,
                       uint8_t ret_digest[SHA256_SIZE], uint64_t *ret_pages, struct error *e)
{
    struct list list = {.ssa_frame_pages = 1, .file = file, .ctx = ctx};
    int r = list_run(&list, text, e);
    if (r == 0)
        r = sgx_measure_finish(&list.measure, ret_digest);
    *ret_pages = list.measure.pages;
    sgx_measure_done(&list.measure);
    return r;
}

/* OFFSET:FLAGS:CONTENTS:MEASURED. */
static int compact_page(char *word, struct page_text *ret, struct error *e)
{
    char *save = NULL;
    const char *parts[5] = {0};
    int count = 0;
    for (char *w = strtok_r(word, ":", &save); w && count < 5; w = strtok_r(NULL, ":", &save))
        parts[count++] = w;
    if (count != 4 || (strcmp(parts[3], "0") != 0 && strcmp(parts[3], "1") != 0))
        return error_set(e, -EINVAL, "a page is OFFSET:FLAGS:CONTENTS:MEASURED, the last 0 or 1");
    *ret = (struct page_text){parts[0], parts[1], parts[2], parts[3][0] == '1'};
    return 0;
}

int sgx_pages_measure(uint64_t size, uint32_t ssa_frame_pages, const char *pages, sgx_file_fn *file,
                      void *ctx, uint8_t ret_digest[SHA256_SIZE], uint64_t *ret_pages,
                      struct error *e)
{
    struct sgx_measure m;
    char *copy = strdup(pages), *save = NULL;
    int r = sgx_measure_begin(&m, size, ssa_frame_pages, e);
    if (!copy)
        r = -ENOMEM;
    for (char *w = r == 0 ? strtok_r(copy, " ,\n", &save) : NULL; w && r == 0;
         w = strtok_r(NULL, " ,\n", &save)) {
        struct page_text page;
        r = compact_page(w, &page, e);
        if (r == 0)
            r = page_measure(&m, &page, file, ctx, e);
    }
    if (r == 0)
        r = sgx_measure_finish(&m, ret_digest);
    *ret_pages = m.pages;
    sgx_measure_done(&m);
    free(copy);
    return r;
}

bool sgx_stream_is(struct slice bytes)
{
    return bytes.size >= STREAM_BLOCK && memcmp(bytes.bytes, "ECREATE", 8) == 0;
}

static int stream_block(struct sgx_measure *m, struct reader *rd, struct error *e)
{
    struct slice block = reader_slice(rd, STREAM_BLOCK);
    struct reader in = reader_over(block);
    struct slice tag = reader_slice(&in, 8);
    uint64_t offset = reader_u64(&in);
    if (!reader_ok(rd))
        return error_set(e, -EINVAL, "the stream ends inside a block");
    if (memcmp(tag.bytes, "EADD\0\0\0", 8) == 0)
        return sgx_measure_add(m, offset, reader_u64(&in), e);
    bool measured = memcmp(tag.bytes, "EEXTEND", 8) == 0;
    const uint8_t *chunk = reader_take(rd, STREAM_CHUNK);
    if (!measured && memcmp(tag.bytes, "UNMEASRD", 8) != 0)
        return error_set(e, -EINVAL, "a block that is neither EADD, EEXTEND nor UNMEASRD");
    if (!chunk)
        return error_set(e, -EINVAL, "the stream ends inside a chunk");
    return measured ? sgx_measure_extend(m, offset, chunk, e) : 0;
}

int sgx_stream_measure(struct slice bytes, uint8_t ret_digest[SHA256_SIZE], uint64_t *ret_pages,
                       struct error *e)
{
    struct sgx_measure m;
    struct reader rd = reader_over(bytes);
    reader_take(&rd, 8);
    uint32_t ssa_frame_pages = reader_u32(&rd);
    uint64_t size = reader_u64(&rd);
    reader_take(&rd, STREAM_BLOCK - 20);
    int r = reader_ok(&rd) ? sgx_measure_begin(&m, size, ssa_frame_pages, e)
                           : error_set(e, -EINVAL, "the stream has no ECREATE");
    if (r < 0)
        return r;
    while (r == 0 && reader_left(&rd) > 0)
        r = stream_block(&m, &rd, e);
    if (r == 0)
        r = sgx_measure_finish(&m, ret_digest);
    *ret_pages = m.pages;
    sgx_measure_done(&m);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer sgx`: measures, signs and shows enclaves on any machine; no SGX is needed. */
#include "attest/sgx/layout.h"
#include "attest/sgx/sigstruct.h"
#include "base/hex.h"
#include "cli/command.h"
#include "cli/owner_keys.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SGX_USAGE                                                                              \
    "measure FILE | measure --size N --pages LIST | sign FILE|MRENCLAVE --key PEM --out FILE " \
    "| show SIGSTRUCT"

struct sgx_options {
    const char *size, *ssa_frame_size, *pages, *threads, *ssa_frames, *stack, *heap;
    const char *key, *out, *date, *vendor, *product, *svn, *attributes, *attributes_mask;
    const char *misc_select, *misc_mask, *software_defined, *family_id, *extended_product_id;
    bool json, debug;
};

#define ROW(name, member, value, help)                                                   \
    {                                                                                    \
        name, OPTION_TEXT, offsetof(struct sgx_options, member), NULL, value, help, 0, 0 \
    }
#define FLAG(name, member, help)                                                        \
    {                                                                                   \
        name, OPTION_FLAG, offsetof(struct sgx_options, member), NULL, NULL, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("size", size, "BYTES", "Size of the enclave, a power of two (lists say their own)"),
    ROW("ssaframesize", ssa_frame_size, "PAGES", "Pages of one SSA frame (1)"),
    ROW("pages", pages, "LIST", "measure: OFFSET:FLAGS:CONTENTS:MEASURED ... instead of a file"),
    ROW("threads", threads, "N", "ELF: threads (1)"),
    ROW("ssa-frames", ssa_frames, "N", "ELF: SSA frames of each thread (2)"),
    ROW("stack", stack, "BYTES", "ELF: stack of each thread (65536)"),
    ROW("heap", heap, "BYTES", "ELF: heap, added unmeasured (0)"),
    ROW("key", key, "PEM", "sign: RSA key of 3072 bits, exponent 3 (openssl genrsa -3 3072)"),
    ROW("out", out, "FILE", "sign: where the SIGSTRUCT goes"),
    ROW("date", date, "YYYYMMDD", "sign: date (today)"),
    ROW("vendor", vendor, "N", "sign: vendor (0)"),
    ROW("product", product, "N", "sign: ISVPRODID (0)"),
    ROW("svn", svn, "N", "sign: ISVSVN, the security version (0)"),
    ROW("attributes", attributes, "HEX",
        "sign: 16 bytes as they stand in the structure "
        "(04000000000000000300000000000000: 64 bit, x87 and SSE)"),
    ROW("attributes-mask", attributes_mask, "HEX",
        "sign: 16 bytes (fdffffffffffffff1bffffffffffffff: debug is left to the loader)"),
    ROW("miscselect", misc_select, "N", "sign: MISCSELECT (0)"),
    ROW("miscmask", misc_mask, "N", "sign: MISCMASK (0xffffffff)"),
    ROW("swdefined", software_defined, "N", "sign: SWDEFINED (0)"),
    ROW("family-id", family_id, "HEX", "sign: 16 bytes (zeros)"),
    ROW("extended-product-id", extended_product_id, "HEX", "sign: 16 bytes (zeros)"),
    FLAG("debug", debug, "sign: set the debug attribute and bind it: the host may read it"),
    FLAG("json", json, "The result as JSON"),
};

static int number_of(const char *text, const char *flag, uint64_t fallback, uint64_t max,
                     uint64_t *ret, struct error *e)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = text ? strtoull(text, &end, 0) : fallback;
    if (text && (!isdigit((unsigned char)text[0]) || *end || errno || n > max))
        return error_set(e, -EINVAL, "--%s takes a number of at most 0x%llx, not '%s'", flag,
                         (unsigned long long)max, text);
    *ret = n;
    return 0;
}

static int hex_of(const char *text, const char *flag, const char *fallback, uint8_t *ret,
                  size_t size, struct error *e)
{
    if (hex_decode(slice_of_text(text ? text : fallback), ret, size) < 0)
        return error_set(e, -EINVAL, "--%s takes %zu hexadecimal digits", flag, 2 * size);
    return 0;
}

static void hex_put(json_t *out, const char *name, const void *bytes, size_t size)
{
    char text[2 * SIGSTRUCT_KEY_SIZE + 1];
    hex_encode(slice_of(bytes, size), text);
    (void)json_object_set_new(out, name, json_string(text));
}

static void result_print(json_t *out, bool as_json)
{
    const char *name;
    json_t *value;
    if (as_json) {
        (void)json_dumpf(out, stdout, JSON_INDENT(2));
        printf("\n");
        return;
    }
    json_object_foreach(out, name, value)
    {
        if (json_is_string(value))
            printf("%-20s %s\n", name, json_string_value(value));
        else if (json_is_boolean(value))
            printf("%-20s %s\n", name, json_is_true(value) ? "yes" : "no");
        else
            printf("%-20s %lld\n", name, (long long)json_integer_value(value));
    }
}

/* Files that a list names lie beside it. */
static int file_beside(void *ctx, const char *name, struct buf *ret_bytes, struct error *e)
{
    char path[PATH_MAX];
    const char *list = ctx, *slash = list ? strrchr(list, '/') : NULL;
    int n = name[0] == '/' || !slash
                ? snprintf(path, sizeof path, "%s", name)
                : snprintf(path, sizeof path, "%.*s/%s", (int)(slash - list), list, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return error_set(e, -ENAMETOOLONG, "'%s' is too long", name);
    return owner_file_read(path, SGX_LAYOUT_SIZE_MAX, ret_bytes, e);
}

static int elf_options(const struct sgx_options *o, struct sgx_elf_options *ret, struct error *e)
{
    uint64_t ssa = 0, threads = 0, frames = 0;
    int r = number_of(o->size, "size", 0, SGX_ENCLAVE_SIZE_MAX, &ret->size, e);
    if (r == 0)
        r = number_of(o->ssa_frame_size, "ssaframesize", 1, SGX_SSA_FRAME_PAGES_MAX, &ssa, e);
    if (r == 0)
        r = number_of(o->threads, "threads", 1, 1024, &threads, e);
    if (r == 0)
        r = number_of(o->ssa_frames, "ssa-frames", 2, 16, &frames, e);
    if (r == 0)
        r = number_of(o->stack, "stack", 65536, UINT32_MAX, &ret->stack_size, e);
    if (r == 0)
        r = number_of(o->heap, "heap", 0, UINT64_MAX, &ret->heap_size, e);
    ret->ssa_frame_pages = (uint32_t)ssa;
    ret->threads = (uint32_t)threads;
    ret->ssa_frames = (uint32_t)frames;
    return r;
}

struct measured {
    uint8_t digest[SHA256_SIZE];
    uint64_t pages, size;
    const char *form;
};

static int file_measure(const struct sgx_options *o, const char *path, struct measured *ret,
                        struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    struct sgx_elf_options elf = {0};
    int r = owner_file_read(path, SGX_LAYOUT_SIZE_MAX, &bytes, e);
    if (r < 0)
        return r;
    if (bytes.size > 4 && memcmp(bytes.bytes, "\177ELF", 4) == 0) {
        ret->form = "ELF file";
        r = elf_options(o, &elf, e);
        if (r == 0)
            r = sgx_elf_measure(buf_slice(&bytes), &elf, ret->digest, &ret->pages, &ret->size, e);
    } else if (sgx_stream_is(buf_slice(&bytes))) {
        ret->form = "SGXS stream";
        r = sgx_stream_measure(buf_slice(&bytes), ret->digest, &ret->pages, e);
    } else {
        ret->form = "page list";
        r = sgx_layout_measure(buf_slice(&bytes), file_beside, (void *)path, ret->digest,
                               &ret->pages, e);
    }
    return r < 0 ? error_prefix(e, r, "'%s'", path) : 0;
}

static int pages_measure(const struct sgx_options *o, struct measured *ret, struct error *e)
{
    uint64_t size = 0, ssa = 0;
    int r = o->size ? number_of(o->size, "size", 0, SGX_ENCLAVE_SIZE_MAX, &size, e)
                    : error_set(e, -EINVAL, "--pages needs --size");
    if (r == 0)
        r = number_of(o->ssa_frame_size, "ssaframesize", 1, SGX_SSA_FRAME_PAGES_MAX, &ssa, e);
    if (r == 0)
        r = sgx_pages_measure(size, (uint32_t)ssa, o->pages, file_beside, NULL, ret->digest,
                              &ret->pages, e);
    ret->form = "page list";
    return r;
}

static int sgx_measure_verb(const struct sgx_options *o, const char *path, struct error *e)
{
    struct measured m = {0};
    if (!o->pages && !path)
        return error_set(e, -EINVAL, "measure needs a FILE or --pages");
    int r = o->pages ? pages_measure(o, &m, e) : file_measure(o, path, &m, e);
    if (r < 0)
        return r;
    json_t *out = json_object();
    hex_put(out, "mrenclave", m.digest, sizeof m.digest);
    (void)json_object_set_new(out, "from", json_string(m.form));
    (void)json_object_set_new(out, "pages", json_integer((json_int_t)m.pages));
    if (m.size)
        (void)json_object_set_new(out, "size", json_integer((json_int_t)m.size));
    result_print(out, o->json);
    json_decref(out);
    return 0;
}

static int date_of(const char *text, uint32_t *ret, struct error *e)
{
    char today[16];
    time_t now = time(NULL);
    struct tm tm;
    if (!text && gmtime_r(&now, &tm)) {
        strftime(today, sizeof today, "%Y%m%d", &tm);
        text = today;
    }
    if (!text || strlen(text) != 8 || strspn(text, "0123456789") != 8)
        return error_set(e, -EINVAL, "--date takes YYYYMMDD");
    *ret = (uint32_t)strtoul(text, NULL, 16); /* binary-coded decimal */
    return 0;
}

static int numbers_fill(const struct sgx_options *o, struct sigstruct *s, struct error *e)
{
    uint64_t vendor = 0, product = 0, svn = 0, select = 0, mask = 0, defined = 0;
    int r = date_of(o->date, &s->date, e);
    if (r == 0)
        r = number_of(o->vendor, "vendor", 0, UINT32_MAX, &vendor, e);
    if (r == 0)
        r = number_of(o->product, "product", 0, UINT16_MAX, &product, e);
    if (r == 0)
        r = number_of(o->svn, "svn", 0, UINT16_MAX, &svn, e);
    if (r == 0)
        r = number_of(o->misc_select, "miscselect", 0, UINT32_MAX, &select, e);
    if (r == 0)
        r = number_of(o->misc_mask, "miscmask", UINT32_MAX, UINT32_MAX, &mask, e);
    if (r == 0)
        r = number_of(o->software_defined, "swdefined", 0, UINT32_MAX, &defined, e);
    s->vendor = (uint32_t)vendor;
    s->product_id = (uint16_t)product;
    s->svn = (uint16_t)svn;
    s->misc_select = (uint32_t)select;
    s->misc_mask = (uint32_t)mask;
    s->software_defined = (uint32_t)defined;
    return r;
}

static int sigstruct_fill(const struct sgx_options *o, struct sigstruct *s, struct error *e)
{
    static const char zeros[] = "00000000000000000000000000000000";
    int r = numbers_fill(o, s, e);
    if (r == 0)
        r = hex_of(o->attributes, "attributes", "04000000000000000300000000000000", s->attributes,
                   sizeof s->attributes, e);
    if (r == 0)
        r = hex_of(o->attributes_mask, "attributes-mask", "fdffffffffffffff1bffffffffffffff",
                   s->attributes_mask, sizeof s->attributes_mask, e);
    if (r == 0)
        r = hex_of(o->family_id, "family-id", zeros, s->family_id, sizeof s->family_id, e);
    if (r == 0)
        r = hex_of(o->extended_product_id, "extended-product-id", zeros, s->extended_product_id,
                   sizeof s->extended_product_id, e);
    if (o->debug) {
        s->attributes[0] |= 2;
        s->attributes_mask[0] |= 2;
    }
    return r;
}

static int key_load(const char *path, EVP_PKEY **ret_key, struct error *e)
{
    SCOPED(buf_done) struct buf pem = {0};
    if (!path)
        return error_set(e, -EINVAL, "sign needs --key PEM (openssl genrsa -3 -out PEM 3072)");
    int r = owner_file_read(path, 65536, &pem, e);
    if (r < 0)
        return r;
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    *ret_key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return *ret_key ? 0 : error_set(e, -EINVAL, "'%s' holds no private key in PEM", path);
}

static void sigstruct_print(const struct sigstruct *s, bool good, bool as_json)
{
    uint8_t signer[SHA256_SIZE];
    char date[32];
    json_t *out = json_object();
    hex_put(out, "mrenclave", s->mr_enclave, sizeof s->mr_enclave);
    if (sigstruct_signer(s, signer) == 0)
        hex_put(out, "mrsigner", signer, sizeof signer);
    (void)json_object_set_new(out, "isvprodid", json_integer(s->product_id));
    (void)json_object_set_new(out, "isvsvn", json_integer(s->svn));
    snprintf(date, sizeof date, "%04x-%02x-%02x", s->date >> 16, s->date >> 8 & 0xff,
             s->date & 0xff);
    (void)json_object_set_new(out, "date", json_string(date));
    (void)json_object_set_new(out, "vendor",
                              json_string(s->vendor == 0x8086 ? "8086 (Intel)"
                                          : s->vendor == 0    ? "0"
                                                              : "other"));
    hex_put(out, "attributes", s->attributes, sizeof s->attributes);
    hex_put(out, "attributes_mask", s->attributes_mask, sizeof s->attributes_mask);
    (void)json_object_set_new(out, "debug", json_boolean(s->attributes[0] & 2));
    (void)json_object_set_new(out, "debug_allowed",
                              json_boolean((s->attributes[0] & 2) || !(s->attributes_mask[0] & 2)));
    (void)json_object_set_new(out, "miscselect", json_integer(s->misc_select));
    (void)json_object_set_new(out, "miscmask", json_integer(s->misc_mask));
    (void)json_object_set_new(out, "swdefined", json_integer(s->software_defined));
    hex_put(out, "family_id", s->family_id, sizeof s->family_id);
    hex_put(out, "extended_product_id", s->extended_product_id, sizeof s->extended_product_id);
    (void)json_object_set_new(out, "signature", json_string(good ? "good" : "WRONG"));
    result_print(out, as_json);
    json_decref(out);
}

static int sgx_sign_verb(const struct sgx_options *o, const char *what, struct error *e)
{
    struct sigstruct s = {0};
    struct measured m = {0};
    uint8_t bytes[SIGSTRUCT_SIZE];
    EVP_PKEY *key = NULL;
    int r = o->out ? sigstruct_fill(o, &s, e) : error_set(e, -EINVAL, "sign needs --out FILE");
    if (r == 0 && hex_decode(slice_of_text(what), s.mr_enclave, sizeof s.mr_enclave) < 0) {
        r = file_measure(o, what, &m, e);
        memcpy(s.mr_enclave, m.digest, sizeof m.digest);
    }
    if (r == 0)
        r = key_load(o->key, &key, e);
    if (r == 0)
        r = sigstruct_sign(&s, key, e);
    EVP_PKEY_free(key);
    if (r < 0)
        return r;
    sigstruct_write(&s, bytes);
    r = owner_file_write(o->out, slice_of(bytes, sizeof bytes), 0644, e);
    if (r == 0)
        sigstruct_print(&s, sigstruct_verify(&s) == 0, o->json);
    return r;
}

static int sgx_show_verb(const struct sgx_options *o, const char *path, struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    struct sigstruct s;
    int r = owner_file_read(path, 1 << 20, &bytes, e);
    if (r < 0)
        return r;
    if (sigstruct_parse(buf_slice(&bytes), &s) < 0)
        return error_set(e, -EBADMSG, "'%s' is no SIGSTRUCT: that has 1808 bytes, and fixed ones",
                         path);
    r = sigstruct_verify(&s);
    sigstruct_print(&s, r == 0, o->json);
    return r == 0 ? 0 : 1;
}

int sgx_command(int argc, char **argv)
{
    struct sgx_options o = {0};
    struct error e = {0};
    int count = 0, r;
    int code =
        command_options("sgx", SGX_USAGE, g_rows, ARRAY_COUNT(g_rows), argc, argv, &o, &count);
    if (code >= 0)
        return code;
    if (count >= 1 && count <= 2 && strcmp(argv[0], "measure") == 0)
        r = sgx_measure_verb(&o, count == 2 ? argv[1] : NULL, &e);
    else if (count == 2 && strcmp(argv[0], "sign") == 0)
        r = sgx_sign_verb(&o, argv[1], &e);
    else if (count == 2 && strcmp(argv[0], "show") == 0)
        r = sgx_show_verb(&o, argv[1], &e);
    else
        r = error_set(&e, -EINVAL, "usage: coffer sgx " SGX_USAGE);
    return r < 0 ? command_fail("sgx", &e, r) : r;
}

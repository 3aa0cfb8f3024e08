/* SPDX-License-Identifier: Apache-2.0 */
/* What a processor would measure and what it would accept, against known answers; the published ones
 * stand beside the tree. */
#include "attest/sgx/layout.h"
#include "attest/sgx/sigstruct.h"

#include "base/hex.h"
#include "vectors.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static char g_hex[65];

static int list_measure(const char *text, struct error *e)
{
    uint8_t digest[SHA256_SIZE];
    uint64_t pages;
    int r = sgx_layout_measure(slice_of_text(text), NULL, NULL, digest, &pages, e);
    if (r == 0)
        hex_encode(slice_of(digest, sizeof digest), g_hex);
    return r;
}

static void answer_check(const struct vector_row *row)
{
    uint8_t digest[SHA256_SIZE];
    uint64_t pages;
    struct error e = {0};
    CHECK_EQ(sgx_pages_measure(strtoull(vector_value(row, "enclave_size"), NULL, 0),
                               (uint32_t)strtoul(vector_value(row, "ssaframesize"), NULL, 0),
                               vector_value(row, "pages(offset:secinfo_flags:fill:measured)"), NULL,
                               NULL, digest, &pages, &e),
             0);
    hex_encode(slice_of(digest, sizeof digest), g_hex);
    CHECK_TEXT(g_hex, vector_value(row, "mrenclave"));
}

TEST(measurements_are_the_known_answers)
{
    if (vectors_present("sigstruct/mrenclave_kat.tsv"))
        CHECK(vectors_each("sigstruct/mrenclave_kat.tsv", answer_check) >= 6);
}

/* SHA-256 of the blocks, put together by hand here. */
TEST(an_enclave_of_one_page_is_the_hash_of_its_instructions)
{
    uint8_t stream[64 + 64 + 16 * (64 + 256)] = {0}, digest[SHA256_SIZE];
    char expected[65];
    memcpy(stream, "ECREATE", 7);
    stream[8] = 1;
    stream[13] = 0x10;
    memcpy(stream + 64, "EADD", 4);
    stream[64 + 16] = 0x05;
    stream[64 + 17] = 0x02;
    for (int i = 0; i < 16; i++) {
        uint8_t *at = stream + 128 + i * 320;
        memcpy(at, "EEXTEND", 7);
        at[9] = (uint8_t)i;
        memset(at + 64, 0xcc, 256);
    }
    REQUIRE(sha256(slice_of(stream, sizeof stream), digest) == 0);
    hex_encode(slice_of(digest, sizeof digest), expected);
    CHECK_EQ(list_measure("size 0x1000\npage 0 0x205 const=cc # code\n", NULL), 0);
    CHECK_TEXT(g_hex, expected);
    uint64_t pages = 0;
    CHECK(sgx_stream_is(slice_of(stream, sizeof stream)));
    CHECK_EQ(sgx_stream_measure(slice_of(stream, sizeof stream), digest, &pages, NULL), 0);
    hex_encode(slice_of(digest, sizeof digest), g_hex);
    CHECK_TEXT(g_hex, expected);
    CHECK_EQ(pages, 1);
    for (size_t size = 65; size < sizeof stream; size += 61)
        if (size != 128 && (size - 128) % 320 != 0)
            CHECK_EQ(sgx_stream_measure(slice_of(stream, size), digest, &pages, NULL), -EINVAL);
}

TEST(a_list_that_no_processor_would_accept_is_refused_with_its_line)
{
    static const char *const lists[] = {
        "",
        "size 0x3000\n",
        "size 0x800\n",
        "page 0 0x205 zero\n",
        "size 0x1000\nsize 0x2000 3\n",
        "size 0x1000\npage 0x1000 0x205 zero\n",
        "size 0x1000\npage 0x10 0x205 zero\n",
        "size 0x1000\npage 0 0x105 zero\n",
        "size 0x1000\npage 0 0x202 zero\n",
        "size 0x1000\npage 0 0x305 zero\n",
        "size 0x1000\npage 0 0x205 nothing\n",
        "size 0x1000\npage 0 0x205 const=zz\n",
        "size 0x1000\npage 0 0x205 file=secret\n",
        "size 0x1000\npage 0 0x205 zero perhaps\n",
        "size 0x1000\npage 0 0x205\n",
        "size 0x1000\nssaframesize 0\n",
        "size -1\n",
        "colour red\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        struct error e = {0};
        if (list_measure(lists[i], &e) != -EINVAL)
            printf("# accepted: %s\n", lists[i]);
        CHECK_EQ(list_measure(lists[i], &e), -EINVAL);
        CHECK(e.text[0] != 0);
    }
}

static EVP_PKEY *key_new(unsigned bits, unsigned exponent)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    BIGNUM *e = BN_new();
    REQUIRE(ctx && e && BN_set_word(e, exponent) == 1 && EVP_PKEY_keygen_init(ctx) == 1 &&
            EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) == 1 &&
            EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1 && EVP_PKEY_generate(ctx, &key) == 1);
    BN_free(e);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

TEST(a_signature_is_good_until_a_byte_of_it_changes)
{
    EVP_PKEY *key = key_new(3072, 3);
    struct sigstruct s = {.date = 0x20260131, .product_id = 7, .svn = 3}, again;
    uint8_t bytes[SIGSTRUCT_SIZE];
    memset(s.mr_enclave, 0x5a, sizeof s.mr_enclave);
    CHECK_EQ(sigstruct_sign(&s, key, NULL), 0);
    CHECK_EQ(sigstruct_verify(&s), 0);
    sigstruct_write(&s, bytes);
    CHECK_EQ(sigstruct_parse(slice_of(bytes, sizeof bytes), &again), 0);
    CHECK(memcmp(&s, &again, sizeof s) == 0);
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof bytes; i += 13) {
        bytes[i] ^= 0x40;
        int r = sigstruct_parse(slice_of(bytes, sizeof bytes), &again);
        refused += r < 0 || sigstruct_verify(&again) < 0;
        bytes[i] ^= 0x40;
    }
    CHECK_EQ(refused, (sizeof bytes + 12) / 13);
    CHECK_EQ(sigstruct_parse(slice_of(bytes, sizeof bytes - 1), &again), -EBADMSG);
    EVP_PKEY_free(key);
}

TEST(a_key_that_no_processor_takes_does_not_sign)
{
    struct sigstruct s = {0};
    EVP_PKEY *small = key_new(2048, 3), *usual = key_new(3072, 65537), *curve = EVP_EC_gen("P-256");
    CHECK_EQ(sigstruct_sign(&s, small, NULL), -EINVAL);
    CHECK_EQ(sigstruct_sign(&s, usual, NULL), -EINVAL);
    CHECK_EQ(sigstruct_sign(&s, curve, NULL), -EINVAL);
    EVP_PKEY_free(small);
    EVP_PKEY_free(usual);
    EVP_PKEY_free(curve);
}

TEST(the_published_signature_is_made_again_byte_for_byte)
{
    if (!vectors_present("sigstruct/fortanix_sig1.sigstruct.bin"))
        return;
    struct slice known = vector_file("sigstruct/fortanix_sig1.sigstruct.bin");
    struct slice pem = vector_file("sigstruct/fortanix_sig1.key.pem");
    struct slice q1 = vector_file("sigstruct/fortanix_sig1.q1.bin");
    struct sigstruct s, again;
    uint8_t bytes[SIGSTRUCT_SIZE], signer[SHA256_SIZE];
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    REQUIRE(key && sigstruct_parse(known, &s) == 0);
    CHECK_EQ(sigstruct_verify(&s), 0);
    again = s;
    memset(again.modulus, 0, sizeof again.modulus);
    memset(again.signature, 0, sizeof again.signature);
    memset(again.q1, 0, sizeof again.q1);
    memset(again.q2, 0, sizeof again.q2);
    CHECK_EQ(sigstruct_sign(&again, key, NULL), 0);
    sigstruct_write(&again, bytes);
    CHECK(known.size == sizeof bytes && memcmp(known.bytes, bytes, sizeof bytes) == 0);
    CHECK_EQ(sigstruct_signer(&s, signer), 0);
    hex_encode(slice_of(signer, sizeof signer), g_hex);
    CHECK_TEXT(g_hex, "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e");
    EVP_PKEY_free(key);
    BIO_free(bio);
    free((void *)known.bytes);
    free((void *)pem.bytes);
    free((void *)q1.bytes);
    struct slice intel = vector_file("sigstruct/intel_launch_enclave.sigstruct.bin");
    CHECK_EQ(sigstruct_parse(intel, &s), 0);
    CHECK_EQ(sigstruct_verify(&s), 0);
    CHECK_EQ(s.vendor, 0x8086);
    CHECK_EQ(s.product_id, 32);
    CHECK_EQ(s.svn, 7);
    hex_encode(slice_of(s.mr_enclave, sizeof s.mr_enclave), g_hex);
    CHECK_TEXT(g_hex, "7881af9f9def547da9908c008f29cde9bd78064e36ac7e14c83c294ca4806150");
    free((void *)intel.bytes);
}

TAP_MAIN()

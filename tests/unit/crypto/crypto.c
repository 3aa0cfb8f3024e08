/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"
#include "base/hex.h"
#include "tap.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t size = strlen(text) / 2;
    REQUIRE(hex_decode(slice_of_text(text), bytes, size) == 0);
    return size;
}

TEST(sha256_gives_the_answer_of_fips_180_4)
{
    uint8_t digest[SHA256_SIZE];
    char text[65];
    CHECK_EQ(sha256(slice_of_text("abc"), digest), 0);
    hex_encode(slice_of(digest, sizeof digest), text);
    CHECK_TEXT(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const struct slice parts[] = {slice_of_text("a"), slice_of_text(""), slice_of_text("bc")};
    CHECK_EQ(sha256_parts(parts, 3, digest), 0);
    hex_encode(slice_of(digest, sizeof digest), text);
    CHECK_TEXT(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(hkdf_gives_the_first_bytes_of_rfc_5869_case_1)
{
    uint8_t secret[22], salt[13], info[10];
    char text[65];
    struct key256 key;
    from_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", secret);
    from_hex("000102030405060708090a0b0c", salt);
    from_hex("f0f1f2f3f4f5f6f7f8f9", info);
    CHECK_EQ(hkdf_sha256(slice_of(secret, 22), slice_of(salt, 13), slice_of(info, 10), &key), 0);
    hex_encode(slice_of(key.bytes, 32), text);
    CHECK_TEXT(text, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

TEST(aes_256_gcm_gives_the_answer_of_the_gcm_specification_case_16)
{
    struct key256 key;
    uint8_t nonce[12], aad[20], plain[60], wanted[60], tag[16], out[60], got_tag[16];
    from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key.bytes);
    from_hex("cafebabefacedbaddecaf888", nonce);
    from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
    from_hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e"
        "2449a6b525b16aedf5aa0de657ba637b39",
        plain);
    from_hex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b"
        "1056828838c5f61e6393ba7a0abcc9f662",
        wanted);
    from_hex("76fc6ece0f4e1768cddf8853bb2d551b", tag);
    SCOPED(aead_freep) struct aead *aead = NULL;
    REQUIRE(aead_new(&key, &aead) == 0);
    CHECK_EQ(aead_seal(aead, nonce, slice_of(aad, 20), plain, 60, out, got_tag), 0);
    CHECK(memcmp(out, wanted, 60) == 0 && memcmp(got_tag, tag, 16) == 0);
    CHECK_EQ(aead_open(aead, nonce, slice_of(aad, 20), out, 60, tag, out), 0);
    CHECK(memcmp(out, plain, 60) == 0);
}

TEST(aead_open_returns_nothing_where_any_bit_was_flipped)
{
    struct key256 key = {{1}};
    uint8_t nonce[12] = {2}, aad[3] = {3}, bytes[20] = {4}, tag[16], out[20];
    static const uint8_t zeros[20];
    SCOPED(aead_freep) struct aead *aead = NULL;
    REQUIRE(aead_new(&key, &aead) == 0);
    REQUIRE(aead_seal(aead, nonce, slice_of(aad, 3), bytes, 20, bytes, tag) == 0);
    struct {
        uint8_t *at;
        size_t size;
    } inputs[] = {{nonce, 12}, {aad, 3}, {bytes, 20}, {tag, 16}};
    for (size_t i = 0; i < ARRAY_COUNT(inputs); i++)
        for (size_t bit = 0; bit < 8 * inputs[i].size; bit++) {
            inputs[i].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memset(out, 0xee, sizeof out);
            CHECK_EQ(aead_open(aead, nonce, slice_of(aad, 3), bytes, 20, tag, out), -EBADMSG);
            CHECK(memcmp(out, zeros, sizeof out) == 0);
            inputs[i].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    CHECK_EQ(aead_open(aead, nonce, slice_of(aad, 3), bytes, 20, tag, out), 0);
}

/* OpenSSL called by its own name, whatever aead.c uses on this processor. */
static void openssl_seal(const struct key256 *key, const uint8_t *nonce, struct slice associated,
                         struct slice in, uint8_t *out, uint8_t *tag)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len;
    REQUIRE(ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, nonce) == 1);
    REQUIRE(associated.size == 0 ||
            EVP_EncryptUpdate(ctx, NULL, &len, associated.bytes, (int)associated.size) == 1);
    REQUIRE(in.size == 0 || EVP_EncryptUpdate(ctx, out, &len, in.bytes, (int)in.size) == 1);
    REQUIRE(EVP_EncryptFinal_ex(ctx, tag, &len) == 1 &&
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
    EVP_CIPHER_CTX_free(ctx);
}

/* One size: apart and in place, and opened again. */
static void compare_with_openssl(struct aead *aead, const struct key256 *key, size_t size,
                                 size_t associated_size, uint8_t *in, uint8_t *wanted, uint8_t *got)
{
    uint8_t nonce[12], tag[16], wanted_tag[16], associated[70];
    for (size_t i = 0; i < sizeof associated; i++)
        associated[i] = (uint8_t)(i * 7 + size);
    for (size_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)(i + size);
    for (size_t i = 0; i < size; i++)
        in[i] = (uint8_t)(i * 31 + i / 256 + size);
    struct slice more = slice_of(associated, associated_size);
    openssl_seal(key, nonce, more, slice_of(in, size), wanted, wanted_tag);
    got[size] = 0xcc;
    CHECK_EQ(aead_seal(aead, nonce, more, in, size, got, tag), 0);
    CHECK(memcmp(got, wanted, size) == 0 && memcmp(tag, wanted_tag, 16) == 0 && got[size] == 0xcc);
    memcpy(got, in, size);
    CHECK_EQ(aead_seal(aead, nonce, more, got, size, got, tag), 0);
    CHECK(memcmp(got, wanted, size) == 0 && memcmp(tag, wanted_tag, 16) == 0);
    CHECK_EQ(aead_open(aead, nonce, more, wanted, size, tag, got), 0);
    CHECK(memcmp(got, in, size) == 0 && got[size] == 0xcc);
    tag[15] ^= 0x80;
    CHECK_EQ(aead_open(aead, nonce, more, wanted, size, tag, got), -EBADMSG);
}

TEST(aes_256_gcm_agrees_with_openssl_at_every_size_and_alignment)
{
    enum { SIZE_MAX_TRIED = 40000 };
    struct key256 key;
    memset(key.bytes, 0x5a, sizeof key.bytes);
    SCOPED(aead_freep) struct aead *aead = NULL, *copy = NULL;
    REQUIRE(aead_new(&key, &aead) == 0);
    REQUIRE(aead_copy_open(aead, &copy) == 0);
    uint8_t *bytes = malloc(3 * (SIZE_MAX_TRIED + 64));
    REQUIRE(bytes);
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size += size < 1100 ? 1 : 977) {
        uint8_t *in = bytes + size % 5, *wanted = bytes + SIZE_MAX_TRIED + 64 + size % 3;
        compare_with_openssl(aead, &key, size, size % 70, in, wanted,
                             bytes + 2 * (SIZE_MAX_TRIED + 64) + size % 17);
    }
    uint8_t nonce[12] = {1}, tag[16];
    openssl_seal(&key, nonce, slice_of("ab", 2), slice_of("text", 4), bytes, tag);
    CHECK_EQ(aead_open(copy, nonce, slice_of("ab", 2), bytes, 4, tag, bytes), 0);
    CHECK(memcmp(bytes, "text", 4) == 0);
    free(bytes);
}

TEST(p256_verifies_rfc_6979_and_its_own_signatures)
{
    struct key256 scalar;
    uint8_t point[P256_PUBLIC_SIZE], signature[P256_SIGNATURE_SIZE], wanted[P256_PUBLIC_SIZE];
    /* RFC 6979, A.2.5: the key, and the signature over "sample" with SHA-256. */
    from_hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721", scalar.bytes);
    from_hex(
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41a"
        "e9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        wanted);
    from_hex(
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7"
        "a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        signature);
    SCOPED(p256_freep) struct p256_key *key = NULL;
    REQUIRE(p256_from_private(&scalar, &key) == 0);
    CHECK_EQ(p256_public(key, point), 0);
    CHECK(memcmp(point, wanted, sizeof point) == 0);
    CHECK_EQ(p256_verify(point, slice_of_text("sample"), signature), 0);
    CHECK_EQ(p256_verify(point, slice_of_text("Sample"), signature), -EBADMSG);
    CHECK_EQ(p256_sign(key, slice_of_text("mine"), signature), 0);
    CHECK_EQ(p256_verify(point, slice_of_text("mine"), signature), 0);
    signature[5] ^= 1;
    CHECK_EQ(p256_verify(point, slice_of_text("mine"), signature), -EBADMSG);
    point[40] ^= 1; /* not on the curve */
    CHECK_EQ(p256_verify(point, slice_of_text("mine"), signature), -EBADMSG);
}

TEST(p256_refuses_scalars_that_are_no_keys)
{
    struct p256_key *key = NULL;
    struct key256 zero = {{0}}, big;
    memset(&big, 0xff, sizeof big);
    CHECK_EQ(p256_from_private(&zero, &key), -EIO);
    CHECK_EQ(p256_from_private(&big, &key), -EIO);
    CHECK(!key);
    REQUIRE(p256_generate(&key) == 0);
    struct key256 scalar;
    CHECK_EQ(p256_private(key, &scalar), 0);
    p256_free(key);
}

TAP_MAIN()

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/owner_keys.h"

#include "crypto/base64.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_FILE_SIZE_MAX ((size_t)64 << 10)
#define CERTIFICATE_YEARS 20 /* its key is what counts; nobody checks the dates */
#define SIGNATURE_SIZE_MAX 1024

/* ---- files ---- */

static int path_join(char *path, size_t size, const char *dir, const char *name, struct error *e)
{
    int n = snprintf(path, size, "%s/%s", dir, name);
    return n < 0 || (size_t)n >= size
               ? error_set(e, -ENAMETOOLONG, "the path '%s' is too long", dir)
               : 0;
}

int owner_file_read(const char *path, size_t size_max, struct buf *out, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, -errno, "cannot open '%s' (%s)", path, strerror(errno));
    ssize_t n = 1;
    out->size_max = size_max + 4096; /* room to see that it is longer */
    while (n > 0) {
        uint8_t *to = buf_reserve(out, 4096);
        n = to ? read(fd, to, 4096) : -1;
        out->size += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return n < 0 || out->size > size_max
               ? error_set(e, -EIO, "cannot read '%s', or it is too long", path)
               : 0;
}

static int file_fill(const char *path, struct slice bytes, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, bytes.bytes, bytes.size);
    int r = n < 0 ? -errno : (size_t)n < bytes.size ? -ENOSPC : 0;
    if (r == 0 && (fchmod(fd, (mode_t)mode) < 0 || fsync(fd) < 0))
        r = -errno;
    close(fd);
    return r;
}

int owner_file_write(const char *path, struct slice bytes, unsigned mode, struct error *e)
{
    char part[PATH_MAX];
    int r = path_join(part, sizeof part, path, "", e);
    if (r < 0)
        return r;
    snprintf(part, sizeof part, "%.*s.new", (int)sizeof part - 8, path);
    (void)unlink(part);
    r = file_fill(part, bytes, mode);
    if (r == 0 && rename(part, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(part);
    return r < 0 ? error_set(e, r, "cannot write '%s' (%s)", path, strerror(-r)) : 0;
}

/* ---- making ---- */

static X509 *certificate_make(EVP_PKEY *key, const char *name)
{
    X509 *c = X509_new();
    X509_NAME *subject = c ? X509_get_subject_name(c) : NULL;
    uint64_t serial = 0;
    if (subject && crypto_random(&serial, sizeof serial) == 0 && X509_set_version(c, 2) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(c), serial >> 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(c), -3600) &&
        X509_time_adj_ex(X509_getm_notAfter(c), CERTIFICATE_YEARS * 365, 0, NULL) &&
        X509_set_pubkey(c, key) == 1 &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1,
                                   0) == 1 &&
        X509_set_issuer_name(c, subject) == 1 && X509_sign(c, key, EVP_sha256()) > 0)
        return c;
    X509_free(c);
    return NULL;
}

static int bio_take(BIO *bio, struct buf *out)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(bio, &bytes);
    return size > 0 ? buf_append(out, bytes, (size_t)size) : -EIO;
}

static int keys_make(const char *name, struct buf *key_pem, struct buf *certificate_pem)
{
    SCOPED(p256_freep) struct p256_key *key = NULL;
    int r = p256_generate(&key);
    if (r < 0)
        return r;
    X509 *certificate = certificate_make(p256_pkey(key), name);
    BIO *key_bio = BIO_new(BIO_s_secmem()), *certificate_bio = BIO_new(BIO_s_mem());
    if (!certificate || !key_bio || !certificate_bio ||
        PEM_write_bio_PrivateKey(key_bio, p256_pkey(key), NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(certificate_bio, certificate) != 1)
        r = -EIO;
    if (r == 0)
        r = bio_take(key_bio, key_pem);
    if (r == 0)
        r = bio_take(certificate_bio, certificate_pem);
    BIO_free(key_bio);
    BIO_free(certificate_bio);
    X509_free(certificate);
    return r;
}

int owner_keys_new(const char *dir, const char *name, struct error *e)
{
    SCOPED(buf_done) struct buf key = {0}, certificate = {0};
    char key_path[PATH_MAX], certificate_path[PATH_MAX];
    int r = path_join(key_path, sizeof key_path, dir, OWNER_KEY_FILE, e);
    if (r == 0)
        r = path_join(certificate_path, sizeof certificate_path, dir, OWNER_CERTIFICATE_FILE, e);
    if (r < 0)
        return r;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "cannot make '%s' (%s)", dir, strerror(errno));
    if (access(key_path, F_OK) == 0)
        return error_set(
            e, -EEXIST, "there is a key in '%s' already: use that one, or choose another directory",
            dir);
    r = keys_make(name, &key, &certificate);
    if (r < 0)
        return error_set(e, r, "cannot make a key");
    /* The certificate first: a directory with a key is complete. */
    r = owner_file_write(certificate_path, buf_slice(&certificate), 0644, e);
    return r < 0 ? r : owner_file_write(key_path, buf_slice(&key), 0600, e);
}

/* ---- using ---- */

static int pem_load(const char *dir, const char *name, bool is_key, struct owner_keys *keys,
                    struct error *e)
{
    SCOPED(buf_done) struct buf text = {0};
    char path[PATH_MAX];
    int r = path_join(path, sizeof path, dir, name, e);
    if (r == 0)
        r = owner_file_read(path, PEM_FILE_SIZE_MAX, &text, e);
    if (r < 0)
        return r;
    BIO *bio = BIO_new_mem_buf(text.bytes, (int)text.size);
    if (bio && is_key)
        keys->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    else if (bio)
        keys->certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bool found = is_key ? keys->key != NULL : keys->certificate != NULL;
    return found ? 0
                 : error_set(e, -EBADMSG, "'%s' is no %s in PEM", path,
                             is_key ? "private key" : "certificate");
}

int owner_keys_load(const char *dir, struct owner_keys *ret_keys, struct error *e)
{
    SCOPED(owner_keys_done) struct owner_keys keys = {0};
    if (access(dir, F_OK) < 0 && errno == ENOENT)
        return error_set(e, -ENOENT, "there are no keys in '%s'; to make some: coffer owner new %s",
                         dir, dir);
    int r = pem_load(dir, OWNER_KEY_FILE, true, &keys, e);
    if (r == 0)
        r = pem_load(dir, OWNER_CERTIFICATE_FILE, false, &keys, e);
    if (r == 0 && X509_check_private_key(keys.certificate, keys.key) != 1)
        r = error_set(e, -EKEYREJECTED, "key and certificate in '%s' are not of one pair", dir);
    if (r < 0)
        return r;
    *ret_keys = keys;
    keys = (struct owner_keys){0};
    return 0;
}

int owner_keys_get(const char *dir, const char *name, struct owner_keys *ret_keys, struct error *e)
{
    struct error ignored = {0};
    int r = owner_keys_new(dir, name, &ignored);
    if (r < 0 && r != -EEXIST)
        return error_set(e, r, "%s", ignored.text);
    return owner_keys_load(dir, ret_keys, e);
}

void owner_keys_done(struct owner_keys *keys)
{
    EVP_PKEY_free(keys->key);
    X509_free(keys->certificate);
    *keys = (struct owner_keys){0};
}

int owner_keys_sign(const struct owner_keys *keys, struct slice bytes, struct buf *out)
{
    uint8_t signature[SIGNATURE_SIZE_MAX];
    size_t size = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *digest =
        EVP_PKEY_get_base_id(keys->key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    int ok = ctx && EVP_DigestSignInit(ctx, NULL, digest, NULL, keys->key) == 1 &&
             EVP_DigestSign(ctx, signature, &size, bytes.bytes, bytes.size) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? crypto_base64_encode(slice_of(signature, size), out) : -EIO;
}

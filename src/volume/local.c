/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/local.h"
#include "base/hex.h"
#include "crypto/crypto.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "volume/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

enum { PATH_SIZE = 4096, ID_TEXT_SIZE = 2 * VOLUME_ID_SIZE + 1 };

void local_volume_use_host(void)
{
    platform_set(&platform_sim);
}

int local_state_dir(const char *coffer_state, const char *home, char *path, size_t size)
{
    int n = -1;
    if (coffer_state && *coffer_state)
        n = snprintf(path, size, "%s", coffer_state);
    else if (home && *home)
        n = snprintf(path, size, "%s/.local/state/coffer/volumes", home);
    else
        return -ENOENT;
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int volume_backend_id(struct volume_backend *backend, uint8_t id[VOLUME_ID_SIZE])
{
    uint8_t slot[SUPERBLOCK_CLEAR_SIZE], nonce[AEAD_NONCE_SIZE];
    struct superblock sb;
    int r = -EBADMSG;
    for (unsigned i = 0; r < 0 && i < SUPERBLOCK_SLOTS; i++) {
        ssize_t n = backend->ops->read(backend, VOLUME_SUPERBLOCK_FILE,
                                       (uint64_t)i * SUPERBLOCK_SLOT_SIZE, slot, sizeof slot);
        if (n < 0)
            return (int)n;
        r = (size_t)n == sizeof slot
                ? superblock_decode_clear(slice_of(slot, sizeof slot), &sb, nonce)
                : -EBADMSG;
    }
    if (r == 0)
        memcpy(id, sb.id, VOLUME_ID_SIZE);
    return r;
}

/* Makes the directory and those above it. */
static int dirs_make(const char *path)
{
    char part[PATH_SIZE];
    int n = snprintf(part, sizeof part, "%s", path);
    if (n <= 0 || (size_t)n >= sizeof part)
        return -ENAMETOOLONG;
    for (char *at = part + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            (void)!host_mkdirat(AT_FDCWD, part, 0700);
            *at = '/';
        }
    int r = host_mkdirat(AT_FDCWD, part, 0700);
    return r == -EEXIST ? 0 : r;
}

static int small_read(const char *path, void *bytes, size_t size)
{
    int fd = host_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    ssize_t n = host_pread(fd, bytes, size, 0);
    host_close(fd);
    return n < 0 ? (int)n : (size_t)n == size ? 0 : -EBADMSG;
}

static int small_write(const char *path, const void *bytes, size_t size)
{
    int fd = host_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fd;
    int r = host_pwrite(fd, bytes, size, 0);
    if (r == 0)
        r = host_fsync(fd);
    host_close(fd);
    return r;
}

/* The state file for a path: by the hash of the directory's real path. */
static int path_file(const char *dir, const char *state_dir, char *path, size_t size)
{
    char link[64], real[PATH_SIZE], hex[33];
    uint8_t hash[SHA256_SIZE];
    int fd = host_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = host_call(SYS_readlinkat, AT_FDCWD, link, real, sizeof real);
    host_close(fd);
    if (n <= 0 || (size_t)n > sizeof real)
        return -EIO;
    int r = sha256(slice_of(real, (size_t)n), hash);
    if (r < 0)
        return r;
    hex_encode(slice_of(hash, 16), hex);
    int len = snprintf(path, size, "%s/path-%s", state_dir, hex);
    return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

static int id_file(const uint8_t id[VOLUME_ID_SIZE], const char *state_dir, const char *suffix,
                   char *path, size_t size)
{
    char hex[ID_TEXT_SIZE];
    hex_encode(slice_of(id, VOLUME_ID_SIZE), hex);
    int len = snprintf(path, size, "%s/%s.%s", state_dir, hex, suffix);
    return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

/* A key file: the key, and the secret beside it. */
static int key_read(const char *path, struct key256 *key, struct key256 *secret)
{
    uint8_t bytes[2 * sizeof key->bytes];
    int r = small_read(path, bytes, sizeof bytes);
    memcpy(key->bytes, bytes, sizeof key->bytes);
    memcpy(secret->bytes, bytes + sizeof key->bytes, sizeof secret->bytes);
    secret_wipe(bytes, sizeof bytes);
    return r;
}

static int key_write(const char *path, const struct key256 *key, const struct key256 *secret)
{
    uint8_t bytes[2 * sizeof key->bytes];
    memcpy(bytes, key->bytes, sizeof key->bytes);
    memcpy(bytes + sizeof key->bytes, secret->bytes, sizeof secret->bytes);
    int r = small_write(path, bytes, sizeof bytes);
    secret_wipe(bytes, sizeof bytes);
    return r;
}

/* A new id and key for an empty directory, or those it had before it was emptied. */
static int identity_make(const char *dir, const char *state_dir, struct local_volume *local,
                         struct error *e)
{
    char path[PATH_SIZE], key_path[PATH_SIZE];
    int r = dirs_make(state_dir);
    if (r == 0)
        r = path_file(dir, state_dir, path, sizeof path);
    if (r < 0)
        return error_set(e, r, "the state directory '%s' cannot be used", state_dir);
    if (small_read(path, local->id, sizeof local->id) == 0)
        return 0;
    r = platform()->random(local->id, sizeof local->id);
    if (r == 0)
        r = platform()->random(local->key.bytes, sizeof local->key.bytes);
    if (r == 0)
        r = platform()->random(local->secret.bytes, sizeof local->secret.bytes);
    if (r == 0)
        r = id_file(local->id, state_dir, "key", key_path, sizeof key_path);
    if (r == 0)
        r = key_write(key_path, &local->key, &local->secret);
    if (r == 0)
        r = small_write(path, local->id, sizeof local->id);
    return r < 0 ? error_set(e, r, "the volume's key cannot be kept in '%s'", state_dir) : 0;
}

/* A change of keys that was cut short: if the new key opens the volume it is the key, else it never
 * came to be. */
static int rekey_settle(struct local_volume *local, const char *state_dir, struct error *e)
{
    char path[PATH_SIZE], path_new[PATH_SIZE];
    SCOPED(key256_wipe) struct key256 key;
    SCOPED(key256_wipe) struct key256 secret;
    int r = id_file(local->id, state_dir, "key", path, sizeof path);
    if (r == 0)
        r = id_file(local->id, state_dir, "key.new", path_new, sizeof path_new);
    if (r == 0)
        r = key_read(path_new, &key, &secret);
    if (r < 0)
        return r == -ENOENT ? 0 : r == -EBADMSG ? host_unlinkat(AT_FDCWD, path_new, 0) : r;
    r = volume_key_opens(local->backend, local->id, &key);
    if (r == 0)
        r = host_renameat(AT_FDCWD, path_new, AT_FDCWD, path);
    else if (r == -EBADMSG)
        r = host_unlinkat(AT_FDCWD, path_new, 0);
    return r < 0 ? error_set(e, r, "a change of keys was cut short, and '%s' cannot be settled",
                             path_new)
                 : 0;
}

int local_volume_key(const uint8_t id[VOLUME_ID_SIZE], const char *state_dir,
                     struct key256 *ret_key)
{
    char path[PATH_SIZE];
    SCOPED(key256_wipe) struct key256 secret;
    int r = id_file(id, state_dir, "key", path, sizeof path);
    return r < 0 ? r : key_read(path, ret_key, &secret);
}

int local_volume_rekey(struct local_volume *local, const char *state_dir, struct volume *v,
                       bool anew, struct error *e)
{
    char path[PATH_SIZE], path_new[PATH_SIZE];
    SCOPED(key256_wipe) struct key256 key;
    int r = platform()->random(key.bytes, sizeof key.bytes);
    if (r == 0)
        r = id_file(local->id, state_dir, "key", path, sizeof path);
    if (r == 0)
        r = id_file(local->id, state_dir, "key.new", path_new, sizeof path_new);
    if (r == 0)
        r = key_write(path_new, &key, &local->secret);
    if (r < 0)
        return error_set(e, r, "the new key cannot be kept in '%s'", state_dir);
    r = volume_rekey(v, &key, false);
    if (r < 0)
        return error_set(e, r, "the volume did not take the new key");
    local->key = key;
    r = host_renameat(AT_FDCWD, path_new, AT_FDCWD, path);
    if (r < 0)
        return error_set(e, r, "'%s' cannot take the old key's place", path_new);
    if (anew)
        r = volume_rekey(v, NULL, true);
    if (r == -EBUSY)
        return error_set(e, r,
                         "the volume has its new key, but snapshots cannot be rewritten; delete "
                         "them, and call this again");
    return r < 0 ? error_set(e, r,
                             "the volume has its new key, but was not rewritten to the end; call "
                             "this again")
                 : 0;
}

static int local_find(const char *dir, const char *state_dir, bool create,
                      struct local_volume *local, struct error *e)
{
    char path[PATH_SIZE];
    int r = volume_dir_open(dir, create, &local->backend);
    if (r < 0)
        return error_set(e, r, "the directory '%s' cannot be opened", dir);
    r = volume_backend_id(local->backend, local->id);
    local->is_empty = r == -ENOENT;
    if (r == -ENOENT && create)
        r = identity_make(dir, state_dir, local, e);
    else if (r < 0)
        return error_set(
            e, r, r == -ENOENT ? "there is no volume in '%s'" : "the superblock in '%s' is damaged",
            dir);
    if (r < 0)
        return r;
    if (!local->is_empty)
        r = rekey_settle(local, state_dir, e);
    if (r < 0)
        return r;
    r = id_file(local->id, state_dir, "key", path, sizeof path);
    if (r == 0)
        r = key_read(path, &local->key, &local->secret);
    if (r < 0)
        return error_set(e, r, "no key for the volume in '%s': '%s' cannot be read", dir, path);
    r = id_file(local->id, state_dir, "head", path, sizeof path);
    return r < 0 ? r : authority_file_new(path, &local->secret, &local->authority, e);
}

int local_volume_find(const char *dir, const char *state_dir, bool create,
                      struct local_volume *ret_local, struct error *e)
{
    struct local_volume local = {0};
    int r = local_find(dir, state_dir, create, &local, e);
    if (r < 0) {
        local_volume_done(&local);
        return r;
    }
    *ret_local = local;
    key256_wipe(&local.key);
    key256_wipe(&local.secret);
    return 0;
}

void local_volume_done(struct local_volume *local)
{
    key256_wipe(&local->key);
    key256_wipe(&local->secret);
    authority_file_free(local->authority);
    volume_dir_close(local->backend);
    *local = (struct local_volume){0};
}

struct volume_options local_volume_options(struct local_volume *local)
{
    struct volume_options options = {.backend = local->backend,
                                     .key = &local->key,
                                     .authority = authority_file_ops(local->authority),
                                     .mode = VOLUME_MODE_PERIODIC};
    memcpy(options.id, local->id, sizeof options.id);
    return options;
}

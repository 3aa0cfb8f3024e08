/* SPDX-License-Identifier: Apache-2.0 */
/* What the key broker starts with: the operator's key, the manifest that names it, and the pin by
 * which everybody here recognises this key broker. */
#include "attest/ratls.h"
#include "base/hex.h"
#include "cli/kbs_client.h"
#include "cli/up.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIN_SIZE_MAX 4096

static int manifest_write(const struct up *up, const char *path,
                          const struct owner_keys *operator_keys, struct error *e)
{
    SCOPED(buf_done) struct buf text = {0};
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    if (access(path, F_OK) == 0)
        return 0; /* another manifest would be another key broker, which could not unseal */
    int r = ratls_key_hash(operator_keys->certificate, hash);
    if (r < 0)
        return error_set(e, r, "the operator's key has no hash");
    hex_encode(slice_of(hash, sizeof hash), hex);
    buf_printf(&text,
               "version: 1\n"
               "domain: %s\n"
               "tee: [sim]\n"
               "operators: [sha256:%s]\n"
               "sim_devices: [self]\n"
               "freshness: none\n",
               up->options.domain, hex);
    return text.failed ? error_set(e, -ENOMEM, "no memory")
                       : owner_file_write(path, buf_slice(&text), 0600, e);
}

/* What a program prints, at most PIN_SIZE_MAX bytes, without its last newline. */
static int program_capture(const struct up *up, char *const *argv, struct buf *out)
{
    int pipe_fds[2], status = 1;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(pipe_fds[1], 1) >= 0 && dup2(up->log_fd, 2) >= 0)
            execv(argv[0], argv);
        _exit(127);
    }
    close(pipe_fds[1]);
    ssize_t n = 1;
    out->size_max = PIN_SIZE_MAX;
    while (pid > 0 && n > 0) {
        uint8_t *to = buf_reserve(out, 512);
        n = to ? read(pipe_fds[0], to, 512) : -1;
        out->size += n > 0 ? (size_t)n : 0;
    }
    close(pipe_fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || n < 0 || out->size == 0)
        return -EIO;
    while (out->size > 0 && out->bytes[out->size - 1] == '\n')
        out->size--;
    return 0;
}

int up_kbs_prepare(struct up *up, struct error *e)
{
    SCOPED(owner_keys_done) struct owner_keys operator_keys = {0};
    char dir[PATH_MAX + 32], manifest[PATH_MAX + 32];
    snprintf(dir, sizeof dir, "%s/operator", up->state);
    snprintf(manifest, sizeof manifest, "%s/manifest.yaml", up->state);
    int r = owner_keys_get(dir, "operator", &operator_keys, e);
    return r < 0 ? r : manifest_write(up, manifest, &operator_keys, e);
}

static int run_file_write(const struct up *up, const char *name, struct slice text, struct error *e)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", up->state, name);
    return owner_file_write(path, text, 0600, e);
}

int up_kbs_pin(struct up *up, char *const *argv, struct error *e)
{
    SCOPED(buf_done) struct buf pin = {0};
    int r = program_capture(up, argv, &pin);
    const char *text = r == 0 ? buf_text(&pin) : NULL;
    if (!text)
        return error_set(e, -EIO, "the key broker does not say who it is");
    snprintf(up->kbs_pin, sizeof up->kbs_pin, "%s", text);
    r = run_file_write(up, "run/kbs-pin", buf_slice(&pin), e);
    return r < 0 ? r : run_file_write(up, "run/kbs-address", slice_of_text(up->kbs), e);
}

int up_kbs_ca(struct up *up, struct error *e)
{
    SCOPED(buf_done) struct buf pem = {0};
    struct kbs_client client = {.address = up->kbs, .pin = up->kbs_pin};
    char path[PATH_MAX + 32];
    int r = kbs_client_ca(&client, &pem, e);
    snprintf(path, sizeof path, "%s/ca.pem", up->state);
    return r < 0 ? r : owner_file_write(path, buf_slice(&pem), 0644, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/documents.h"

#include "base/hex.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)

static int file_measure(const char *path, uint8_t ret_digest[SHA256_SIZE], struct error *e)
{
    static uint8_t chunk[CHUNK];
    SCOPED(sha256_stream_freep) struct sha256_stream *stream = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, -errno, "cannot open '%s' (%s)", path, strerror(errno));
    ssize_t n = 1;
    int r = sha256_stream_new(&stream);
    while (r == 0 && n > 0) {
        n = read(fd, chunk, sizeof chunk);
        r = n < 0 ? -errno : sha256_stream_add(stream, slice_of(chunk, (size_t)n));
    }
    close(fd);
    if (r == 0)
        r = sha256_stream_finish(stream, ret_digest);
    return r < 0 ? error_set(e, r, "cannot measure '%s'", path) : 0;
}

int documents_policy(const char *tenant, const char *program, struct buf *out, struct error *e)
{
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    int r = file_measure(program, digest, e);
    if (r < 0)
        return r;
    hex_encode(slice_of(digest, sizeof digest), hex);
    r = buf_printf(
        out,
        "# A document server of one client: its volume, the connections that the\n"
        "# gateway hands over, and nothing else.\n"
        "version: 1\n"
        "tenant: %s\n"
        "name: " DOCUMENTS_POLICY "\n"
        "tee: [sim] # nothing protects memory: for development\n"
        "program:\n"
        "  measurements: [sha256:%s]\n"
        "command:\n"
        "  arguments: [coffer-dms]\n"
        "  environment:\n"
        "    COFFER_DMS_DATA: /data\n"
        "    COFFER_DMS_LISTEN: 127.0.0.1\n"
        "    COFFER_DMS_PORT: \"8080\"\n"
        "    COFFER_DMS_HTTPS: \"1\"\n"
        "    COFFER_DMS_FIRST_USER: " DOCUMENTS_USER "\n"
        "    COFFER_DMS_FIRST_PASSWORD: ${secret.first_password}\n"
        "  directory: /\n"
        "volumes:\n"
        "  - {name: data, mount: /data, mode: periodic}\n"
        "network:\n"
        "  - {listen: 8080, class: handover}\n"
        "# What its tools for words and thumbnails need of the system, each shut in with\n"
        "# one content. Leave them out, and there is no text of PDF and no thumbnail.\n"
        "files:\n"
        "  - {path: /usr/bin/pdftotext, class: host, read_only: true}\n"
        "  - {path: /usr/bin/pdftoppm, class: host, read_only: true}\n"
        "  - {path: /usr/bin/vipsthumbnail, class: host, read_only: true}\n"
        "  - {path: /lib, class: host, read_only: true}\n"
        "  - {path: /lib64, class: host, read_only: true}\n"
        "  - {path: /usr/lib, class: host, read_only: true}\n"
        "  - {path: /usr/lib64, class: host, read_only: true}\n"
        "  - {path: /etc/ld.so.cache, class: host, read_only: true}\n"
        "  - {path: /etc/fonts, class: host, read_only: true}\n"
        "  - {path: /usr/share/fontconfig, class: host, read_only: true}\n"
        "  - {path: /usr/share/fonts, class: host, read_only: true}\n"
        "  - {path: /usr/share/poppler, class: host, read_only: true}\n"
        "  - {path: /usr/share/ghostscript, class: host, read_only: true}\n"
        "  - {path: /var/cache/fontconfig, class: host, read_only: true}\n"
        "secrets:\n"
        "  first_password: {kind: ascii, source: generate, size: 20, reveal: once}\n",
        tenant, hex);
    return r < 0 ? error_set(e, r, "no memory") : 0;
}

int documents_accept(const struct kbs_client *owner, const char *tenant, struct slice policy,
                     struct buf *ret_password, struct error *e)
{
    int r = kbs_client_policy_put(owner, tenant, DOCUMENTS_POLICY, policy, e);
    return r < 0 ? r
                 : kbs_client_secret_reveal(owner, tenant, DOCUMENTS_POLICY, "first_password",
                                            ret_password, e);
}

int documents_password_new(const struct kbs_client *owner, const char *tenant,
                           struct buf *ret_password, struct error *e)
{
    json_t *in = json_pack("{s:s, s:s, s:s}", "tenant", tenant, "policy", DOCUMENTS_POLICY,
                           "secret", "first_password");
    int r = kbs_client_call(owner, "/v1/secret/give", in, NULL, NULL, e);
    return r < 0 ? r
                 : kbs_client_secret_reveal(owner, tenant, DOCUMENTS_POLICY, "first_password",
                                            ret_password, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/certificate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PREFIX "coffer-client "
enum { TEXT_MAX = 512 };

bool is_certificate_key(const char *text)
{
    return strlen(text) == CERTIFICATE_KEY_SIZE - 1 && strncmp(text, "sha256:", 7) == 0 &&
           strspn(text + 7, "0123456789abcdef") == CERTIFICATE_KEY_SIZE - 8;
}

int peer_certificate_parse(struct slice text, struct peer_certificate *ret)
{
    struct peer_certificate peer = {0};
    size_t prefix = sizeof PREFIX - 1, key = CERTIFICATE_KEY_SIZE - 1;
    if (text.size < prefix + key + 1 || memcmp(text.bytes, PREFIX, prefix) != 0 ||
        text.bytes[prefix + key] != ' ')
        return -EBADMSG;
    struct slice subject = slice_of(text.bytes + prefix + key + 1, text.size - prefix - key - 1);
    if (subject.size >= sizeof peer.subject)
        return -EBADMSG;
    for (size_t i = 0; i < subject.size; i++)
        if (subject.bytes[i] < ' ' || subject.bytes[i] >= 0x7f)
            return -EBADMSG;
    memcpy(peer.key, text.bytes + prefix, key);
    if (subject.size > 0)
        memcpy(peer.subject, subject.bytes, subject.size);
    if (!is_certificate_key(peer.key))
        return -EBADMSG;
    *ret = peer;
    return 0;
}

int peer_certificate(int fd, struct peer_certificate *ret)
{
    char text[TEXT_MAX];
    socklen_t size = sizeof text;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, text, &size) < 0 || size == 0 ||
        size > sizeof text || text[size - 1] != 0)
        return -ENOENT;
    return peer_certificate_parse(slice_of(text, size - 1), ret) < 0 ? -ENOENT : 0;
}

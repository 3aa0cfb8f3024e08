/* SPDX-License-Identifier: Apache-2.0 */
/* Stands where a document server stands, as one that was broken into would: under the runtime, with
 * a policy of its own. Speaks just enough HTTP on port 8080: the header `Try: WORD ARGUMENT` is
 * attempted, and the answer is 0 or the errno. `Try: who` tells pid and uid. */
#include "attempts.h"

#include <stdio.h>

static void serve(int fd)
{
    char bytes[4096], word[32] = "", argument[300] = "", body[64];
    size_t at = 0;
    while (at < sizeof bytes - 1 && !memmem(bytes, at, "\r\n\r\n", 4)) {
        ssize_t n = read(fd, bytes + at, sizeof bytes - 1 - at);
        if (n <= 0)
            return;
        at += (size_t)n;
    }
    bytes[at] = '\0';
    const char *line = strstr(bytes, "\r\nTry: ");
    if (line)
        sscanf(line + 7, "%31s %299s", word, argument);
    if (strcmp(word, "who") == 0)
        snprintf(body, sizeof body, "%d %u\n", getpid(), getuid());
    else
        snprintf(body, sizeof body, "%d\n", attempt(word, argument));
    dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
            strlen(body), body);
}

int main(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 64) < 0)
        return 1;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return 2;
        serve(fd);
        close(fd);
    }
}

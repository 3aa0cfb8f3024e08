/* SPDX-License-Identifier: Apache-2.0 */
#include "load/own_tenant.h"

#include "base/buf.h"
#include "base/hex.h"
#include "base/secret.h"
#include "load/response.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_SIZE_MAX ((size_t)64 << 10)
#define PASSWORD_SIZE 64
#define FIRST_ANSWER_MS 30000 /* the document server is started for it */

extern char **environ;

int own_tenant_state(const char *option, char ret_state[OWN_TENANT_PATH_MAX], struct error *e)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = 0;
    if (option)
        n = snprintf(ret_state, OWN_TENANT_PATH_MAX, "%s", option);
    else if (xdg && xdg[0] == '/')
        n = snprintf(ret_state, OWN_TENANT_PATH_MAX, "%s/coffer", xdg);
    else if (home && home[0] == '/')
        n = snprintf(ret_state, OWN_TENANT_PATH_MAX, "%s/.local/state/coffer", home);
    if (n <= 0 || n >= OWN_TENANT_PATH_MAX)
        return error_set(e, -EINVAL, "which state directory? Say it with --state DIR");
    return 0;
}

static void fd_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Runs this program with other words; what it prints goes to `out`, its errors where ours go. */
static int coffer_run(const char *const *words, struct buf *out)
{
    posix_spawn_file_actions_t actions;
    SCOPED(fd_closep) int in = -1, to = -1;
    int pipes[2], status = 0;
    pid_t pid;
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    in = pipes[0];
    to = pipes[1];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    int r = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        return -r;
    close(to);
    to = -1;
    out->size_max = OUTPUT_SIZE_MAX;
    for (;;) {
        uint8_t *at = buf_reserve(out, 4096);
        ssize_t n = at ? read(in, at, 4096) : 0;
        if (n <= 0)
            break;
        out->size += (size_t)n;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

/* Makes the client as its operator and owner; the one-time password it is given. */
static int tenant_make(const char *state, char password[PASSWORD_SIZE], struct error *e)
{
    SCOPED(buf_done) struct buf out = {0};
    char keys[OWN_TENANT_PATH_MAX + 16], certificate[OWN_TENANT_PATH_MAX + 48];
    snprintf(keys, sizeof keys, "%s/" OWN_TENANT "-owner", state);
    snprintf(certificate, sizeof certificate, "%s/certificate.pem", keys);
    const char *const new[] = {"coffer", "owner", "new", keys, "--state", state, NULL};
    const char *const add[] = {"coffer",    "tenant",  "add", OWN_TENANT, "--owner",
                               certificate, "--state", state, NULL};
    const char *const accept[] = {"coffer", "owner",   "accept", OWN_TENANT, "--keys",
                                  keys,     "--state", state,    NULL};
    int r = access(certificate, R_OK) == 0 ? 0 : coffer_run(new, &out);
    if (r == 0)
        r = coffer_run(add, &out);
    buf_clear(&out);
    if (r == 0)
        r = coffer_run(accept, &out);
    const char *text = r == 0 ? buf_text(&out) : NULL;
    const char *line = text ? strstr(text, "Password") : NULL;
    if (!line || sscanf(line, "Password %63s", password) != 1)
        return error_set(e, r < 0 ? r : -EPROTO,
                         "cannot make a client of its own in '%s'; is `coffer up` running there? "
                         "Or name one with --tenant and --user",
                         state);
    return 0;
}

static int wait_for(const struct connection *c)
{
    struct pollfd poll_fd = {c->fd, POLLIN, 0};
    if (c->state != CONNECTION_OPEN)
        poll_fd.events |= POLLOUT;
    int n = poll(&poll_fd, 1, FIRST_ANSWER_MS);
    return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

/* One small request on a connection of its own; the answer's status or -errno. */
static int ask(struct connection *c, struct response *response, const struct buf *request)
{
    int r;
    while ((r = connection_advance(c)) == -EAGAIN)
        if ((r = wait_for(c)) < 0)
            return r;
    if (r < 0)
        return r;
    if (connection_write(c, request->bytes, request->size) != (ssize_t)request->size)
        return -EIO; /* a few hundred bytes on a new connection always fit */
    response_begin(response, false, 0);
    while (!response->complete) {
        uint8_t bytes[4096];
        ssize_t n = connection_read(c, bytes, sizeof bytes);
        if (n == -EAGAIN)
            r = wait_for(c);
        else
            r = n <= 0 ? -ECONNRESET : response_feed(response, bytes, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)response->status;
}

static int password_choose(char password[PASSWORD_SIZE])
{
    uint8_t bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return -EIO;
    memcpy(password, "Load-1-", 7);
    hex_encode(slice_of(bytes, sizeof bytes), password + 7);
    return 0;
}

/* A one-time password only lets its user choose another. */
static int password_change(const struct endpoint *endpoint, const char *domain, const char *first,
                           const char *chosen, struct error *e)
{
    SCOPED(buf_done) struct buf request = {0};
    struct connection connection = {.fd = -1};
    struct response response = {0};
    char name[256], plain[128], basic[256], body[256];
    snprintf(name, sizeof name, OWN_TENANT ".%s", domain);
    int len = snprintf(plain, sizeof plain, "admin:%s", first);
    EVP_EncodeBlock((unsigned char *)basic, (unsigned char *)plain, len);
    snprintf(body, sizeof body, "{\"old\": \"%s\", \"new\": \"%s\"}", first, chosen);
    buf_printf(&request,
               "PUT /api/me/password HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               name, basic, strlen(body), body);
    int r = connection_open(&connection, endpoint, name);
    if (r == 0)
        r = ask(&connection, &response, &request);
    connection_done(&connection);
    response_done(&response);
    secret_wipe(plain, sizeof plain);
    secret_wipe(basic, sizeof basic);
    secret_wipe(body, sizeof body);
    if (r < 0)
        return error_set(e, r, "no answer from %s (%s)", name, strerror(-r));
    return r == 204 || r == 200
               ? 0
               : error_set(e, -EREMOTEIO, "%s does not take a password: HTTP %d", name, r);
}

static int credentials_write(const char *path, const char *password, struct error *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out)
        return error_set(e, -errno, "cannot write '%s': %s", path, strerror(errno));
    int n = fprintf(out, "# made by `coffer load run`\n" OWN_TENANT " admin %s\n", password);
    if (fclose(out) != 0 || n < 0)
        return error_set(e, -EIO, "cannot write '%s'", path);
    return 0;
}

int own_tenant_ensure(const char *state, const struct endpoint *endpoint, const char *domain,
                      char ret_path[OWN_TENANT_PATH_MAX], struct error *e)
{
    char first[PASSWORD_SIZE], chosen[PASSWORD_SIZE];
    int n = snprintf(ret_path, OWN_TENANT_PATH_MAX, "%s/" OWN_TENANT "-credentials", state);
    if (n >= OWN_TENANT_PATH_MAX)
        return error_set(e, -ENAMETOOLONG, "the path of the state directory is too long");
    if (access(ret_path, R_OK) == 0)
        return 0;
    int r = tenant_make(state, first, e);
    if (r == 0 && password_choose(chosen) < 0)
        r = error_set(e, -EIO, "no randomness");
    if (r == 0)
        r = password_change(endpoint, domain, first, chosen, e);
    if (r == 0)
        r = credentials_write(ret_path, chosen, e);
    secret_wipe(first, sizeof first);
    secret_wipe(chosen, sizeof chosen);
    return r;
}

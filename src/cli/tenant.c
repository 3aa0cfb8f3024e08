/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer tenant`: what the operator may do with clients: look, stop a server. */
#include "cli/command.h"

#include "server/address.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX ((size_t)16 << 20)
#define USAGE "list [--json] | stop NAME"

struct tenant_options {
    const char *state;
    bool json;
};

#define ROW(name, kind, member, value, help)                                                  \
    {                                                                                         \
        name, OPTION_##kind, offsetof(struct tenant_options, member), NULL, value, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("state", TEXT, state, "DIR", "State directory of the running system"),
    ROW("json", FLAG, json, NULL, "list: as JSON"),
};
static int answer_read(int fd, struct buf *out)
{
    out->size_max = ANSWER_SIZE_MAX;
    for (;;) {
        uint8_t *to = buf_reserve(out, 16384);
        ssize_t n = to ? read(fd, to, 16384) : -1;
        if (n < 0)
            return -EIO;
        if (n == 0)
            return 0;
        out->size += (size_t)n;
    }
}

/* HTTP/1.0 with a length the gateway gives: status line, head, empty line, body to the end. */
static int answer_split(const struct buf *answer, unsigned *ret_status, struct slice *ret_body)
{
    static const char start[] = "HTTP/1.1 ";
    const uint8_t *end = memmem(answer->bytes, answer->size, "\r\n\r\n", 4);
    if (!end || answer->size < sizeof start + 3 ||
        memcmp(answer->bytes, start, sizeof start - 1) != 0)
        return -EBADMSG;
    *ret_status = (unsigned)strtoul((const char *)answer->bytes + sizeof start - 1, NULL, 10);
    *ret_body = slice_of(end + 4, answer->size - (size_t)(end + 4 - answer->bytes));
    return 0;
}

/* One request to the gateway of the running system. `body` of the answer lies in `answer`. */
static int gateway_ask(const char *state, const char *method, const char *path, struct buf *answer,
                       struct slice *ret_body, struct error *e)
{
    SCOPED(buf_done) struct buf request = {0};
    char socket_path[4096];
    unsigned status = 0;
    int n = snprintf(socket_path, sizeof socket_path, "%s/run/gateway", state);
    if (n < 0 || (size_t)n >= sizeof socket_path)
        return error_set(e, -ENAMETOOLONG, "the path of the state directory is too long");
    int fd = address_connect_unix(socket_path, SOCK_STREAM, NULL);
    if (fd < 0)
        return error_set(e, -ECONNREFUSED,
                         "no running system in '%s': start it with `coffer up`, or name its state "
                         "directory with --state",
                         state);
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n", method,
               path);
    int r = request.failed ||
                    send(fd, request.bytes, request.size, MSG_NOSIGNAL) != (ssize_t)request.size
                ? -EIO
                : answer_read(fd, answer);
    close(fd);
    if (r == 0)
        r = answer_split(answer, &status, ret_body);
    if (r < 0)
        return error_set(e, r, "no answer from the gateway");
    if (status != 200)
        return error_set(e, -EREMOTEIO, "%.*s", (int)MIN(ret_body->size, (size_t)300),
                         (const char *)ret_body->bytes);
    return 0;
}

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void row_print(json_t *t)
{
    json_t *private_kib = json_object_get(t, "private_kib");
    double start_ms = json_number_value(json_object_get(t, "start_ms"));
    char start[32] = "-", memory[32] = "-";
    if (start_ms > 0)
        snprintf(start, sizeof start, "%.1f ms", start_ms);
    if (private_kib)
        snprintf(memory, sizeof memory, "%.2f MiB",
                 (double)(json_integer_value(private_kib) +
                          json_integer_value(json_object_get(t, "kernel_kib"))) /
                     1024);
    printf("%-20s %-10s %10s %11s  %s\n", text_of(t, "name"), text_of(t, "state"), start, memory,
           text_of(t, "error"));
}

static int list_print(struct slice body, struct error *e)
{
    json_error_t why;
    json_t *tenants = json_loadb((const char *)body.bytes, body.size, 0, &why);
    if (!json_is_array(tenants)) {
        json_decref(tenants);
        return error_set(e, -EBADMSG, "the gateway's answer makes no sense");
    }
    printf("%-20s %-10s %10s %11s  %s\n", "CLIENT", "STATE", "START", "MEMORY", "LAST ERROR");
    for (size_t i = 0; i < json_array_size(tenants); i++)
        row_print(json_array_get(tenants, i));
    json_decref(tenants);
    return 0;
}

static int tenant_list(const char *state, const struct tenant_options *o, struct error *e)
{
    SCOPED(buf_done) struct buf answer = {0};
    struct slice body = {0};
    int r = gateway_ask(state, "GET", "/tenants", &answer, &body, e);
    if (r < 0)
        return r;
    if (!o->json)
        return list_print(body, e);
    fwrite(body.bytes, 1, body.size, stdout);
    return 0;
}

static int tenant_post(const char *state, const char *name, const char *act, struct error *e)
{
    SCOPED(buf_done) struct buf answer = {0};
    struct slice body = {0};
    char path[200];
    int n = snprintf(path, sizeof path, "/tenants/%s%s", name, act);
    if (n < 0 || (size_t)n >= sizeof path || strpbrk(name, "/ ?#%\r\n"))
        return error_set(e, -EINVAL, "'%s' cannot be a client's name", name);
    return gateway_ask(state, "POST", path, &answer, &body, e);
}

static int tenant_run(const struct tenant_options *o, int count, char **argv, struct error *e)
{
    char state[4096];
    int r = command_state(o->state, state, sizeof state, e);
    if (r < 0)
        return r;
    if (count == 1 && strcmp(argv[0], "list") == 0)
        return tenant_list(state, o, e);
    if (count == 2 && strcmp(argv[0], "stop") == 0)
        return tenant_post(state, argv[1], "/stop", e);
    return error_set(e, -EINVAL, "usage: coffer tenant " USAGE);
}

int tenant_command(int argc, char **argv)
{
    struct tenant_options o = {0};
    struct error e = {0};
    int count = 0;
    int r = command_options("tenant", USAGE, g_rows, ARRAY_COUNT(g_rows), argc, argv, &o, &count);
    if (r >= 0)
        return r;
    r = tenant_run(&o, count, argv, &e);
    return r < 0 ? command_fail("tenant", &e, r) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer tenant`: what the operator may do with clients: reserve a name, look, stop a server. */
#include "cli/command.h"
#include "cli/gateway_client.h"
#include "cli/kbs_client.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define USAGE "add NAME --owner CERT | list [--json] | stop NAME"

struct tenant_options {
    const char *state, *owner;
    bool json;
};

enum { STOP_S_MAX = 300, STOP_ASK_MS = 20 };

#define ROW(name, kind, member, value, help)                                                  \
    {                                                                                         \
        name, OPTION_##kind, offsetof(struct tenant_options, member), NULL, value, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("state", TEXT, state, "DIR", "State directory of the running system"),
    ROW("owner", TEXT, owner, "CERT", "add: the owner's certificate (PEM); its key signs policies"),
    ROW("json", FLAG, json, NULL, "list: as JSON"),
};
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
        snprintf(memory, sizeof memory, "%s%.2f MiB",
                 json_is_true(json_object_get(t, "memory_is_estimate")) ? "~" : "",
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
    if (n < 0 || (size_t)n >= sizeof path)
        return error_set(e, -EINVAL, "that name is too long");
    return gateway_ask(state, "POST", path, &answer, &body, e);
}

/* At the key broker with the operator's key, then at the gateway. */
static int tenant_add(const char *state, const char *name, const char *owner, struct error *e)
{
    SCOPED(owner_keys_done) struct owner_keys operator_keys = {0};
    SCOPED(buf_done) struct buf certificate = {0}, address = {0}, pin = {0};
    char path[4200];
    if (!owner)
        return error_set(e, -EINVAL,
                         "add needs --owner CERT, the certificate of who will own the name "
                         "(coffer owner new DIR makes one)");
    int r = kbs_client_file(NULL, state, "kbs-address", &address, e);
    if (r == 0)
        r = kbs_client_file(NULL, state, "kbs-pin", &pin, e);
    snprintf(path, sizeof path, "%s/operator", state);
    if (r == 0)
        r = owner_keys_load(path, &operator_keys, e);
    if (r == 0)
        r = owner_file_read(owner, 64 << 10, &certificate, e);
    if (r < 0)
        return r;
    struct kbs_client client = {buf_text(&address), buf_text(&pin), &operator_keys};
    if (!client.address || !client.pin)
        return -ENOMEM;
    r = kbs_client_tenant_add(&client, name, buf_slice(&certificate), false, e);
    if (r == 0)
        r = tenant_post(state, name, "", e);
    if (r == 0)
        printf("%s is reserved. Its owner goes on: coffer owner accept %s --keys DIR\n", name,
               name);
    return r;
}

/* What the gateway calls the state of client `name` now, and its server's process if it has one
 * (else *pid stays). */
static int state_ask(const char *state, const char *name, char ret_text[16], json_int_t *pid,
                     struct error *e)
{
    SCOPED(buf_done) struct buf answer = {0};
    struct slice body = {0};
    int r = gateway_ask(state, "GET", "/tenants", &answer, &body, e);
    if (r < 0)
        return r;
    json_error_t why;
    json_t *tenants = json_loadb((const char *)body.bytes, body.size, 0, &why);
    r = error_set(e, -EBADMSG, "the gateway's answer makes no sense");
    for (size_t i = 0; i < json_array_size(tenants); i++) {
        json_t *t = json_array_get(tenants, i);
        if (strcmp(text_of(t, "name"), name) != 0)
            continue;
        (void)snprintf(ret_text, 16, "%s", text_of(t, "state"));
        if (json_integer_value(json_object_get(t, "pid")) > 0)
            *pid = json_integer_value(json_object_get(t, "pid"));
        r = 0;
    }
    json_decref(tenants);
    return r;
}

static bool is_there(json_int_t pid)
{
    return pid > 0 && pid <= INT_MAX && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

/* Until the server's process is gone, for who copies its volume next: until then it may write, also
 * when it has nothing to do with the gateway any more. */
static int tenant_stop(const char *state, const char *name, struct error *e)
{
    char now[16] = "";
    json_int_t pid = 0, other = 0;
    int r = state_ask(state, name, now, &pid, e);
    if (r == 0)
        r = tenant_post(state, name, "/stop", e);
    for (int i = 0; r == 0 && i < STOP_S_MAX * 1000 / STOP_ASK_MS; i++) {
        r = state_ask(state, name, now, &other, e);
        bool ended = strcmp(now, "absent") == 0 || strcmp(now, "failed") == 0;
        if (r < 0 || (ended && !is_there(pid)))
            return r;
        if (!ended && strcmp(now, "draining") != 0)
            return error_set(
                e, -EAGAIN,
                "%s's server has stopped, but a client's request starts it again (%s); "
                "call this again when its clients are quiet",
                name, now);
        (void)nanosleep(&(struct timespec){.tv_nsec = STOP_ASK_MS * 1000000L}, NULL);
    }
    return r < 0 ? r
                 : error_set(e, -ETIMEDOUT,
                             "%s's server has been told to stop, and is still at work", name);
}

static int tenant_run(const struct tenant_options *o, int count, char **argv, struct error *e)
{
    char state[4096];
    int r = count == 2 ? command_tenant_name(argv[1], e) : 0;
    if (r == 0)
        r = command_state(o->state, state, sizeof state, e);
    if (r < 0)
        return r;
    if (count == 2 && strcmp(argv[0], "add") == 0)
        return tenant_add(state, argv[1], o->owner, e);
    if (count == 1 && strcmp(argv[0], "list") == 0)
        return tenant_list(state, o, e);
    if (count == 2 && strcmp(argv[0], "stop") == 0)
        return tenant_stop(state, argv[1], e);
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

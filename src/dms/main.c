/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-dms: one client's document server. Plain HTTP; knows nothing of encryption: under the
 * runtime its connections are TLS and its directory is an encrypted volume. */
#include "base/options.h"
#include "dms/derive.h"
#include "dms/dms.h"
#include "dms/export_offline.h"
#include "dms/first_user.h"
#include "dms/fixity.h"
#include "dms/hooks.h"
#include "dms/import_offline.h"
#include "dms/outside.h"
#include "dms/sign_in.h"
#include "dms/sweep.h"
#include "dms/worker.h"
#include "server/log_stderr.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_DAMAGED 3 /* as `coffer volume` says it */
#define SETTING(member) offsetof(struct dms_options, member)

struct dms_options {
    struct dms_settings settings;
    const char *log_level;
    bool export;
    const char *import, *import_as;
    bool help;
    bool version;
};

static const struct option_row rows[] = {
    {"data", OPTION_TEXT, SETTING(settings.data), NULL, "DIR", "Where the documents are", 0, 0},
    {"listen", OPTION_TEXT, SETTING(settings.listen), "127.0.0.1", "ADDRESS",
     "Address to listen on", 0, 0},
    {"port", OPTION_UINT, SETTING(settings.port), "8080", "PORT", "0: the kernel chooses", 0,
     65535},
    {"upload-size-max", OPTION_UINT, SETTING(settings.upload_size_max), "1099511627776", "BYTES",
     "Largest upload", 1, INT64_MAX},
    {"connections-max", OPTION_UINT, SETTING(settings.connections_max), "256", "COUNT",
     "Connections at once", 1, 10000},
    {"session-seconds", OPTION_UINT, SETTING(settings.session_s), "43200", "SECONDS",
     "How long a session lasts", 1, 31536000},
    {"fixity-rate", OPTION_UINT, SETTING(settings.fixity_rate), "8388608", "BYTES",
     "Contents are read again and checked at so many bytes per second; 0: only when asked to", 0,
     INT64_MAX >> 8},
    {"https", OPTION_FLAG, SETTING(settings.https), NULL, NULL,
     "Clients come over TLS: addresses in answers begin with https", 0, 0},
    {"keep-first-password", OPTION_FLAG, SETTING(settings.keep_first_password), NULL, NULL,
     "The first password need not be changed (for demonstrations)", 0, 0},
    {"export", OPTION_FLAG, SETTING(export), NULL, NULL,
     "Write all there is to standard output as a tar archive, and end", 0, 0},
    {"import", OPTION_TEXT, SETTING(import), NULL, "FOLDER",
     "Store the files in FOLDER as documents, and end", 0, 0},
    {"import-as", OPTION_TEXT, SETTING(import_as), "admin", "USER", "Whose they are", 0, 0},
    {"tools", OPTION_TEXT, SETTING(settings.tools), "/usr/bin", "DIR",
     "Where pdftotext, pdftoppm and vipsthumbnail are; empty: none", 0, 0},
    {"outgoing", OPTION_TEXT, SETTING(settings.outgoing), "", "FILE",
     "The program that speaks to the world outside; empty: coffer-dms-out beside this one", 0, 0},
    {"sign-in", OPTION_TEXT, SETTING(settings.sign_in), NULL, "FILE",
     "Where else people may sign in (docs/sign-in.md)", 0, 0},
    {"tools-unconfined", OPTION_FLAG, SETTING(settings.tools_unconfined), NULL, NULL,
     "Run them also where the kernel cannot confine them", 0, 0},
    {"hook-destinations", OPTION_TEXT, SETTING(settings.hook_destinations), "", "URL,URL...",
     "Where web hooks may go, as https://HOST/PATH; nowhere else", 0, 0},
    {"hook-ca", OPTION_TEXT, SETTING(settings.hook_ca), "", "FILE",
     "Whose certificates web hooks believe (PEM); empty: the system's", 0, 0},
    {"hook-retry-ms", OPTION_UINT, SETTING(settings.hook_retry_ms), "1000", "MS",
     "First pause after a web hook failed; then twice as long each time, up to an hour", 1,
     3600000},
    {"hook-attempts", OPTION_UINT, SETTING(settings.hook_attempts), "16", "COUNT",
     "After so many a delivery is given up", 1, 1000},
    {"log-level", OPTION_TEXT, SETTING(log_level), "notice", "LEVEL",
     "error, warning, notice or debug", 0, 0},
    {"help", OPTION_FLAG, SETTING(help), NULL, NULL, "This text", 0, 0},
    {"version", OPTION_FLAG, SETTING(version), NULL, NULL, "The version", 0, 0},
};

/* Each flag may also come as COFFER_DMS_NAME; a flag wins. Builds "--name=value" in front. */
static int arguments_build(int argc, char **argv, struct arena *arena, char ***ret_argv)
{
    char **all = arena_alloc(arena, (ARRAY_COUNT(rows) + (size_t)argc + 1) * sizeof(char *));
    int count = 0;
    for (size_t i = 0; all && i < ARRAY_COUNT(rows); i++) {
        char *name = arena_printf(arena, "COFFER_DMS_%s", rows[i].name);
        for (char *c = name ? name + 11 : NULL; c && *c; c++)
            *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
        const char *value = name ? getenv(name) : NULL;
        if (!value)
            continue;
        bool flag = rows[i].kind == OPTION_FLAG;
        if (flag && strcmp(value, "1") != 0)
            continue;
        all[count] = flag ? arena_printf(arena, "--%s", rows[i].name)
                          : arena_printf(arena, "--%s=%s", rows[i].name, value);
        if (!all[count++])
            return -ENOMEM;
    }
    for (int i = 1; all && i < argc; i++)
        all[count++] = argv[i];
    *ret_argv = all;
    return all ? count : -ENOMEM;
}

/* json_t holds passwords for a moment: what jansson frees is wiped first. */
static void wiping_free(void *bytes)
{
    if (bytes)
        secret_wipe(bytes, malloc_usable_size(bytes));
    free(bytes);
}

static int jansson_start(void)
{
    size_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return -EIO;
    json_object_seed(seed | 1);
    json_set_alloc_funcs(malloc, wiping_free);
    return 0;
}

/* Nothing is going on: the log is put into the database and memory goes back to the system. */
static void quiet(void *arg)
{
    struct dms *dms = arg;
    store_rest(dms->store);
    (void)malloc_trim(0);
}

static void drained(void *arg)
{
    struct dms *dms = arg;
    loop_stop(dms->loop);
}

static void stop(void *arg)
{
    struct dms *dms = arg;
    LOG_NOTICE("stopping");
    http_server_drain(dms->server, drained, dms);
}

static int dms_open(struct dms *dms, struct error *e)
{
    const struct dms_settings *settings = &dms->settings;
    struct http_settings http = {.connections_max = settings->connections_max,
                                 .target_size_max = 12 << 10};
    int fd = -1;
    call_list_init(&dms->waiting);
    int r = loop_new(&dms->loop);
    if (r == 0)
        r = loop_on_stop_signal(dms->loop, stop, dms);
    if (r == 0)
        r = worker_new(dms->loop, &dms->sync_worker);
    if (r == 0)
        r = worker_new(dms->loop, &dms->password_worker);
    if (r == 0)
        r = passwords_new(dms->password_worker, &dms->passwords);
    if (r == 0)
        r = http_server_new(dms->loop, &http, dms_handle, dms, &dms->server);
    if (r < 0)
        return error_set(e, r, "cannot start");
    r = store_open(settings->data, &dms->store, e);
    if (r == 0)
        r = first_user_settle(dms, e);
    if (r == 0)
        r = fixity_new(dms, &dms->fixity);
    if (r == 0)
        r = sweep_new(dms, &dms->sweep);
    if (r == 0)
        r = derive_new(dms, settings->tools, settings->tools_unconfined, &dms->derive);
    if (r == 0)
        r = outside_new(dms->loop, settings->outgoing, &dms->outside);
    if (r == 0)
        r = sign_in_new(settings->sign_in, &dms->sign_in, e);
    if (r == 0)
        r = hooks_new(dms, &dms->hooks, e);
    if (r < 0)
        return r;
    r = http_listen(settings->listen, (uint16_t)settings->port, &fd);
    if (r < 0)
        return error_set(e, r, "cannot listen on %s port %llu: %s", settings->listen,
                         (unsigned long long)settings->port, strerror(-r));
    uint16_t port = http_listen_port(fd);
    r = http_server_listen(dms->server, fd);
    if (r < 0)
        return error_set(e, r, "cannot wait for connections");
    http_server_on_quiet(dms->server, quiet, dms);
    derive_kick(dms->derive);
    hooks_kick(dms->hooks);
    LOG_NOTICE("listening", LOG_TEXT("address", settings->listen), LOG_INT("port", port));
    return 0;
}

static void dms_close(struct dms *dms)
{
    http_server_free(dms->server);
    derive_free(dms->derive);
    hooks_free(dms->hooks);
    outside_free(dms->outside);
    sign_in_free(dms->sign_in);
    worker_free(dms->sync_worker);
    worker_free(dms->password_worker);
    passwords_free(dms->passwords);
    fixity_free(dms->fixity);
    sweep_free(dms->sweep);
    store_close(dms->store);
    loop_free(dms->loop);
}

static int dms_run(const struct dms_settings *settings)
{
    struct dms dms = {.settings = *settings};
    struct error e = {0};
    int r = jansson_start();
    if (r == 0)
        r = dms_open(&dms, &e);
    if (r < 0) {
        LOG_ERROR("cannot start", LOG_TEXT("reason", error_text(&e, r)));
    } else {
        (void)malloc_trim(0);
        r = loop_run(dms.loop);
        if (r < 0)
            LOG_ERROR("the event loop failed", LOG_TEXT("reason", error_text(NULL, r)));
    }
    dms_close(&dms);
    return r < 0 ? 1 : 0;
}

static int import_run(const struct dms_options *options)
{
    struct import_counts counts = {0};
    struct error e = {0};
    int r =
        import_offline(options->settings.data, options->import, options->import_as, &counts, &e);
    if (r < 0)
        LOG_ERROR("cannot import", LOG_TEXT("reason", error_text(&e, r)));
    LOG_NOTICE("imported", LOG_INT("documents", counts.documents),
               LOG_INT("folders", counts.folders), LOG_INT("there_already", counts.there),
               LOG_INT("left_out", counts.left_out));
    return r < 0 || counts.left_out > 0 ? 1 : 0;
}

static int help_print(void)
{
    SCOPED(buf_done) struct buf text = {0};
    (void)buf_append_text(&text, "usage: coffer-dms --data DIR [options]\n\n"
                                 "One client's document server, over plain HTTP.\n\n");
    if (options_help(rows, ARRAY_COUNT(rows), &text) < 0)
        return 1;
    (void)buf_append_text(
        &text, "\nEach option may also be set as COFFER_DMS_NAME in the environment.\n"
               "COFFER_DMS_FIRST_USER, COFFER_DMS_FIRST_PASSWORD: the first user of an empty\n"
               "store; the password is one-time and must be changed before anything else.\n");
    return write(STDOUT_FILENO, text.bytes, text.size) == (ssize_t)text.size ? 0 : 1;
}

int main(int argc, char **argv)
{
    /* One arena, and memory goes back: a server at rest is small. */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 10);
    (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
    (void)mallopt(M_TOP_PAD, 16 << 10);
    (void)umask(077);
    SCOPED(arena_done) struct arena arena = {0};
    struct dms_options options = {0};
    struct error e = {0};
    char **all;
    int rest = 0;
    int count = arguments_build(argc, argv, &arena, &all);
    if (count < 0)
        return 2;
    if (options_parse(rows, ARRAY_COUNT(rows), count, all, &options, &rest, &e) < 0 ||
        log_start("coffer-dms", options.log_level) < 0) {
        (void)fprintf(stderr, "coffer-dms: %s\n",
                      e.code ? error_text(&e, e.code) : "bad log level");
        return 2;
    }
    if (options.help)
        return help_print();
    if (options.version)
        return printf("coffer-dms 0.1.0\n") > 0 ? 0 : 1;
    if (!options.settings.data || rest > 0) {
        (void)fprintf(stderr, "coffer-dms: %s; see --help\n",
                      rest > 0 ? "there is an argument too many" : "--data DIR is needed");
        return 2;
    }
    if (options.import)
        return import_run(&options);
    if (options.export) {
        uint64_t damage_count = 0;
        int r = export_offline(options.settings.data, STDOUT_FILENO, &damage_count, &e);
        if (r < 0)
            LOG_ERROR("cannot export", LOG_TEXT("reason", error_text(&e, r)));
        return r < 0 ? 1 : damage_count > 0 ? EXIT_DAMAGED : 0;
    }
    return dms_run(&options.settings);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-launcher: a warm runtime that forks document servers. Before a fork it has no secret, no
 * volume, no session with the key broker and no TLS context; all that is made in the child. */
#include "base/options.h"
#include "crypto/provider.h"
#include "launcher/launcher.h"
#include "launcher/machine.h"
#include "platform/linux/launched.h"
#include "platform/linux/sim_device.h"
#include "runtime/fd.h"
#include "runtime/provision/provision.h"
#include "runtime/runtime.h"
#include "server/address.h"
#include "server/log_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIN_SIZE_MAX ((size_t)4096)
#define PATIENCE_MS 30000 /* while the key broker is away, or an earlier owner's lease runs */

struct options {
    const char *socket, *kbs, *kbs_pin, *device, *program, *tee, *tsm, *rtmr;
    uint64_t uid_base;
    bool help;
};

#define ROW(name, kind, member, fallback, value, help, max)                                  \
    {                                                                                        \
        name, OPTION_##kind, offsetof(struct options, member), fallback, value, help, 0, max \
    }
static const struct option_row g_rows[] = {
    ROW("socket", TEXT, socket, NULL, "PATH", "Unix socket on which the agent connects", 0),
    ROW("kbs", TEXT, kbs, NULL, "ADDRESS", "The key broker, such as 127.0.0.1:8500", 0),
    ROW("kbs-pin", TEXT, kbs_pin, NULL, "FILE", "Whom to believe to be the key broker", 0),
    ROW("device", TEXT, device, NULL, "FILE", "The simulated device that signs evidence", 0),
    ROW("tee", TEXT, tee, "sim", "KIND",
        "sim, tdx, snp, or vm: whichever virtual machine this is (needs --device only for sim)", 0),
    ROW("tsm", TEXT, tsm, NULL, "DIR", "configfs-tsm, or an entry made for us there", 0),
    ROW("rtmr", TEXT, rtmr, NULL, "DIR", "Registers of TDX, if not where the kernel has them", 0),
    ROW("program", TEXT, program, NULL, "FILE", "Measure this before the first start asks for it",
        0),
    ROW("uid-base", UINT, uid_base, "0", "UID",
        "As root: volumes belong to uids from this on, and so do servers; 0: no", 4000000000U),
    ROW("help", FLAG, help, NULL, NULL, "This text", 0),
};

static struct options g_options;
static char g_pin[PIN_SIZE_MAX];
static struct sim_identity g_identity; /* of the next child; `program` is filled in for each */

static struct machine *g_machine; /* NULL: simulated */

/* ---- in the launcher ---- */

/* What the launcher knows of a child, signed with the key that the machine's report names. */
static int machine_sign(const uint8_t program[SHA256_SIZE],
                        const uint8_t report_data[LAUNCH_REPORT_DATA_SIZE],
                        struct buf *ret_evidence, struct error *e)
{
    struct evidence ev = {.svn = g_identity.svn, .debug = g_identity.debug};
    memcpy(ev.runtime, g_identity.runtime, sizeof ev.runtime);
    memcpy(ev.program, program, sizeof ev.program);
    memcpy(ev.instance, g_identity.instance, sizeof ev.instance);
    return machine_evidence(g_machine, &ev, report_data, ret_evidence, e);
}

static int machine_start(struct error *e)
{
    struct machine_settings settings = {
        .tee = TEE_COUNT, .tsm = g_options.tsm, .rtmr_dir = g_options.rtmr};
    if (strcmp(g_options.tee, "sim") == 0)
        return 0;
    if (strcmp(g_options.tee, "tdx") == 0)
        settings.tee = TEE_TDX;
    else if (strcmp(g_options.tee, "snp") == 0)
        settings.tee = TEE_SNP;
    else if (strcmp(g_options.tee, "vm") != 0)
        return error_set(e, -EINVAL, "--tee takes sim, tdx, snp or vm, not '%s'", g_options.tee);
    memcpy(settings.launcher, g_identity.runtime, sizeof settings.launcher);
    return machine_open(&settings, &g_machine, e);
}

static int evidence_sign(const uint8_t program[SHA256_SIZE],
                         const uint8_t report_data[LAUNCH_REPORT_DATA_SIZE],
                         struct buf *ret_evidence, struct error *e)
{
    if (g_machine)
        return machine_sign(program, report_data, ret_evidence, e);
    memcpy(g_identity.program, program, sizeof g_identity.program);
    int r = sim_device_set(g_options.device, &g_identity, e);
    return r < 0 ? r : sim_device_evidence(report_data, ret_evidence, e);
}

static int pin_read(const char *path, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, g_pin, sizeof g_pin - 1);
    if (fd >= 0)
        close(fd);
    return n <= 0 ? error_set(e, -ENOENT, "cannot read the pin in '%s'", path) : 0;
}

static uint16_t port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

/* What every child inherits instead of doing it again. */
static int warm_up(struct error *e)
{
    platform_set(&platform_sim);
    int r = crypto_start();
    if (r == 0)
        r = sim_device_measure("/proc/self/exe", g_identity.runtime, e);
    if (r == 0)
        r = machine_start(e);
    if (r == 0)
        r = crypto_random(g_identity.instance, sizeof g_identity.instance);
    if (r == 0)
        r = provision_warm();
    return r < 0 ? r : runtime_warm(e);
}

/* ---- in the child ---- */

/* A policy denies what it does not name; the measured program, sealed in memory, is what it is
 * about. */
static int program_allow(const struct child_job *job, struct runtime_config *config,
                         struct error *e)
{
    static char path[64];
    if (config->file_rule_count == RUNTIME_FILE_RULES_MAX)
        return error_set(e, -E2BIG, "the policy has too many file rules");
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), job->program_fd);
    config->file_rules[config->file_rule_count++] =
        (struct runtime_file_rule){.prefix = path, .class = FILE_CLASS_HOST, .read_only = true};
    return 0;
}

/* What the runtime needs as long as it lives and its guest must not meet. */
static int descriptors_hide(struct child_job *job, char volume_dir[64], struct error *e)
{
    job->line_fd = fd_hide(job->line_fd);
    job->volume_fd = fd_hide(job->volume_fd);
    if (job->line_fd < 0 || job->volume_fd < 0)
        return error_set(e, -EMFILE, "no descriptor for what the runtime hides");
    snprintf(volume_dir, 64, "/proc/self/fd/%d", job->volume_fd);
    job->volume_dir = volume_dir;
    return 0;
}

static int server_become(struct child_job *job, struct error *e)
{
    static struct runtime_config config;
    static char volume_dir[64];
    /* The key that signs for processes is none of theirs. */
    machine_free(g_machine);
    g_machine = NULL;
    platform_set(&platform_launched);
    int r = descriptors_hide(job, volume_dir, e);
    if (r < 0)
        return r;
    launched_set_line(job->line_fd);
    struct provision_options options = {
        .kbs = g_options.kbs,
        .kbs_pin = g_pin,
        .tenant = job->tenant,
        .policy = job->policy,
        .program = job->program,
        .volume_dir = job->volume_dir,
        .handover_fd = job->handover_fd,
        .handover_status_fd = job->status_fd,
        .patience_ms = PATIENCE_MS,
    };
    r = provision_run(&options, &config, e);
    if (r == 0)
        r = program_allow(job, &config, e);
    return r < 0 ? r : runtime_run(&config, e);
}

/* ---- the program ---- */

static void on_stop(void *arg)
{
    launcher_stop(arg);
}

static int launcher_serve(struct error *e)
{
    static struct launcher_settings settings;
    struct loop *loop = NULL;
    struct launcher *launcher = NULL;
    int r = pin_read(g_options.kbs_pin, e);
    if (r == 0)
        r = warm_up(e);
    if (r < 0)
        return r;
    settings = (struct launcher_settings){
        .kbs_port = port_of(g_options.kbs),
        .uid_base = g_options.uid_base,
        .run = server_become,
        .evidence = evidence_sign,
    };
    int fd = address_listen_unix(g_options.socket, SOCK_SEQPACKET, e);
    if (fd < 0)
        return fd;
    r = loop_new(&loop);
    if (r == 0)
        r = launcher_new(loop, &settings, fd, &launcher);
    if (r == 0 && g_options.program)
        r = launcher_warm(launcher, g_options.program, e);
    if (r == 0)
        r = loop_on_stop_signal(loop, on_stop, launcher);
    if (r == 0)
        r = loop_run(loop);
    launcher_free(launcher);
    loop_free(loop);
    if (r < 0 && !e->code)
        error_set(e, r, "the event loop failed (%s)", strerror(-r));
    return r;
}

static int help_print(void)
{
    SCOPED(buf_done) struct buf out = {0};
    buf_append_text(&out, "usage: coffer-launcher --socket PATH --kbs ADDRESS --kbs-pin FILE "
                          "--device FILE [FLAGS]\n\n");
    (void)options_help(g_rows, ARRAY_COUNT(g_rows), &out);
    const char *text = buf_text(&out);
    fputs(text ? text : "no memory\n", stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct error e = {0};
    int count = 0;
    runtime_continue(argc, argv);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)umask(077);
    int r = options_parse(g_rows, ARRAY_COUNT(g_rows), argc - 1, argv + 1, &g_options, &count, &e);
    if (r == 0 && g_options.help)
        return help_print();
    if (r == 0 && (count > 0 || !g_options.socket || !g_options.kbs || !g_options.kbs_pin ||
                   (!g_options.device && strcmp(g_options.tee, "sim") == 0)))
        r = error_set(&e, -EINVAL, "needs --socket, --kbs, --kbs-pin and --device, and flags only");
    if (r < 0) {
        fprintf(stderr, "coffer-launcher: %s\n(coffer-launcher --help lists all flags)\n", e.text);
        return 2;
    }
    r = log_start("coffer-launcher", "notice");
    if (r == 0)
        r = launcher_serve(&e);
    if (r < 0)
        fprintf(stderr, "coffer-launcher: %s\n", error_text(&e, r));
    return r < 0 ? 1 : 0;
}

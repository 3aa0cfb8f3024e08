/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer doctor`: looks, changes nothing, and says of each finding what it means. */
#include "base/hex.h"
#include "cli/command.h"
#include "platform/linux/tsm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define PR_SET_SYSCALL_USER_DISPATCH_ 59
#define HWCAP2_FSGSBASE_ (1UL << 1)
#define DESCRIPTORS_WANTED 4096
#define LANDLOCK_ABI_NETWORK 4
#define LANDLOCK_ABI_SCOPES 6

/* What a check found. `level` decides the mark and whether anything is wrong. */
struct finding {
    enum { FINDING_YES, FINDING_NO, FINDING_BAD } level;
    char text[160];
};

struct check {
    const char *name;
    struct finding (*run)(void);
    const char *missing; /* what it means if it is not there */
};

static struct finding found(int level, const char *text)
{
    struct finding f = {.level = level};
    snprintf(f.text, sizeof f.text, "%s", text);
    return f;
}

static struct finding device(const char *path)
{
    if (access(path, F_OK) < 0)
        return found(FINDING_NO, "not there");
    return access(path, R_OK | W_OK) < 0 ? found(FINDING_NO, "there, but not ours to open")
                                         : found(FINDING_YES, path);
}

static struct finding check_sgx(void)
{
    return device("/dev/sgx_enclave");
}

static struct finding check_tdx(void)
{
    return device("/dev/tdx_guest");
}

static struct finding check_snp(void)
{
    return device("/dev/sev-guest");
}

/* Makes an entry, asks who provides reports there, and removes it. */
static struct finding check_tsm(void)
{
    struct finding f = {.level = FINDING_NO};
    char provider[TSM_PROVIDER_SIZE];
    struct error e = {0};
    if (access(TSM_ROOT, F_OK) < 0)
        return found(FINDING_NO, "not there");
    if (tsm_provider(NULL, provider, &e) < 0) {
        snprintf(f.text, sizeof f.text, "there, but %.120s", e.text);
        return f;
    }
    f.level = FINDING_YES;
    snprintf(f.text, sizeof f.text, "%s in %s", provider, TSM_ROOT);
    return f;
}

/* How far the boot and the launcher have been measured. */
static struct finding check_registers(void)
{
    struct finding f = {.level = FINDING_NO};
    uint8_t value[TSM_RTMR_SIZE];
    char hex[2 * TSM_RTMR_SIZE + 1];
    struct error e = {0};
    if (tsm_rtmr_read(NULL, 3, value, &e) < 0)
        return found(FINDING_NO, "not there");
    hex_encode(slice_of(value, sizeof value), hex);
    f.level = FINDING_YES;
    snprintf(f.text, sizeof f.text, "register 3 is %s", hex);
    return f;
}

static struct finding check_boot_log(void)
{
    return access("/sys/firmware/acpi/tables/data/CCEL", F_OK) == 0
               ? found(FINDING_YES, "/sys/firmware/acpi/tables/data/CCEL")
               : found(FINDING_NO, "not there");
}

/* In a child: arming it here would outlive the check. */
static struct finding check_dispatch(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        static char selector;
        _exit(prctl(PR_SET_SYSCALL_USER_DISPATCH_, 1, 0, ~0UL, &selector) == 0 ? 0 : 1);
    }
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return found(FINDING_BAD, "could not be tried");
    return status == 0 ? found(FINDING_YES, "works")
                       : found(FINDING_BAD, "the kernel refuses it (needs Linux 5.11)");
}

static struct finding check_fsgsbase(void)
{
    return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_
               ? found(FINDING_YES, "enabled")
               : found(FINDING_BAD, "not enabled (needs Linux 5.9 on a processor that has it)");
}

static struct finding check_landlock(void)
{
    struct finding f = {.level = FINDING_BAD};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        snprintf(f.text, sizeof f.text, "not there");
        return f;
    }
    f.level = abi >= LANDLOCK_ABI_SCOPES ? FINDING_YES : FINDING_NO;
    snprintf(f.text, sizeof f.text, "ABI %ld%s%s", abi,
             abi < LANDLOCK_ABI_NETWORK ? ", cannot restrict TCP" : "",
             abi < LANDLOCK_ABI_SCOPES ? ", cannot restrict signals" : "");
    return f;
}

static struct finding check_fuse(void)
{
    return device("/dev/fuse");
}

static struct finding check_io_uring(void)
{
    char params[128] = {0}; /* struct io_uring_params is 120 bytes */
    long fd = syscall(SYS_io_uring_setup, 1, params);
    if (fd < 0)
        return found(FINDING_NO, strerror(errno));
    close((int)fd);
    return found(FINDING_YES, "works");
}

static struct finding check_descriptors(void)
{
    struct finding f = {.level = FINDING_NO};
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return found(FINDING_NO, strerror(errno));
    f.level = limit.rlim_max >= DESCRIPTORS_WANTED ? FINDING_YES : FINDING_NO;
    snprintf(f.text, sizeof f.text, "at most %llu per process", (unsigned long long)limit.rlim_max);
    return f;
}

static struct finding check_locked(void)
{
    struct finding f = {.level = FINDING_YES};
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        return found(FINDING_NO, strerror(errno));
    f.level = limit.rlim_cur >= 64 << 10 ? FINDING_YES : FINDING_NO;
    if (limit.rlim_cur == RLIM_INFINITY)
        snprintf(f.text, sizeof f.text, "without limit");
    else
        snprintf(f.text, sizeof f.text, "at most %llu KiB",
                 (unsigned long long)limit.rlim_cur >> 10);
    return f;
}

static struct finding check_user(void)
{
    return geteuid() == 0 ? found(FINDING_YES, "root: a uid for each document server")
                          : found(FINDING_NO, "not root");
}

/* AES-NI and CLMUL are what makes AES-256-GCM fast. */
static struct finding check_aes(void)
{
    unsigned a, b, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_AES) || !(c & bit_PCLMUL))
        return found(FINDING_NO, "the processor has none");
    return found(FINDING_YES, "in the processor");
}

static const struct check g_tees[] = {
    {"SGX", check_sgx, "no enclaves"},
    {"TDX", check_tdx, "this is no TDX virtual machine"},
    {"SEV-SNP", check_snp, "this is no SEV-SNP virtual machine"},
    {"configfs-tsm", check_tsm, "no evidence of a virtual machine"},
    {"measurement registers", check_registers, "no TDX, or a kernel before 6.16"},
    {"boot event log", check_boot_log, "a TDX machine's registers cannot be explained"},
};

static const struct check g_features[] = {
    {"syscall user dispatch", check_dispatch, "nothing can be shielded: coffer run does not work"},
    {"fsgsbase", check_fsgsbase, "nothing can be shielded: coffer run does not work"},
    {"Landlock", check_landlock,
     "document servers cannot be fully kept apart (none at all: they do not start)"},
    {"AES-GCM", check_aes, "encryption is several times slower"},
    {"FUSE", check_fuse, "coffer volume mount will not work"},
    {"io_uring", check_io_uring, "nothing: it is not used"},
    {"open files", check_descriptors, "fewer clients at once (two descriptors each)"},
    {"locked memory", check_locked, "keys may be written to swap space"},
    {"user", check_user, "document servers share your uid; Landlock alone keeps them apart"},
};

static int checks_print(const struct check *checks, size_t count, bool *ret_any)
{
    static const char *const marks[] = {"yes", "no", "NO"};
    int bad = 0;
    *ret_any = false;
    for (size_t i = 0; i < count; i++) {
        struct finding f = checks[i].run();
        printf("  %-22s %-4s %s", checks[i].name, marks[f.level], f.text);
        if (f.level != FINDING_YES)
            printf(": %s", checks[i].missing);
        puts("");
        *ret_any = *ret_any || f.level == FINDING_YES;
        bad += f.level == FINDING_BAD;
    }
    return bad;
}

int doctor_command(int argc, char **argv)
{
    struct utsname name;
    bool has_tee = false, ignored;
    if (argc > 0) {
        struct error e = {0};
        return command_fail("doctor", &e,
                            error_set(&e, -EINVAL, "takes no '%s'; it only looks", argv[0]));
    }
    if (uname(&name) == 0)
        printf("Linux %s on %s, %ld processors\n\n", name.release, name.machine,
               sysconf(_SC_NPROCESSORS_ONLN));
    puts("What can protect memory here:");
    int bad = checks_print(g_tees, ARRAY_COUNT(g_tees), &has_tee);
    puts(
        has_tee
            ? "  `coffer attest show --tsm` prints this machine's evidence; the launcher takes it\n"
              "  with --tee vm. Enclaves are measured and verified, but not yet run in."
            : "  So --tee sim: nothing protects memory from the owner of this machine. Right "
              "for\n  development; files and connections are encrypted all the same.");
    puts("\nWhat the kernel offers:");
    bad += checks_print(g_features, ARRAY_COUNT(g_features), &ignored);
    puts(bad ? "\nSomething that is needed is missing: see NO above." : "\nCoffer works here.");
    return bad ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* coffer: the one command people call. Each command's own file does the work. */
#include "attest/json_memory.h"
#include "cli/command.h"
#include "cli/volume_command.h"
#include "load/load.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifndef COFFER_VERSION
#define COFFER_VERSION "unknown"
#endif

static int help_command(int argc, char **argv);

/* It wants its own name first: the word before. */
static int load_all(int argc, char **argv)
{
    return load_command(argc + 1, argv - 1);
}

static int volume_all(int argc, char **argv)
{
    return volume_command(argc + 1, argv - 1);
}

static int version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("coffer %s\n", COFFER_VERSION);
    return 0;
}

static const struct command g_commands[] = {
    {"up", "[--demo] [FLAGS]", "Start the whole system on this machine", up_command},
    {"run", "[FLAGS] -- PROGRAM [ARGUMENTS]", "Run a program shielded", run_command},
    {"owner", "new DIR | accept NAME --keys DIR | password NAME --keys DIR",
     "What a client does with the key that owns its name", owner_command},
    {"tenant", "add NAME --owner CERT | list | stop NAME", "Clients of the running system",
     tenant_command},
    {"policy", "check | diff | test | try | put | get | approve | ...",
     "Check, compare, test and try policies, and give them to the key broker", policy_command},
    {"attest", "show FILE | verify [FLAGS]", "Look at evidence, and check the key broker's",
     attest_command},
    {"documents", "export --volume DIR --recovery FILE --keys DIR --out FILE",
     "A document server's documents from its volume, without server and key broker",
     documents_command},
    {"kbs", "info | tenant | head | unlock | promote | backup | shares | audit",
     "What operators and confirmers ask a key broker", kbs_command},
    {"audit", "verify FILE", "Judge an audit log: clean, truncated, gap, rolled back, forged",
     audit_command},
    {"sgx", "measure FILE | sign FILE --key PEM --out FILE | show FILE",
     "Measure, sign and look at enclaves, on any machine", sgx_command},
    {"load", "run [FLAGS]", "Load the running system and report", load_all},
    {"volume", "VERB DIR [PATH]", "Create, list, read and check encrypted volumes", volume_all},
    {"doctor", "", "What this machine offers, what is missing and what that means", doctor_command},
    {"version", "", "The version", version_command},
    {"help", "", "This text", help_command},
};

static int help_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("coffer runs programs so that nobody but their owner can read or change their data.\n\n"
         "usage: coffer COMMAND [FLAGS]\n");
    for (size_t i = 0; i < ARRAY_COUNT(g_commands); i++)
        printf("  %-10s %s\n", g_commands[i].name, g_commands[i].help);
    puts("\nEach command has --help.");
    return 0;
}

static int unknown_command(const char *word)
{
    const char *names[ARRAY_COUNT(g_commands)];
    for (size_t i = 0; i < ARRAY_COUNT(g_commands); i++)
        names[i] = g_commands[i].name;
    const char *closest = options_closest(word, names, ARRAY_COUNT(g_commands));
    if (closest)
        fprintf(stderr, "coffer: there is no command '%s'; did you mean 'coffer %s'?\n", word,
                closest);
    else
        fprintf(stderr, "coffer: there is no command '%s' (coffer help lists them)\n", word);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    json_memory_wipes();
    if (argc < 2) {
        help_command(0, NULL);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0)
        word = "version";
    for (size_t i = 0; i < ARRAY_COUNT(g_commands); i++)
        if (strcmp(word, g_commands[i].name) == 0)
            return g_commands[i].run(argc - 2, argv + 2);
    return unknown_command(word);
}

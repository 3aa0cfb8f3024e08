/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-collateral: fetches the vendors' statements into a directory of the key broker's. A program
 * of its own, because it alone needs the network and needs no trust: all it brings is signed, and is
 * checked here before it replaces anything, and by the key broker again. */
#include "cli/collateral_fetch.h"

#include "base/options.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROW(name_, kind_, member_, fallback_, value_, help_)                                       \
    {                                                                                              \
        name_, kind_, offsetof(struct fetch_settings, member_), fallback_, value_, help_, 0, 86400 \
    }
static const struct option_row g_rows[] = {
    ROW("dir", OPTION_TEXT, dir, NULL, "DIR", "the key broker's collateral directory"),
    ROW("quote", OPTION_TEXT, quote, NULL, "FILE", "fetch what this quote or report needs"),
    ROW("fmspc", OPTION_TEXT, fmspc, NULL, "HEX", "fetch for this kind of Intel's platforms"),
    ROW("tee", OPTION_TEXT, tee, "tdx", "tdx|sgx", "with --fmspc: whose statements"),
    ROW("ca", OPTION_TEXT, ca, "platform", "platform|processor",
        "with --fmspc: the authority of the platform's certificate"),
    ROW("refresh", OPTION_FLAG, refresh, NULL, NULL, "fetch again what DIR has"),
    ROW("every", OPTION_UINT, every_s, "0", "SECONDS", "with --refresh: again and again"),
    ROW("pccs", OPTION_TEXT, pccs, "https://api.trustedservices.intel.com", "URL",
        "Intel's service, or a PCCS nearby"),
    ROW("kds", OPTION_TEXT, kds, "https://kdsintf.amd.com", "URL", "AMD's service, or a mirror"),
    ROW("product", OPTION_TEXT, product, NULL, "Milan|Genoa|Turin",
        "AMD: of reports that do not say (version 2)"),
    ROW("root-crl", OPTION_TEXT, root_crl,
        "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der", "URL",
        "Intel's root revocation list, where the PCCS has none"),
    ROW("ca-file", OPTION_TEXT, ca_file, NULL, "PEM", "who may sign the service's TLS certificate"),
    ROW("help", OPTION_FLAG, help, NULL, NULL, "print this"),
};

static int help_print(void)
{
    SCOPED(buf_done) struct buf text = {0};
    (void)options_help(g_rows, ARRAY_COUNT(g_rows), &text);
    printf("usage: coffer attest collateral --dir DIR [--quote FILE | --fmspc HEX | --refresh] "
           "[FLAGS]\n\n%.*s",
           (int)text.size, (const char *)text.bytes);
    return 0;
}

static int run(const struct fetch_settings *s, struct error *e)
{
    if (!s->dir)
        return error_set(e, -EINVAL, "--dir DIR is missing");
    if (!!s->quote + !!s->fmspc + s->refresh != 1)
        return error_set(e, -EINVAL, "give one of --quote FILE, --fmspc HEX and --refresh");
    if (s->quote)
        return fetch_for_file(s, e);
    if (s->fmspc)
        return fetch_for_platform(s, e);
    for (;;) {
        int r = fetch_again(s, e);
        if (s->every_s == 0)
            return r;
        if (r < 0)
            fprintf(stderr, "coffer-collateral: %s\n", error_text(e, r));
        *e = (struct error){0};
        sleep((unsigned)s->every_s);
    }
}

int main(int argc, char **argv)
{
    struct fetch_settings s = {0};
    struct error e = {0};
    int count = 0;
    int r = options_parse(g_rows, ARRAY_COUNT(g_rows), argc - 1, argv + 1, &s, &count, &e);
    if (r == 0 && s.help)
        return help_print();
    if (r == 0 && count > 0)
        r = error_set(&e, -EINVAL, "'%s' is no flag; --help lists all", argv[1]);
    if (r == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        r = error_set(&e, -EIO, "libcurl does not start");
    if (r == 0)
        r = run(&s, &e);
    curl_global_cleanup();
    if (r < 0)
        fprintf(stderr, "coffer-collateral: %s\n", error_text(&e, r));
    return r == -EINVAL ? 2 : r < 0 ? 1 : 0;
}

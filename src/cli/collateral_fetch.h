/* SPDX-License-Identifier: Apache-2.0 */
/* cli/collateral_fetch.h: gets the vendors' statements about a platform from a PCS, a PCCS or AMD's
 * KDS into a directory, checked and then put in place all at once. Blocks. */
#ifndef COFFER_CLI_COLLATERAL_FETCH_H
#define COFFER_CLI_COLLATERAL_FETCH_H

#include "base/buf.h"
#include "base/error.h"

struct fetch_settings {
    const char *dir, *quote, *fmspc, *tee, *ca, *pccs, *kds, *product, *root_crl, *ca_file;
    uint64_t every_s;
    bool refresh, help;
};

/* What the evidence in the file needs; what the named platform needs; what the directory has, once
 * more. Each says what it did on standard output. 0, or -errno with a text that names the URL or the
 * statement. */
must_check int fetch_for_file(const struct fetch_settings *s, struct error *e);
must_check int fetch_for_platform(const struct fetch_settings *s, struct error *e);
must_check int fetch_again(const struct fetch_settings *s, struct error *e);

#endif

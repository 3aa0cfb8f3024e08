/* SPDX-License-Identifier: Apache-2.0 */
/* cli/attest_file.h: `coffer attest verify FILE`: judges a quote or report in a file, for anyone who
 * has one; needs no Coffer around it. */
#ifndef COFFER_CLI_ATTEST_FILE_H
#define COFFER_CLI_ATTEST_FILE_H

#include "attest/dcap/verify.h"
#include "attest/snp/verify.h"
#include "base/buf.h"
#include "base/error.h"

struct attest_file_options {
    const char *file;
    const char *collateral; /* a folder; NULL: none */
    const char *at;         /* "2026-03-17T22:34:05Z"; NULL: now */
    const char *event_log;  /* CCEL of a TDX quote; NULL: none */
    bool json;
};

/* Exit codes: 0 genuine and its status known; 1 refused; ATTEST_UNJUDGED genuine, but without the
 * collateral to say how good. */
#define ATTEST_UNJUDGED 3
/* The exit code, or -errno with a text. */
must_check int attest_file(const struct attest_file_options *o, struct error *e);

/* Prints what a quote, a report or a bundle says, and whether it is genuine as far as it can be told
 * without collateral. 0, or -errno with a text. */
must_check int attest_evidence_show(struct slice evidence, bool json, struct error *e);

/* The evidence in a file: the bytes, their hexadecimal text, or that of a certificate in PEM. */
must_check int attest_record_read(const char *path, size_t size_max, struct buf *ret_record,
                                  struct error *e);
must_check int attest_hex_undo(struct buf *bytes);

/* One set of Intel's statements; all certificates and lists of a folder; a time as --at takes it. */
must_check int attest_folder_dcap(const char *folder, struct dcap_collateral **ret_collateral,
                                  struct error *e);
must_check int attest_folder_snp(const char *folder, struct snp_certificates *all, struct error *e);
must_check int attest_time_of(const char *text, int64_t *ret_s, struct error *e);

#endif

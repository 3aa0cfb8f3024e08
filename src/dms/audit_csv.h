/* SPDX-License-Identifier: Apache-2.0 */
/* dms/audit_csv.h: the audit trail as CSV (RFC 4180; docs/document-audit.md). A cell that a spreadsheet
 * would take for a formula gets an apostrophe before it; whoever checks hashes takes it away again. */
#ifndef COFFER_DMS_AUDIT_CSV_H
#define COFFER_DMS_AUDIT_CSV_H

#include "base/buf.h"
#include "dms/store_audit.h"

void audit_csv_head(struct buf *out);
/* 0 or -ENOMEM. */
must_check int audit_csv_entry(struct buf *out, const struct audit_entry *entry);

#endif

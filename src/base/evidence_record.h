/* SPDX-License-Identifier: Apache-2.0 */
/* base/evidence_record.h: the layout of simulated evidence, which platform/ writes and attest/
 * reads. docs/evidence-format.md explains it. Fixed size, little-endian, no padding:
 *
 *   offset size
 *        0    4  magic "CFEV"
 *        4    2  version, 1
 *        6    2  tee, 1: sim
 *        8    4  size of the record, 404
 *       12    4  security version number (SVN) of the program
 *       16    4  flags; bit 0: debug, may be read by its host. All others zero
 *       20    4  zero
 *       24   32  runtime: SHA-256 of the runtime; zeros: run natively
 *       56   32  program: SHA-256 of the program
 *       88   32  signer of the program; zeros: unsigned
 *      120   32  config: SHA-256 of the manifest it was started with; zeros: none
 *      152   16  instance of the launcher; zeros: none
 *      168   64  report data
 *      232   43  zero
 *      275   65  public key of the device, P-256, SEC 1 uncompressed
 *      340   64  ECDSA P-256 SHA-256 signature over "coffer sim evidence 1" || bytes 0..339 */
#ifndef COFFER_BASE_EVIDENCE_RECORD_H
#define COFFER_BASE_EVIDENCE_RECORD_H

#define EVIDENCE_MAGIC "CFEV"
#define EVIDENCE_VERSION 1
#define EVIDENCE_TEE_SIM 1
#define EVIDENCE_TEE_TDX 2
#define EVIDENCE_TEE_SNP 3
#define EVIDENCE_FLAG_DEBUG 1u
#define EVIDENCE_DIGEST_SIZE 32
#define EVIDENCE_INSTANCE_SIZE 16
#define EVIDENCE_REPORT_DATA_SIZE 64
#define EVIDENCE_RESERVED_SIZE 43
#define EVIDENCE_POINT_SIZE 65
#define EVIDENCE_SIGNATURE_SIZE 64
#define EVIDENCE_SIGNED_SIZE 340
#define EVIDENCE_RECORD_SIZE 404
#define EVIDENCE_SIGNED_CONTEXT "coffer sim evidence 1"
/* The same layout with tee 2 (TDX) or 3 (SEV-SNP): of one process, signed by the launcher whose key
 * the virtual machine's own report names (attest/bundle.h). */
#define EVIDENCE_LAUNCHED_CONTEXT "coffer launched evidence 1"

#endif

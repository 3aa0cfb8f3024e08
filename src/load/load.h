/* SPDX-License-Identifier: Apache-2.0 */
/* load/load.h: the command `coffer load`. */
#ifndef COFFER_LOAD_LOAD_H
#define COFFER_LOAD_LOAD_H

/* argv[0] is "load". Returns the exit status: 0 good, 1 too many errors, 2 wrong usage. */
int load_command(int argc, char **argv);

#endif

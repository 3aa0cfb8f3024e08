/* SPDX-License-Identifier: Apache-2.0 */
/* cli/volume_command.h: `coffer volume`: look at and check volumes from outside a runtime. */
#ifndef COFFER_CLI_VOLUME_COMMAND_H
#define COFFER_CLI_VOLUME_COMMAND_H

/* argv[0] is "volume". Returns the exit status: 0, 1 (found damage, or it failed), 2 (usage). */
int volume_command(int argc, char **argv);

#endif

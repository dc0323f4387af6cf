/* Intel's AMX on CPUs that have none: from the call on, its instructions no longer end the process but do what the
 * manual says. Nothing on other architectures. */
#ifndef TESTS_AMX_EMULATOR_H
#define TESTS_AMX_EMULATOR_H

void amx_emulate(void);

#endif

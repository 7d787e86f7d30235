/* SPDX-License-Identifier: Apache-2.0 */
/* With libFuzzer: g_error traps, which the engine does not take as a crash. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);

static void
on_trap (int number)
{
  abort ();
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  signal (SIGTRAP, on_trap);
  return 0;
}

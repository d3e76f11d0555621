/* What else the agent's executable can be, chosen by argv[0]. */
#pragma once

/* "dvm-init": PID 1 of a container (docker run --init): forwards signals, reaps, ends with its child's status. */
_Noreturn void role_init(char *const arguments[], char *const environment[]);
/* "dvm-pod": PID 1 of the PID namespace that a pod's containers share: reaps, for ever. */
_Noreturn void role_pod(void);

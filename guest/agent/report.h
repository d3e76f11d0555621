/* What to do with things that go wrong. */
#pragma once
#include <stdbool.h>

#include "protocol.gen.h"

/* Why a request cannot be done; becomes an `error` reply. */
struct fault {
	enum error_code code;
	int number; /* errno, or 0 */
	char message[480];
};

/* Fills in `f`, with errno's text behind the message when `number` is not 0. Returns false, to be returned. */
__attribute__((format(printf, 4, 5))) bool fault_set(struct fault *f, enum error_code code, int number,
						     const char *format, ...);

/* A line in the kernel's log, which the host keeps. */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);

/* Before the channel is there nobody can be told: says why, with errno, and ends the machine. */
__attribute__((format(printf, 1, 2))) _Noreturn void die(const char *format, ...);

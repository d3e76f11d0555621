/* What a test of the C side needs. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition_) \
	do { \
		if (!(condition_)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition_); \
			exit(1); \
		} \
	} while (0)

/* Freezing, killing and taking apart: what is done to a container as a whole. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "report.h"

struct container;

bool signal_all(struct container *c, uint8_t signal, struct fault *f);

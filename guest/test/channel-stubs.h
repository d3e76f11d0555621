/* The channel alone, with its port one end of a socket pair, and what it calls written down. */
#pragma once
#include "agent.h"

struct heard {
	unsigned hellos, frames;
	uint16_t opcode; /* of the last frame */
	uint32_t id;
	size_t length;
	uint64_t bytes; /* of all payloads */
};
extern struct heard heard;

/* `host` becomes the host's end. */
void stub_open(struct agent *agent, int *host);
void stub_close(struct agent *agent, int host);
/* Lets the channel read what is there and write what it has. */
void stub_run(struct agent *agent);

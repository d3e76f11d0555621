/* From frames to what they ask for. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "report.h"

struct agent;

/* A request that has been decoded. Its memory lives until `request_free`. */
struct request {
	uint32_t id;
	uint16_t opcode;
	struct arena arena;
	void *message;
	bool kept; /* the handler answers later, and frees it then */
};
void request_free(struct request *request);

/* Decodes a frame and does what it says. The host is trusted to mean well, not to be without mistakes. */
void handle_frame(struct agent *agent, uint16_t opcode, uint32_t id, const uint8_t *payload, size_t length);
void reply(struct agent *agent, const struct request *request, const void *message);
void send_hello(struct agent *agent);

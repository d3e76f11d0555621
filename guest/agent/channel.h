/* The guest channel: finds the port, keeps it in step with the host, cuts frames, sends them. */
#pragma once
#include "loop.h"
#include "protocol.gen.h"
#include "report.h"

struct channel {
	struct source port;
	bool synced; /* between a sync block and the next thing that does not fit */
	uint32_t session;
	uint8_t *in; /* what was read and not yet consumed: in[in_start .. in_end) */
	size_t in_start, in_end, in_capacity;
	struct wire_writer waiting; /* replies and events, as frames */
	struct wire_writer out;	    /* being written: out.data[out_start .. out.length) */
	size_t out_start;
	bool writable;
	bool stalled; /* not reading, because the host does not take the answers */
};

/* Opens the port called dvm.agent if it is there by now. */
bool channel_find(struct agent *agent);
/* Speaks over this descriptor from now on; it does not block. */
void channel_use(struct agent *agent, int port);
/* Queues a frame; it goes out when the current batch of events has been handled. Nothing happens without a session. */
void channel_send(struct agent *agent, uint16_t opcode, uint32_t id, const void *message);
void channel_error(struct agent *agent, uint32_t id, const struct fault *fault);
/* Writes what can be written: first what is queued, then data of the streams, in turn. */
void channel_flush(struct agent *agent);
/* Reads on when that had to stop for a host that did not read. */
void channel_catch_up(struct agent *agent);

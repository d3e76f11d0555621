/* Requests about the machine as a whole. */
#pragma once

struct agent;
struct request;

void sandbox_ping(struct agent *agent, struct request *request);
void sandbox_prepare_template(struct agent *agent, struct request *request);
void sandbox_personalise(struct agent *agent, struct request *request);
void sandbox_set_clock(struct agent *agent, struct request *request);
void sandbox_set_hostname(struct agent *agent, struct request *request);
void sandbox_release_disk(struct agent *agent, struct request *request);
void sandbox_shutdown(struct agent *agent, struct request *request);

#pragma once
#define AGENT_VERSION "0.1.0"

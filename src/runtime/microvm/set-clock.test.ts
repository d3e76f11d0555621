import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentConnection } from '../../agent/agent-connection.ts';
import { FakeAgent } from '../../agent/fake-agent.ts';
import { correctClock } from './set-clock.ts';

async function connected(agent: FakeAgent, signal: AbortSignal): Promise<AgentConnection> {
  const warn = (message: string) => assert.fail(message);
  return await AgentConnection.open(agent.connect(), { fresh: true, signal, warn });
}

test('a clock that is right is left alone', async (t) => {
  const agent = new FakeAgent();
  await using connection = await connected(agent, t.signal);
  await correctClock(connection, t.signal);
  assert.equal(agent.clockSettings, 0);
});

test('one that is wrong is set until it is right', async (t) => {
  for (const errorMs of [-3_600_000, 240, 1e12]) {
    const agent = new FakeAgent();
    agent.clockErrorMs = errorMs;
    await using connection = await connected(agent, t.signal);
    await correctClock(connection, t.signal);
    assert.ok(Math.abs(agent.clockErrorMs) <= 20, String(agent.clockErrorMs));
    assert.ok(agent.clockSettings >= 1);
  }
});

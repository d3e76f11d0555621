import { setTimeout as delay } from 'node:timers/promises';
import { AgentConnection } from '../../agent/agent-connection.ts';
import type { Machine } from '../../engine/ports/vmm.ts';
import { EngineError, errorCodeOf, messageOf } from '../../errors/engine-error.ts';
import { orAborted, withDeadline } from '../../system/deadline.ts';
import type { RuntimeContext } from './runtime-context.ts';

export interface ConnectOptions {
  /** See AgentConnectionOptions. */
  readonly fresh: boolean;
  readonly timeoutMs: number;
}

/** How long a VMM's end may come after its channel's: then the VMM's words say why, and not "connection reset". */
const exitAfterChannelMs = 1000;

/**
 * Waits until a machine's agent answers. Rejects with `unavailable` when the VMM ends before, `deadline_exceeded` when the
 * guest does not get ready (with what its console said last), or with the signal's reason.
 */
export async function connectGuest(
  context: RuntimeContext,
  machine: Machine,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<AgentConnection> {
  using deadline = withDeadline(signal, options.timeoutMs, 'the guest to get ready');
  const died = machine.exited.then(({ lastWords }): never => {
    throw new EngineError('unavailable', `the VMM ended before the guest was ready: ${lastWords.trim()}`);
  });
  const connecting = open(context, machine, options.fresh, deadline.signal);
  try {
    return await Promise.race([connecting, died]);
  } catch (error) {
    // Whichever of the two comes late must not be left over.
    connecting.then(
      (late) => late[Symbol.asyncDispose](),
      () => undefined,
    );
    if (errorCodeOf(error) === 'deadline_exceeded' && !signal.aborted) {
      throw new EngineError('deadline_exceeded', await withConsole(messageOf(error), machine), {
        cause: error,
      });
    }
    if (errorCodeOf(error) === 'unavailable') await Promise.race([died, delay(exitAfterChannelMs)]);
    throw error;
  } finally {
    died.catch(() => undefined); // told through the race
  }
}

async function open(
  context: RuntimeContext,
  machine: Machine,
  fresh: boolean,
  signal: AbortSignal,
): Promise<AgentConnection> {
  const channel = await machine.connectChannel(signal);
  return await AgentConnection.open(channel, {
    fresh,
    signal,
    warn: (message, cause) => context.observer.warn(`machine ${machine.id}: ${message}`, cause),
    timeoutMs: context.timeouts.requestMs,
  });
}

async function withConsole(message: string, machine: Machine): Promise<string> {
  try {
    const console = await orAborted(machine.console(), AbortSignal.timeout(2000));
    return `${message}; its console says last:\n${console.trim().split('\n').slice(-12).join('\n')}`;
  } catch (error) {
    return `${message} (its console cannot be read: ${messageOf(error)})`;
  }
}

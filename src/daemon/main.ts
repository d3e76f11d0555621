/** dvmd: reads what it is told, starts the daemon, and stops it when it is asked to. */
import { parseCommand, usage } from './config.ts';
import type { DaemonConfig } from './config.ts';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { dvmVersion } from './version.ts';

/** A daemon that cannot let go in this time is ended; the next one makes true what it left. */
const stopTimeoutMs = 10_000;

/** By then the pool has begun to fill. */
const afterStartMs = 4000;
const upkeepMs = 120_000;

const exitCodes = { usage: 2, failure: 1, defect: 70 } as const;

async function main(): Promise<void> {
  const command = await parseCommand(process.argv.slice(2));
  if (command.kind === 'help') process.stdout.write(usage);
  else if (command.kind === 'version') process.stdout.write(`dvmd ${dvmVersion}\n`);
  else await run(command.config);
}

async function run(config: DaemonConfig): Promise<void> {
  process.umask(0o022);
  const { createLogger } = await import('./logger.ts');
  const logger = createLogger(config.logLevel);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error }, 'a defect: the daemon ends, the pods run on; start it again');
      process.exit(exitCodes.defect);
    });
  }
  const stop = whenAskedToStop();
  const { startDaemon } = await import('./daemon.ts');
  const daemon = await startDaemon(config, import.meta.dirname, logger, stop.signal);
  logger.info(
    { version: dvmVersion, socket: config.socketPath, readyMs: Math.round(performance.now()) },
    'ready',
  );
  await tellServiceManager('READY=1');
  await keepSmall();
  await stop.asked;
  logger.info('stopping: the pods run on');
  await tellServiceManager('STOPPING=1');
  const tooLong = setTimeout(() => {
    logger.error(`could not let go of everything in ${stopTimeoutMs} ms`);
    process.exit(exitCodes.failure);
  }, stopTimeoutMs);
  await daemon[Symbol.asyncDispose]();
  clearTimeout(tooLong);
  logger.info('stopped');
}

/** SIGTERM, or SIGINT from a terminal. While the daemon still starts, its start is given up. */
function whenAskedToStop(): { readonly signal: AbortSignal; readonly asked: Promise<undefined> } {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      controller.abort(new EngineError('canceled', `the daemon was ended by ${name} while it started`));
      resolve(undefined);
    });
  }
  return { signal: controller.signal, asked: promise };
}

/** What was needed for starting, pulling and streaming is given back: the daemon mostly waits. */
async function keepSmall(): Promise<void> {
  const { returnFreeMemory } = await import('../system/free-memory.ts');
  setTimeout(returnFreeMemory, afterStartMs).unref();
  setInterval(returnFreeMemory, upkeepMs).unref();
}

async function tellServiceManager(state: string): Promise<void> {
  const socketPath = process.env['NOTIFY_SOCKET'];
  if (socketPath === undefined) return;
  const { notifyServiceManager } = await import('../system/service-notification.ts');
  notifyServiceManager(socketPath, state);
}

try {
  await main();
} catch (error) {
  const code =
    error instanceof EngineError && error.code === 'invalid_argument' ? exitCodes.usage : exitCodes.failure;
  process.stderr.write(`dvmd: ${messageOf(error)}\n`);
  if (!(error instanceof EngineError) && error instanceof Error)
    process.stderr.write(`${error.stack ?? ''}\n`);
  process.exitCode = code;
}

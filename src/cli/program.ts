/** One command line, from its words to its exit code. */
import { resolve } from 'node:path';
import { DaemonClient } from '../client/daemon-client.ts';
import { defaultSocketPath, parseEndpoint } from '../client/endpoint.ts';
import type { Endpoint } from '../client/endpoint.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Command, TableEntry } from './arguments/command.ts';
import type { FlagValues } from './arguments/flag-values.ts';
import { parseFlags } from './arguments/parse-flags.ts';
import { UsageError } from './arguments/usage-error.ts';
import { commandTable, findCommand } from './command-table.ts';
import { ExitError } from './exit-error.ts';
import { globalFlags } from './global-flags.ts';
import { describeError } from './output/error-text.ts';
import { ProcessOutput } from './terminal/text-output.ts';
import type { TextOutput } from './terminal/text-output.ts';

export interface ProgramInput {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** stdout and stderr, unless somebody else listens. */
  readonly out?: TextOutput;
  readonly err?: TextOutput;
}

/** Never throws: what goes wrong is on stderr and in the code. */
export async function runProgram({
  words,
  env,
  out = new ProcessOutput(1),
  err = new ProcessOutput(2),
}: ProgramInput): Promise<number> {
  try {
    const exitCode = await dispatch(words, env, out, err);
    await out.flush();
    await err.flush();
    return exitCode;
  } catch (error) {
    return await fail(error, out, err, env);
  }
}

type Environment = ProgramInput['env'];

async function dispatch(
  words: readonly string[],
  env: Environment,
  out: TextOutput,
  err: TextOutput,
): Promise<number> {
  const globals = parseGlobals(words);
  const found = findCommand(globals.args);
  if (found === undefined) {
    const { runWithoutVerb } = await import('./top-level.ts');
    return await runWithoutVerb({
      words: globals.args,
      help: globals.help,
      version: globals.flags.bool('version'),
      out,
    });
  }
  const { entry, calledAs } = found;
  const { command } = await entry.load();
  const rest = globals.args.slice(calledAs.split(' ').length);
  if (globals.help) return await showHelp(entry, calledAs, command, out);
  const line = parseLine(command, calledAs, rest);
  if (line.help) return await showHelp(entry, calledAs, command, out);
  await checkCount(command, calledAs, line.args.length);
  const client = clientFor(globals.flags, env, err);
  const context = {
    flags: line.flags,
    args: line.args,
    client,
    out,
    err,
    calledAs,
    env,
    table: commandTable,
  };
  try {
    return await command.run(context);
  } finally {
    client.close();
  }
}

function parseGlobals(words: readonly string[]) {
  try {
    return parseFlags(words, globalFlags, { stopAtFirstArgument: true, unsupported: [] });
  } catch (error) {
    throw error instanceof UsageError ? usageFailure(error, '', '[OPTIONS] COMMAND [ARG...]') : error;
  }
}

function parseLine(command: Command, calledAs: string, words: readonly string[]) {
  try {
    const unsupported = command.unsupported ?? [];
    return parseFlags(words, command.flags, {
      stopAtFirstArgument: command.stopAtFirstArgument === true,
      unsupported,
    });
  } catch (error) {
    throw error instanceof UsageError ? usageFailure(error, calledAs, command.usage) : error;
  }
}

async function checkCount(command: Command, calledAs: string, given: number): Promise<void> {
  if (given >= command.args.min && given <= command.args.max) return;
  const { wrongArgumentCount } = await import('./arguments/help.ts');
  throw usageFailure(wrongArgumentCount(calledAs, command.args), calledAs, command.usage);
}

function usageFailure(error: UsageError, calledAs: string, usage: string): ExitError {
  const name = calledAs === '' ? 'dvm' : `dvm ${calledAs}`;
  const text = `${error.message}\n\nUsage:  ${`${name} ${usage}`.trimEnd()}\n\nRun '${name} --help' for more information`;
  return new ExitError(error.exitCode, text);
}

async function showHelp(
  entry: TableEntry,
  calledAs: string,
  command: Command,
  out: TextOutput,
): Promise<number> {
  const { commandHelp } = await import('./arguments/help.ts');
  await out.write(commandHelp(calledAs, command, entry));
  return 0;
}

function clientFor(flags: FlagValues, env: Environment, err: TextOutput): DaemonClient {
  const endpoint = endpointFor(flags, env);
  const directory = (name: 'data-dir' | 'state-dir') =>
    flags.isSet(name) ? resolve(flags.string(name)) : undefined;
  const dataDirectory = directory('data-dir');
  const stateDirectory = directory('state-dir');
  const own = dataDirectory !== undefined || stateDirectory !== undefined;
  // A socket that somebody chose belongs to a daemon that somebody runs, unless its directories were named as well.
  if (!own && endpoint.socketPath !== defaultSocketPath) return new DaemonClient(endpoint);
  return new DaemonClient(endpoint, {
    startDaemon: async (cause) => {
      const { startDaemon } = await import('./launch/start-daemon.ts');
      const program = env['DVM_DAEMON'];
      await startDaemon({ endpoint, dataDirectory, stateDirectory, cause, err, program });
    },
  });
}

function endpointFor(flags: FlagValues, env: Environment): Endpoint {
  if (flags.isSet('socket') && flags.isSet('host')) {
    throw new EngineError('invalid_argument', '--socket and --host both name the daemon: give one of them');
  }
  const given = flags.string('socket') || flags.string('host');
  if (given !== '') return parseEndpoint(given);
  if (flags.isSet('state-dir')) return parseEndpoint(resolve(flags.string('state-dir'), 'dvm.sock'));
  return parseEndpoint(env['DVM_SOCKET'] || defaultSocketPath);
}

async function fail(error: unknown, out: TextOutput, err: TextOutput, env: Environment): Promise<number> {
  const exitCode = error instanceof ExitError ? error.exitCode : 1;
  const text = textOf(error, env);
  try {
    await out.flush();
    if (text !== '') await err.line(text);
    await err.flush();
  } catch {
    return exitCode; // whoever should have read it is gone
  }
  return exitCode;
}

/** A defect of ours says so, and shows where it is to whoever asks. */
function textOf(error: unknown, env: Environment): string {
  const defect = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
  if (!defect) return describeError(error);
  const place = env['DVM_DEBUG'] === undefined ? ' (DVM_DEBUG=1 shows where)' : `\n${error.stack ?? ''}`;
  return `dvm: internal error: ${error.message}${place}`;
}

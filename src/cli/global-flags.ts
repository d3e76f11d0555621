/** What stands before the verb. */
import { defaultSocketPath } from '../client/endpoint.ts';
import type { FlagSpec } from './arguments/command.ts';

export const globalFlags: readonly FlagSpec[] = [
  {
    name: 'data-dir',
    kind: 'string',
    value: 'path',
    help: "The daemon's data directory, should it have to be started",
    complete: 'file',
  },
  { name: 'host', short: 'H', kind: 'string', help: 'Daemon socket to connect to (unix:///path)' },
  {
    name: 'socket',
    kind: 'string',
    value: 'path',
    help: `Daemon socket to connect to; else $DVM_SOCKET, else ${defaultSocketPath}`,
    complete: 'file',
  },
  {
    name: 'state-dir',
    kind: 'string',
    value: 'path',
    help: "The daemon's state directory, should it have to be started",
    complete: 'file',
  },
  { name: 'version', short: 'v', kind: 'bool', help: 'Print version information and quit' },
];

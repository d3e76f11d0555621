/** What starting a daemon takes. */
import type { Endpoint } from '../../client/endpoint.ts';
import type { TextOutput } from '../terminal/text-output.ts';

export interface StartDaemonOptions {
  readonly endpoint: Endpoint;
  readonly dataDirectory: string | undefined;
  readonly stateDirectory: string | undefined;
  /** Why the connection failed. */
  readonly cause: Error;
  readonly err: TextOutput;
  /** The dvmd to start; undefined: the one beside this program. */
  readonly program: string | undefined;
}

/**
 * A process that can be recognised later: its pid alone may have been given to another one by then, its pid together
 * with its start time (clock ticks since boot) cannot.
 */
import { readFileSync } from 'node:fs';
import { isErrno } from './errno.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, clock ticks since boot: as a string, because it is only ever compared. */
  readonly startTime: string;
}

/** What /proc/PID/stat says, as far as somebody here needs it. */
export interface ProcessStat extends ProcessIdentity {
  readonly command: string;
  /** R, S, D, Z, T, X, … */
  readonly state: string;
  readonly parentPid: number;
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  const text = readProcFile(pid, 'stat');
  return text === undefined ? undefined : parseProcessStat(text);
}

/** The identity of a process that is alive (a zombie is not); undefined when there is none. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readProcessStat(pid);
  if (stat === undefined || isDead(stat.state)) return undefined;
  return { pid: stat.pid, startTime: stat.startTime };
}

/** Whether this very process (not a later one with its pid) still runs. A zombie has ended. */
export function isSameProcessAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTime === identity.startTime;
}

/** Sends a signal to this very process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isSameProcessAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return false;
    throw error;
  }
}

/** The command name stands in parentheses and may hold anything, parentheses and newlines too: take the last one. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const fields = text
    .slice(close + 1)
    .trim()
    .split(/\s+/);
  const [state, parent] = fields;
  const startTime = fields[19]; // field 22; the first after the name is field 3
  const pid = Number(text.slice(0, open));
  if (state === undefined || parent === undefined || startTime === undefined || !Number.isInteger(pid))
    return undefined;
  return { pid, command: text.slice(open + 1, close), state, parentPid: Number(parent), startTime };
}

/** Reads /proc/PID/name; undefined when the process is gone. */
export function readProcFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

function isDead(state: string): boolean {
  return state === 'Z' || state === 'X' || state === 'x';
}

/** `docker top`: a container's processes in the columns that ps arguments ask for. The agent counts, no ps is run. */
import { EngineError } from '../../errors/engine-error.ts';
import type { TopProcess } from '../../engine/ports/pod-runtime.ts';
import type { ContainerTopResponse } from './types.ts';

interface Column {
  readonly title: string;
  readonly show: (process: TopProcess, now: Date) => string;
}

const columns = {
  user: { title: 'USER', show: (p) => p.user },
  uid: { title: 'UID', show: (p) => String(p.uid) },
  pid: { title: 'PID', show: (p) => String(p.pid) },
  ppid: { title: 'PPID', show: (p) => String(p.ppid) },
  c: { title: 'C', show: (p, now) => String(Math.floor(cpuPercent(p, now))) },
  pcpu: { title: '%CPU', show: (p, now) => cpuPercent(p, now).toFixed(1) },
  rss: { title: 'RSS', show: (p) => String(p.rssBytes / 1024n) },
  tty: { title: 'TTY', show: (p) => (p.tty === '' ? '?' : p.tty) },
  stat: { title: 'STAT', show: (p) => p.state },
  stime: { title: 'STIME', show: (p, now) => clock(p.startedAt, now) },
  start: { title: 'START', show: (p, now) => clock(p.startedAt, now) },
  time: { title: 'TIME', show: (p) => cpuTime(p.cpuNs) },
  etime: { title: 'ELAPSED', show: (p, now) => elapsed(now.getTime() - p.startedAt.getTime()) },
  comm: { title: 'COMMAND', show: (p) => (p.command.split(' ')[0] ?? '').replace(/^.*\//, '') },
  cmd: { title: 'CMD', show: (p) => p.command },
  args: { title: 'COMMAND', show: (p) => p.command },
} as const satisfies Record<string, Column>;
type ColumnName = keyof typeof columns;

const synonyms: ReadonlyMap<string, ColumnName> = new Map([
  ['command', 'args'],
  ['ucmd', 'comm'],
  ['ucomm', 'comm'],
  ['euser', 'user'],
  ['uname', 'user'],
  ['euid', 'uid'],
  ['s', 'stat'],
  ['state', 'stat'],
  ['tname', 'tty'],
  ['tt', 'tty'],
  ['%cpu', 'pcpu'],
  ['rssize', 'rss'],
  ['cputime', 'time'],
  ['start_time', 'stime'],
]);

/** ps's own lay-outs. Columns that need what a container does not tell (VSZ, %MEM) are left out. */
const layouts: ReadonlyMap<string, readonly ColumnName[]> = new Map([
  ['', ['pid', 'tty', 'time', 'cmd']],
  ['ef', ['user', 'pid', 'ppid', 'c', 'stime', 'tty', 'time', 'cmd']],
  ['aux', ['user', 'pid', 'pcpu', 'rss', 'tty', 'stat', 'start', 'time', 'args']],
]);

export function toTop(
  processes: readonly TopProcess[],
  psArguments: string,
  now: Date,
): ContainerTopResponse {
  const chosen = parsePsArguments(psArguments);
  return {
    Titles: chosen.map((column) => column.title),
    Processes: processes.map((process) => chosen.map((column) => column.show(process, now))),
  };
}

function parsePsArguments(text: string): readonly Column[] {
  const format = /^(?:-?[aexAf]+ +)?(?:-[aexAf]*o|--format)[ =]?(.+)$/.exec(text.trim())?.[1];
  if (format !== undefined) return format.split(/[ ,]+(?:-o *)?/).map(parseColumn);
  const flags = text.trim().replace(/^-/, '');
  const layout = /^[axu]*u[axu]*$/.test(flags)
    ? 'aux'
    : /^[efAa]*f[efAa]*$/.test(flags)
      ? 'ef'
      : /^[axeA]*$/.test(flags)
        ? ''
        : undefined;
  const names = layout === undefined ? undefined : layouts.get(layout);
  if (names === undefined)
    throw new EngineError(
      'invalid_argument',
      `ps arguments "${text}" are not supported: use -ef, aux, or -o with ${Object.keys(columns).join(', ')}`,
    );
  // Docker's -ef calls the user's column UID.
  return names.map((name) =>
    layout === 'ef' && name === 'user' ? { ...columns.user, title: 'UID' } : columns[name],
  );
}

/** "pid", or with a title of the user's own "pid=ID". */
function parseColumn(word: string): Column {
  const [given = '', title] = word.split('=', 2);
  const name = synonyms.get(given) ?? given;
  if (!isColumn(name))
    throw new EngineError(
      'invalid_argument',
      `ps column "${given}" is not supported: there are ${Object.keys(columns).join(', ')}`,
    );
  return title === undefined || title === '' ? columns[name] : { ...columns[name], title };
}

function isColumn(name: string): name is ColumnName {
  return Object.hasOwn(columns, name);
}

function cpuPercent(process: TopProcess, now: Date): number {
  const livedMs = now.getTime() - process.startedAt.getTime();
  return livedMs <= 0 ? 0 : (Number(process.cpuNs / 1_000_000n) / livedMs) * 100;
}

/** 15:04 for today's, Jan02 for older ones. */
function clock(time: Date, now: Date): string {
  if (now.getTime() - time.getTime() < 24 * 3600 * 1000) return time.toISOString().slice(11, 16);
  return time.toUTCString().slice(5, 11).split(' ').reverse().join('');
}

function cpuTime(ns: bigint): string {
  const seconds = Number(ns / 1_000_000_000n);
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(twoDigits).join(':');
}

function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor(seconds / 3600) % 24;
  const rest = [(seconds / 60) % 60, seconds % 60].map(twoDigits).join(':');
  if (days > 0) return `${days}-${twoDigits(hours)}:${rest}`;
  return hours > 0 ? `${twoDigits(hours)}:${rest}` : rest;
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, '0');
}

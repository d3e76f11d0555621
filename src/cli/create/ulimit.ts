/** `--ulimit nofile=1024:2048` */
import type { Ulimit } from '../../client/api-types.ts';

const names = new Set([
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]);

/** Soft is hard where only one is given; -1 is unlimited. Throws an Error that says what is wrong. */
export function parseUlimit(text: string): Ulimit {
  const equals = text.indexOf('=');
  if (equals < 0) throw new Error(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, equals);
  if (!names.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  const [softText = '', hardText = softText, ...more] = text.slice(equals + 1).split(':');
  if (more.length > 0)
    throw new Error(
      `too many limit value arguments - ${text.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  const soft = limit(softText);
  const hard = limit(hardText);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name, Soft: soft, Hard: hard };
}

function limit(text: string): number {
  const value = text === 'unlimited' ? -1 : Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < -1)
    throw new Error(`invalid ulimit value: "${text}" is not a number`);
  return value;
}

/** Signals of Linux by name and number, as Docker reads them: 'SIGTERM', 'term', '15', 'SIGRTMIN+3'. */
import { constants } from 'node:os';
import { EngineError } from '../errors/engine-error.ts';

const realTimeMin = 34;
const realTimeMax = 64;
const numbers = new Map<string, number>(Object.entries(constants.signals));

/** Throws `invalid_argument` for what is no signal. */
export function parseSignal(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : numberOfName(text.toUpperCase());
  if (number === undefined || number < 1 || number > realTimeMax)
    throw new EngineError('invalid_argument', `Invalid signal: ${text}`);
  return number;
}

function numberOfName(name: string): number | undefined {
  const bare = name.startsWith('SIG') ? name.slice(3) : name;
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(bare);
  if (realTime === null) return numbers.get(`SIG${bare}`);
  const distance = Number(realTime[3] ?? 0) * (realTime[2] === '-' ? -1 : 1);
  const number = (realTime[1] === 'MIN' ? realTimeMin : realTimeMax) + distance;
  return number >= realTimeMin && number <= realTimeMax ? number : undefined;
}

export const SIGKILL = 9;

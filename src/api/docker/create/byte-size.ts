import { EngineError } from '../../../errors/engine-error.ts';

const factors: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
  ['t', 1024 ** 4],
]);

/** "10m", "1.5 GiB", "4096": bytes. `what` names the option in the refusal. */
export function parseBytes(text: string, what: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const factor = factors.get((match?.[2] ?? '').toLowerCase());
  const bytes = match === null || factor === undefined ? 0 : Math.floor(Number(match[1]) * factor);
  if (bytes <= 0 || !Number.isSafeInteger(bytes))
    throw new EngineError('invalid_argument', `${what}: "${text}" is not a size such as 10m or 1g`);
  return bytes;
}

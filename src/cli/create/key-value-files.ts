/** Environment variables and labels, from flags and from files of them. */
import { readFileSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const maxFileBytes = 16 * 1024 * 1024;

/** Files first, then flags. A name alone takes its value from `env`; where it has none, a flag keeps the bare name, a file drops it. */
export function readEnvironment(
  files: readonly string[],
  flags: readonly string[],
  env: Environment,
): readonly string[] {
  const fromFiles = files.flatMap((path) =>
    readLines(path, 'env-file').flatMap((line) => {
      if (line.includes('=')) return [line];
      const value = env[line];
      return value === undefined ? [] : [`${line}=${value}`];
    }),
  );
  const fromFlags = flags.map((flag) => {
    if (flag.startsWith('=') || flag === '')
      throw new EngineError('invalid_argument', `invalid environment variable: ${flag}`);
    const value = flag.includes('=') ? undefined : env[flag];
    return value === undefined ? flag : `${flag}=${value}`;
  });
  return [...fromFiles, ...fromFlags];
}

/** The later of two labels with one name wins. A name alone has the value '' as a flag; a file's line of that kind says nothing. */
export function readLabels(
  files: readonly string[],
  flags: readonly string[],
): Readonly<Record<string, string>> {
  const fromFiles = files
    .flatMap((path) => readLines(path, 'label-file'))
    .filter((line) => line.includes('='));
  return toMap([...fromFiles, ...flags]);
}

/** "key=value" entries as a map. */
export function toMap(entries: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    entries.map((entry) => {
      const equals = entry.indexOf('=');
      return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

function readLines(path: string, flag: string): readonly string[] {
  const lines: string[] = [];
  for (const [index, raw] of readText(path).split('\n').entries()) {
    const line = raw.replace(/\r$/, '').trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const name = line.split('=', 1)[0] ?? '';
    const where = `--${flag}: ${path}, line ${index + 1}`;
    if (name === '')
      throw new EngineError('invalid_argument', `${where}: no variable name on line '${line}'`);
    if (/\s/.test(name))
      throw new EngineError('invalid_argument', `${where}: variable '${name}' contains whitespaces`);
    lines.push(line);
  }
  return lines;
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const why =
      code === 'ENOENT' ? 'no such file or directory' : code === 'EISDIR' ? 'is a directory' : String(cause);
    throw new EngineError('invalid_argument', `open ${path}: ${why}`, { cause });
  }
  if (bytes.length > maxFileBytes) throw new EngineError('invalid_argument', `${path} is larger than 16 MiB`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes); // a byte order mark is dropped
  } catch (cause) {
    throw new EngineError('invalid_argument', `${path} is not UTF-8 text`, { cause });
  }
}

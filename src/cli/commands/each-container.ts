/** Verbs that do one thing to each of many: every name is tried, each success is its name on stdout, the errors come last. */
import type { CommandContext } from '../arguments/command.ts';
import { ExitError } from '../exit-error.ts';
import { describeError } from '../output/error-text.ts';

/** All at once, told in the order they were given. */
export async function forEachName(
  { args, out, err }: CommandContext,
  operation: (path: string, name: string) => Promise<unknown>,
  /** As good as a success, though nothing was done: it is said, and counts for nothing. */
  isHarmless: (error: unknown) => boolean = () => false,
): Promise<number> {
  const results = args.map((name) =>
    operation(`/containers/${encodeURIComponent(name)}`, name).then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
  );
  const failures: string[] = [];
  for (const [at, name] of args.entries()) {
    const failure = await results[at];
    if (failure === undefined) await out.line(name);
    else if (isHarmless(failure.error)) await err.line(describeError(failure.error));
    else failures.push(describeError(failure.error));
  }
  if (failures.length > 0) throw new ExitError(1, failures.join('\n'));
  return 0;
}

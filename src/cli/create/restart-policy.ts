/** `--restart no|always|unless-stopped|on-failure[:max]` */
import type { RestartPolicy } from '../../client/api-types.ts';
import { EngineError } from '../../errors/engine-error.ts';

export function parseRestartPolicy(text: string): RestartPolicy {
  const [name = '', count, ...more] = text.split(':');
  if (more.length > 0) throw invalid(text, 'too many colons');
  if (count !== undefined && !/^\d{1,9}$/.test(count))
    throw invalid(text, 'maximum retry count must be an integer');
  if (name === 'on-failure') return { Name: name, MaximumRetryCount: Number(count ?? 0) };
  if (name === '' || name === 'no' || name === 'always' || name === 'unless-stopped') {
    if (count !== undefined) throw invalid(text, `a maximum retry count goes with on-failure only`);
    return { Name: name === '' ? 'no' : name, MaximumRetryCount: 0 };
  }
  throw invalid(text, 'it is one of no, always, unless-stopped and on-failure[:max-retries]');
}

function invalid(text: string, why: string): EngineError {
  return new EngineError('invalid_argument', `invalid restart policy "${text}": ${why}`);
}

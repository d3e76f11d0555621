import pino from 'pino';
import type { Logger } from 'pino';
import type { DaemonConfig } from './config.ts';

/** One JSON object per line on standard error, where the journal (or whoever started us) takes it. */
export function createLogger(level: DaemonConfig['logLevel']): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

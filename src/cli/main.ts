/** The `dvm` command. */
import { runProgram } from './program.ts';

runProgram({ words: process.argv.slice(2), env: process.env }).then(
  (exitCode) => process.exit(exitCode),
  (error: unknown) => {
    process.stderr.write(`dvm: internal error: ${String(error)}\n`, () => process.exit(1));
  },
);

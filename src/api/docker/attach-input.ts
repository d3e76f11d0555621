/** Input from an attached terminal, which the detach keys end without ending the container's stdin. */
import { DetachScanner } from './detach-keys.ts';

/**
 * Passes `source` on until the keys are pressed; then calls `detach`, before the input ends, so that the engine can tell
 * leaving from end of file.
 */
export async function* untilDetached(
  source: AsyncIterable<Uint8Array>,
  keys: Uint8Array,
  detach: () => void,
): AsyncGenerator<Uint8Array> {
  const scanner = new DetachScanner(keys);
  for await (const chunk of source) {
    const { forward, detached } = scanner.scan(chunk);
    if (forward.length > 0) yield forward;
    if (detached) {
      detach();
      return;
    }
  }
}

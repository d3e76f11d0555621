/** Text that comes in pieces, line by line. Values of a stream of JSON are one a line. */
import { StringDecoder } from 'node:string_decoder';
import { EngineError } from '../errors/engine-error.ts';

const maxLineBytes = 16 * 1024 * 1024;

export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineBytes)
      throw new EngineError('internal', 'a line of the stream is longer than 16 MiB');
    yield* lines;
  }
  rest += decoder.end();
  if (rest !== '') yield rest;
}

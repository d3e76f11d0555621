/** Answers that grow: the head is sent at once, the rest as it comes, held back while the client does not read. */
import type { FastifyReply } from 'fastify';
import type { Writable } from 'node:stream';

/** Sends status 200 and the headers now, so that the client knows that it is being served. */
export function beginAnswer(reply: FastifyReply, contentType: string): Writable {
  reply.hijack();
  const headers = reply.getHeaders();
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) reply.raw.setHeader(name, value);
  reply.raw.writeHead(200, { 'Content-Type': contentType });
  reply.raw.flushHeaders();
  return reply.raw;
}

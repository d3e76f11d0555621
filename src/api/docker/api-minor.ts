import 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** The y of the API version 1.y that the client speaks. */
    apiMinor: number;
  }
}

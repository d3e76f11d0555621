/** Lets Fastify's routes declare zod schemas: requests are parsed by them, handlers get the parsed types. */
import type { FastifySchemaCompiler, FastifyTypeProvider } from 'fastify';
import type * as z from 'zod';
import { EngineError } from '../../errors/engine-error.ts';

export interface ZodTypeProvider extends FastifyTypeProvider {
  readonly validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
}

/** Parses with the route's schema; what does not fit is an `invalid_argument` that names the field. */
export const compileZodSchema: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const where = httpPart === 'querystring' ? 'query parameter' : httpPart === 'body' ? 'field' : 'path';
  return (data: unknown) => {
    const result = schema.safeParse(data);
    if (result.success) return { value: result.data };
    return { error: new EngineError('invalid_argument', describeIssues(result.error, where)) };
  };
};

/** `field HostConfig.Memory: expected number, received string; …` */
export function describeIssues(error: z.ZodError, where: string): string {
  return error.issues
    .map((issue) =>
      issue.path.length === 0
        ? issue.message
        : `${where} ${issue.path.map(String).join('.')}: ${issue.message}`,
    )
    .join('; ');
}

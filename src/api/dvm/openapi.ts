/** The OpenAPI 3.1 document of `/dvm/v1`, generated from the schemas that validate the requests. */
import * as z from 'zod';
import { operations } from './operations.ts';
import { errorSchema } from './schemas.ts';

export const basePath = '/dvm/v1';

type JsonSchema = z.core.JSONSchema.BaseSchema;

export function openApiDocument(version: string) {
  const schemas: Record<string, JsonSchema> = { Error: schemaOf(errorSchema) };
  const paths: Record<string, unknown> = {};
  for (const [operationId, operation] of Object.entries(operations)) {
    schemas[operation.answerName] = schemaOf(operation.answer);
    paths[`${basePath}${operation.path}`] = {
      [operation.method.toLowerCase()]: {
        operationId,
        summary: operation.summary,
        parameters: parametersOf(operation.parameters),
        responses: {
          200: answer('The answer.', operation.answerName),
          default: answer('What went wrong.', 'Error'),
        },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'DVM',
      version,
      description: 'What the Docker Engine API, on the same socket, has no word for.',
    },
    paths,
    components: { schemas },
  };
}

function answer(description: string, schemaName: string) {
  return {
    description,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schemaName}` } } },
  };
}

function parametersOf(schema: z.ZodObject) {
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  return Object.entries(shape).map(([name, parameter]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(parameter),
  }));
}

function schemaOf(schema: z.core.$ZodType): JsonSchema {
  const document = z.toJSONSchema(schema);
  delete document.$schema; // the document as a whole names the dialect
  return document;
}

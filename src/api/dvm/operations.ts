/** What DVM's own API offers. Routes and OpenAPI document are both made from this table. */
import * as z from 'zod';
import { EngineError } from '../../errors/engine-error.ts';
import { describeIssues } from '../http/zod-provider.ts';
import { doctorSchema, infoSchema, originSchema, traceSchema } from './schemas.ts';
import type { ContainerOrigin, ContainerTrace, DvmDoctor, DvmInfo } from './schemas.ts';

/** What the API needs of the daemon. */
export interface DvmBackend {
  info(): DvmInfo;
  /** Looks at the host anew. */
  doctor(signal: AbortSignal): Promise<DvmDoctor>;
  /** Throws `not_found`; `failed_precondition` when the container never ran. */
  origin(nameOrId: string): ContainerOrigin;
  trace(nameOrId: string): ContainerTrace;
}

export const noParameters = z.strictObject({});
export const containerParameters = z.strictObject({
  id: z.string().min(1).meta({ description: 'Name, ID, or an unambiguous prefix of the ID.' }),
});

interface OperationDefinition<Parameters extends z.ZodObject, Answer extends z.ZodType> {
  readonly method: 'GET' | 'POST';
  /** Below /dvm/v1, parameters in braces. */
  readonly path: string;
  readonly summary: string;
  readonly parameters: Parameters;
  readonly answer: Answer;
  readonly answerName: string;
  readonly handle: (
    backend: DvmBackend,
    parameters: z.output<Parameters>,
    signal: AbortSignal,
  ) => z.output<Answer> | Promise<z.output<Answer>>;
}

export interface Operation extends Omit<OperationDefinition<z.ZodObject, z.ZodType>, 'handle'> {
  /** Parses what stands in the path and answers. */
  readonly run: (backend: DvmBackend, parameters: unknown, signal: AbortSignal) => unknown;
}

function operation<Parameters extends z.ZodObject, Answer extends z.ZodType>({
  handle,
  ...given
}: OperationDefinition<Parameters, Answer>): Operation {
  return {
    ...given,
    run: (backend, parameters, signal) => {
      const parsed = given.parameters.safeParse(parameters);
      if (parsed.success) return handle(backend, parsed.data, signal);
      throw new EngineError('invalid_argument', describeIssues(parsed.error, 'parameter'));
    },
  };
}

export const operations: Readonly<Record<string, Operation>> = {
  info: operation({
    method: 'GET',
    path: '/info',
    summary: 'What runs: VMM, accelerator, guest kernel and why, templates, pool',
    parameters: noParameters,
    answer: infoSchema,
    answerName: 'Info',
    handle: (backend) => backend.info(),
  }),
  doctor: operation({
    method: 'GET',
    path: '/doctor',
    summary: 'Checks the host and says what to install or change',
    parameters: noParameters,
    answer: doctorSchema,
    answerName: 'Doctor',
    handle: (backend, _parameters, signal) => backend.doctor(signal),
  }),
  containerOrigin: operation({
    method: 'GET',
    path: '/containers/{id}/origin',
    summary: "How a container's sandbox came to be, and how long its last start took",
    parameters: containerParameters,
    answer: originSchema,
    answerName: 'Origin',
    handle: (backend, { id }) => backend.origin(id),
  }),
  containerTrace: operation({
    method: 'GET',
    path: '/containers/{id}/trace',
    summary: "The steps of a container's last start, with their times",
    parameters: containerParameters,
    answer: traceSchema,
    answerName: 'Trace',
    handle: (backend, { id }) => backend.trace(id),
  }),
};

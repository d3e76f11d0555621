/** `--format` of the verbs that show whole objects: inspect, info, version, events. */
import { evaluate } from '../template/evaluate.ts';
import { functionNames } from '../template/functions.ts';
import { parseTemplate } from '../template/parser.ts';
import { TemplateError } from '../template/template-error.ts';
import { ExitError } from '../exit-error.ts';

/** Where Docker's API has maps whose keys are the users' own. */
const maps = new Set([
  'Labels',
  'Networks',
  'Ports',
  'Sysctls',
  'Annotations',
  'Tmpfs',
  'StorageOpt',
  'ExposedPorts',
  'Volumes',
  'Options',
  'PortBindings',
  'Attributes',
  'Details',
  'EndpointsConfig',
  'DriverOpts',
]);
/** What Docker's API leaves out when it is empty. */
const optional = new Set([
  'Health',
  'Healthcheck',
  'SizeRw',
  'SizeRootFs',
  'StopTimeout',
  'Variant',
  'OsVersion',
  'Shell',
  'OnBuild',
  'Mounts',
  'ExposedPorts',
  'Volumes',
  'Labels',
  'Entrypoint',
  'Cmd',
  'Env',
  'StopSignal',
  'Domainname',
  'MacAddress',
  'Error',
  'Annotations',
  'Sysctls',
  'StorageOpt',
  'Tmpfs',
  'Init',
  'Server',
  'from',
  'status',
  'id',
]);

export type ObjectFormatter = (value: unknown) => string;

/** One line for a value. Throws an ExitError of 64 for a template that cannot be read. */
export function objectFormatter(format: string): ObjectFormatter {
  if (format === 'json') return (value) => JSON.stringify(value);
  try {
    const template = parseTemplate(format, functionNames);
    return (value) => evaluate(template, value, { maps, optional, ignoreCase: true });
  } catch (error) {
    throw error instanceof TemplateError ? new ExitError(64, error.message, { cause: error }) : error;
  }
}

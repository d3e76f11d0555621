/** The filters of `ps`: alternatives within a key, all keys have to match. What is not known is refused. */
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerStatus } from './model/container.ts';
import type { Container } from './container.ts';
import type { ContainerFilter } from './service.ts';

export type Filters = Readonly<Record<string, readonly string[]>>;
export type ContainerTest = (container: Container) => boolean;

/** What a filter needs to know besides the container. */
export interface FilterFacts {
  readonly get: (nameOrId: string) => Container;
  /** Of an image by name or id; undefined when there is none. */
  readonly imageId: (nameOrId: string) => string | undefined;
}

type MakeTest = (value: string, facts: FilterFacts) => ContainerTest;

const statuses = {
  created: true,
  running: true,
  paused: true,
  restarting: true,
  removing: true,
  exited: true,
  dead: true,
} satisfies Record<ContainerStatus, true>;

const tests: Readonly<Record<string, MakeTest>> = {
  id: (value) => (container) => container.id.startsWith(value),
  name: (value) => {
    const pattern = parsePattern(value);
    return (container) => pattern.test(container.name) || pattern.test(`/${container.name}`);
  },
  label: labelTest,
  'label!': (value) => {
    const test = labelTest(value);
    return (container) => !test(container);
  },
  status: (value) => {
    if (!(value in statuses)) throw invalidFilter('status', value);
    return (container) => container.status === value;
  },
  exited: (value) => {
    if (!/^\d+$/.test(value)) throw invalidFilter('exited', value);
    return (container) => container.status === 'exited' && container.exit?.exitCode === Number(value);
  },
  ancestor: (value, facts) => {
    const imageId = facts.imageId(value);
    return ({ record }) => record.spec.imageId === imageId || record.spec.imageReference === value;
  },
  before: (value, facts) => {
    const { sequence } = facts.get(value).record;
    return (container) => container.record.sequence < sequence;
  },
  since: (value, facts) => {
    const { sequence } = facts.get(value).record;
    return (container) => container.record.sequence > sequence;
  },
  // Nothing here has a health check or belongs to a swarm, so every container answers these the same.
  health: (value) => () => value === 'none',
  'is-task': (value) => () => value === 'false' || value === '0',
};

const listKeys = new Set(Object.keys(tests).filter((key) => key !== 'label!'));
const notYet = new Set(['network', 'volume', 'publish', 'expose', 'isolation']);

/** Newest first, as `ps` shows them. */
export function selectContainers(
  all: readonly Container[],
  query: ContainerFilter,
  facts: FilterFacts,
): readonly Container[] {
  const test = containerTest(query.filters, listKeys, facts);
  const limited = query.limit !== undefined && query.limit > 0;
  const everyStatus = query.all || limited || (query.filters['status'] ?? []).length > 0;
  const matching = [...all]
    .reverse()
    .filter((container) => (everyStatus || container.isRunning) && test(container));
  return limited ? matching.slice(0, query.limit) : matching;
}

/** Throws `invalid_argument` for a key that is not in `keys`, `unimplemented` for one that Docker has and DVM has not. */
export function containerTest(
  filters: Filters,
  keys: ReadonlySet<string>,
  facts: FilterFacts,
): ContainerTest {
  const all = Object.entries(filters).map(([key, values]) => {
    if (notYet.has(key))
      throw new EngineError('unimplemented', `the filter '${key}' of containers is not supported yet`);
    const make = tests[key];
    if (make === undefined || !keys.has(key))
      throw new EngineError('invalid_argument', `invalid filter '${key}'`);
    const anyOf = values.map((value) => make(value, facts));
    // Labels are the exception of Docker's: every one that is named has to be there.
    const everyOf = key === 'label' || key === 'label!';
    return (container: Container) =>
      anyOf.length === 0 ||
      (everyOf ? anyOf.every((test) => test(container)) : anyOf.some((test) => test(container)));
  });
  return (container) => all.every((test) => test(container));
}

function labelTest(value: string): ContainerTest {
  const equals = value.indexOf('=');
  const key = equals < 0 ? value : value.slice(0, equals);
  return ({ record }) => {
    const actual = record.spec.labels[key];
    return actual !== undefined && (equals < 0 || actual === value.slice(equals + 1));
  };
}

function parsePattern(value: string): RegExp {
  try {
    return new RegExp(value);
  } catch (cause) {
    throw new EngineError('invalid_argument', `invalid filter 'name=${value}': not a regular expression`, {
      cause,
    });
  }
}

function invalidFilter(key: string, value: string): EngineError {
  return new EngineError('invalid_argument', `invalid filter '${key}=${value}'`);
}

/**
 * Fields of a request that DVM does not act on. A field that is empty or has its neutral value says nothing and is let
 * through; anything else is refused by name, so that nobody believes in a limit or a mount that is not there.
 */
import { EngineError } from '../../../errors/engine-error.ts';

/** Values besides the empty ones that mean "as it is anyway". */
const neutralValues: ReadonlyMap<string, readonly unknown[]> = new Map([
  ['HostConfig.MemorySwappiness', [-1]],
  ['HostConfig.IpcMode', ['private']],
  ['HostConfig.CgroupnsMode', ['private']],
  ['HostConfig.Isolation', ['default']],
]);

/** An empty list that is not null asks for something: no masked paths at all. */
const emptyListMeansSomething: ReadonlySet<string> = new Set([
  'HostConfig.MaskedPaths',
  'HostConfig.ReadonlyPaths',
]);

/** Why, where "not supported yet" would raise a false hope, or what to do instead. */
const reasons: ReadonlyMap<string, string> = new Map([
  ['HostConfig.PidMode', 'a container sees the processes of its own pod only'],
  ['HostConfig.IpcMode', 'a container shares IPC with its own pod only'],
  ['HostConfig.UTSMode', 'a container has the host name of its own pod only'],
  ['HostConfig.UsernsMode', "a container's users are those of its own pod's kernel"],
  ['HostConfig.CgroupnsMode', 'a container sees the cgroups of its own pod only'],
  ['HostConfig.CgroupParent', "cgroups of the host do not reach into a pod's machine"],
  ['HostConfig.Devices', 'devices of the host are out of reach of a pod'],
  ['HostConfig.DeviceRequests', 'devices of the host are out of reach of a pod'],
  ['HostConfig.DeviceCgroupRules', 'devices of the host are out of reach of a pod'],
  ['HostConfig.Isolation', 'it is an option of Windows'],
]);

/** Refuses every field of `value` that is not in `understood` and says something. `section` names it: HostConfig. */
export function refuseOtherFields(
  section: string,
  value: Readonly<Record<string, unknown>>,
  understood: ReadonlySet<string>,
): void {
  for (const [field, content] of Object.entries(value)) {
    const name = section === '' ? field : `${section}.${field}`;
    if (understood.has(field) || isNeutral(name, content)) continue;
    throw refusal(name, content, reasons.get(name));
  }
}

export function refusal(name: string, content: unknown, reason?: string): EngineError {
  const shown = JSON.stringify(content);
  const what = shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
  return new EngineError(
    'unimplemented',
    reason === undefined
      ? `${name} is not supported yet (${what})`
      : `${name} is not supported: ${reason} (${what})`,
  );
}

function isNeutral(name: string, content: unknown): boolean {
  if (emptyListMeansSomething.has(name) && Array.isArray(content)) return false;
  return isEmpty(content) || (neutralValues.get(name) ?? []).includes(content);
}

/** null, "", 0, false, and a list or an object with nothing in it. One with an empty thing in it says something. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === 0 || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** `--cap-add` and `--cap-drop` by their full names. What is added is not dropped, and ALL makes the others redundant. */

export interface Capabilities {
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
}

export function capabilities(add: readonly string[], drop: readonly string[]): Capabilities {
  const added = fullNames(add);
  const dropped = fullNames(drop).filter((name) => !added.includes(name));
  return { ...(added.length > 0 && { CapAdd: added }), ...(dropped.length > 0 && { CapDrop: dropped }) };
}

function fullNames(names: readonly string[]): readonly string[] {
  const full = names
    .map((name) => name.trim().toUpperCase())
    .map((name) => (name === 'ALL' || name.startsWith('CAP_') ? name : `CAP_${name}`));
  return full.includes('ALL') ? ['ALL'] : [...new Set(full)].toSorted();
}

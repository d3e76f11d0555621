/** A generation as plain data: what gen-N.json holds, and what the live definition must equal. */
import * as definition from './definition.ts';

export function frozenText(): string {
  const { generation, limits, syncMagic, enums, structs, messages } = definition;
  return `${JSON.stringify({ generation, limits, syncMagic, enums, structs, messages }, null, 2)}\n`;
}

export const frozenPath = `protocol/gen-${definition.generation}.json`;

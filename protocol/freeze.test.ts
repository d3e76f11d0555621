import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { frozenPath, frozenText } from './freeze.ts';
import { checkDefinition } from './schema.ts';

it('the live definition is the frozen generation: a change needs a new generation number', () => {
  assert.equal(frozenText(), readFileSync(join(import.meta.dirname, '..', frozenPath), 'utf8'));
});

it('the definition is sound', () => {
  checkDefinition();
});

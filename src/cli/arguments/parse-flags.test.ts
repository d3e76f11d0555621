import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlagSpec } from './flag-spec.ts';
import { parseFlags } from './parse-flags.ts';

const specs: readonly FlagSpec[] = [
  { name: 'all', short: 'a', kind: 'bool', help: '' },
  { name: 'quiet', short: 'q', kind: 'bool', help: '' },
  { name: 'proxy', kind: 'bool', default: true, help: '' },
  { name: 'env', short: 'e', kind: 'list', help: '' },
  { name: 'name', short: 'n', kind: 'string', help: '' },
  { name: 'time', short: 't', kind: 'int', help: '' },
];

function parse(words: readonly string[], stopAtFirstArgument = false) {
  return parseFlags(words, specs, { stopAtFirstArgument, unsupported: ['publish', 'p'] });
}

test('every way to write a flag and its value', () => {
  const { flags, args } = parse([
    '-aq',
    '-eA=1',
    '-e',
    'B',
    '-e=C',
    '--env',
    'D',
    '--env=E=F',
    'x',
    '--name=',
    '-t-1',
  ]);
  assert.equal(flags.bool('all') && flags.bool('quiet'), true);
  assert.deepEqual(flags.list('env'), ['A=1', 'B', 'C', 'D', 'E=F']);
  assert.equal(flags.isSet('name'), true);
  assert.equal(flags.string('name'), '');
  assert.equal(flags.int('time'), -1);
  assert.deepEqual(args, ['x']);
});

test('booleans take a value only with an equals sign, and have defaults', () => {
  assert.equal(parse([]).flags.bool('proxy'), true);
  assert.equal(parse(['--proxy=false']).flags.bool('proxy'), false);
  assert.equal(parse(['-a=f']).flags.bool('all'), false);
  const { flags, args } = parse(['--all', 'false']);
  assert.equal(flags.bool('all'), true);
  assert.deepEqual(args, ['false']);
});

test('the last of a repeated flag counts', () => {
  assert.equal(parse(['--name', 'a', '-n', 'b']).flags.string('name'), 'b');
});

test('flags after the first argument are the command’s own where the verb says so', () => {
  assert.deepEqual(parse(['-a', 'image', '-q', '--', '-e'], true).args, ['image', '-q', '--', '-e']);
  assert.deepEqual(parse(['x', '-q', '--', '-e'], false).args, ['x', '-e']);
});

test('a lone dash is an argument, and -- ends the flags', () => {
  assert.deepEqual(parse(['-', '--', '--all', '-x']).args, ['-', '--all', '-x']);
});

test('--help and -h count wherever they stand', () => {
  assert.equal(parse(['x', '--help']).help, true);
  assert.equal(parse(['-ah']).help, true);
});

test('what cannot be understood is named', () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['--nope'], 'unknown flag: --nope'],
    [['--nope=1'], 'unknown flag: --nope'],
    [['-az'], "unknown shorthand flag: 'z' in -az"],
    [['--name'], 'flag needs an argument: --name'],
    [['-ae'], "flag needs an argument: 'e' in -ae"],
    [['--=x'], 'bad flag syntax: --=x'],
    [['--all=perhaps'], 'invalid argument "perhaps" for "-a, --all" flag: it is neither true nor false'],
    [['-t', '1.5'], 'invalid argument "1.5" for "-t, --time" flag: it is not a whole number'],
    [['--publish', '80:80'], '--publish is not supported by DVM: leave it out'],
    [['-p80:80'], '-p is not supported by DVM: leave it out'],
  ];
  for (const [words, message] of cases) assert.throws(() => parse(words), { message, exitCode: 125 });
});

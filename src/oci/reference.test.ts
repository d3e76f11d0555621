import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '../errors/engine-error.ts';
import { canonicalString, familiarString, parseReference, withDefaultTag } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('names are spelled out, and shortened again for people', () => {
  const cases: readonly (readonly [given: string, canonical: string, familiar: string])[] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/a/b', 'docker.io/a/b:latest', 'a/b:latest'],
    ['grafana/grafana', 'docker.io/grafana/grafana:latest', 'grafana/grafana:latest'],
    ['library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
    ['ghcr.io/a/b:tag', 'ghcr.io/a/b:tag', 'ghcr.io/a/b:tag'],
    ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
    ['localhost:5000/x', 'localhost:5000/x:latest', 'localhost:5000/x:latest'],
    ['[::1]:5000/x:y', '[::1]:5000/x:y', '[::1]:5000/x:y'],
    ['Host/x', 'Host/x:latest', 'Host/x:latest'],
    [`busybox@${digest}`, `docker.io/library/busybox@${digest}`, `busybox@${digest}`],
    [`a.b/c:d@${digest}`, `a.b/c:d@${digest}`, `a.b/c:d@${digest}`],
    ['a__b/c-d.e---f', 'docker.io/a__b/c-d.e---f:latest', 'a__b/c-d.e---f:latest'],
  ];
  for (const [given, canonical, familiar] of cases) {
    const reference = withDefaultTag(parseReference(given));
    assert.equal(canonicalString(reference), canonical);
    assert.equal(familiarString(reference), familiar);
  }
});

test('what is no reference is refused with the reason', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    ['a/UPPER', /must be lowercase/],
    ['Upper', /must be lowercase/],
    ['a:b:c', /tag/],
    ['a:', /tag/],
    ['a:-x', /tag/],
    [`a:${'t'.repeat(129)}`, /tag/],
    ['a//b', /repository/],
    ['/a', /repository/],
    ['a/', /repository/],
    ['a___b', /repository/],
    ['a..b/c/d', /host name|repository/],
    ['-a.com/b', /host name/],
    ['a.com:port/b', /host name/],
    ['../etc/passwd', /host name/],
    ['a@sha256:12', /digest/],
    ['a'.repeat(64), /image ID/],
    [`${'a'.repeat(200)}/${'b'.repeat(100)}`, /longer than 255/],
    ['x'.repeat(10_000), /too long/],
  ];
  for (const [given, why] of cases) {
    assert.throws(
      () => parseReference(given),
      (error) => error instanceof EngineError && error.code === 'invalid_argument' && why.test(error.message),
      given,
    );
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, type ErrorCode } from '../errors/engine-error.ts';
import { parseManifest, requireImage } from './manifest.ts';
import { choosePlatform, parsePlatform } from './platform.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest('1'), size: 10 };
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest('2'), size: 20 };
const manifest = { schemaVersion: 2, config, layers: [layer] };

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const parse = (value: unknown, contentType?: string) => parseManifest(bytes(value), contentType, 'x:y');

function refused(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code && message.test(error.message);
}

test('a manifest and an index are told apart by what they say and hold', () => {
  assert.equal(parse(manifest).kind, 'manifest');
  assert.equal(parse({ schemaVersion: 2, manifests: [] }).kind, 'index');
  assert.equal(parse({ ...manifest, annotations: null, subject: {} }).kind, 'manifest');
  const docker = 'application/vnd.docker.distribution.manifest.v2+json; charset=utf-8';
  assert.equal(parse(manifest, docker).mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
});

test('ambiguous, obsolete and misshapen documents are refused by name', () => {
  assert.throws(() => parse({ ...manifest, manifests: [] }), refused('invalid_argument', /both/));
  assert.throws(
    () => parse(manifest, 'application/vnd.oci.image.index.v1+json'),
    refused('invalid_argument', /media type/),
  );
  assert.throws(() => parse({ schemaVersion: 1, fsLayers: [] }), refused('unimplemented', /schema 1/));
  assert.throws(() => parse({ schemaVersion: 2, config }), refused('invalid_argument', /layers/));
  assert.throws(
    () => parse({ ...manifest, config: { ...config, digest: 'sha256:1' } }),
    refused('invalid_argument', /digest/),
  );
  assert.throws(
    () => parse({ ...manifest, config: { ...config, digest: `sha512:${'1'.repeat(128)}` } }),
    refused('unimplemented', /sha256 only/),
  );
  assert.throws(
    () => parse({ ...manifest, layers: [{ ...layer, size: -1 }] }),
    refused('invalid_argument', /layers\.0\.size/),
  );
  assert.throws(
    () => parse({ ...manifest, layers: Array(513).fill(layer) }),
    refused('invalid_argument', /layers/),
  );
  assert.throws(
    () => parseManifest(Buffer.from('{"'), undefined, 'x'),
    refused('invalid_argument', /not JSON/),
  );
  assert.throws(
    () => parseManifest(Buffer.alloc(5_000_000, 0x20), undefined, 'x'),
    refused('resource_exhausted', /larger/),
  );
});

test('what is not an image, or has nothing to run, is refused', () => {
  const image = (value: unknown) => {
    const parsed = parse(value);
    assert.ok(parsed.kind === 'manifest');
    requireImage(parsed, 'x:y');
  };
  image(manifest);
  assert.throws(() => image({ ...manifest, layers: [] }), refused('invalid_argument', /no layers/));
  const helm = { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' };
  assert.throws(
    () => image({ ...manifest, config: helm }),
    refused('invalid_argument', /not a container image.*helm/),
  );
  const odd = { ...layer, mediaType: 'application/x-lzma' };
  assert.throws(() => image({ ...manifest, layers: [odd] }), refused('unimplemented', /x-lzma/));
});

test('the platform that fits best is chosen, attestations never', () => {
  const entry = (digit: string, platform?: object, annotations?: Record<string, string>) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digest(digit),
    size: 1,
    platform,
    annotations,
  });
  const index = parse({
    schemaVersion: 2,
    manifests: [
      entry(
        '0',
        { os: 'unknown', architecture: 'unknown' },
        { 'vnd.docker.reference.type': 'attestation-manifest' },
      ),
      entry('3', { os: 'linux', architecture: 'arm', variant: 'v6' }),
      entry('4', { os: 'linux', architecture: 'arm', variant: 'v7' }),
      entry('5', { os: 'linux', architecture: 'arm64', variant: 'v8' }),
      entry('6', { os: 'linux', architecture: 'amd64' }),
      entry('7', { os: 'windows', architecture: 'amd64' }),
      entry('8', { os: 'linux', architecture: 'amd64', variant: 'v3' }),
    ],
  });
  assert.ok(index.kind === 'index');
  const choice = (platform: string) => choosePlatform(index.manifests, parsePlatform(platform), 'x').digest;
  assert.equal(choice('linux/amd64'), digest('6'));
  assert.equal(choice('linux/amd64/v3'), digest('8'));
  assert.equal(choice('linux/amd64/v4'), digest('8'));
  assert.equal(choice('linux/x86_64'), digest('6'));
  assert.equal(choice('linux/arm/v7'), digest('4'));
  assert.equal(choice('linux/arm'), digest('4'));
  assert.equal(choice('linux/arm/v6'), digest('3'));
  assert.equal(choice('linux/aarch64'), digest('5'));
  assert.equal(choice('windows/amd64'), digest('7'));
  assert.throws(() => choice('linux/arm/v5'), refused('not_found', /linux\/arm\/v5.*linux\/amd64/));
  assert.throws(
    () => choice('linux/riscv64'),
    refused('not_found', /no matching manifest for linux\/riscv64/),
  );
  assert.throws(() => parsePlatform('a/b/c/d'), refused('invalid_argument', /os\/architecture/));
});

/** Platforms, os/arch[/variant], by the OCI image index's rules and containerd's order of preference. */
import { EngineError } from '../errors/engine-error.ts';
import type { Descriptor } from './manifest.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const architectureNames: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  x64: 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  i386: '386',
  ia32: '386',
};

function normalise(os: string, architecture: string, variant: string | undefined): Platform {
  const name = architectureNames[architecture.toLowerCase()] ?? architecture.toLowerCase();
  let v = variant === undefined || variant === '' ? undefined : variant.toLowerCase();
  if (v !== undefined && /^[0-9]$/.test(v)) v = `v${v}`;
  if (name === 'arm64' && v === 'v8') v = undefined;
  if (name === 'amd64' && v === 'v1') v = undefined;
  if (name === 'arm' && v === undefined) v = 'v7';
  return { os: os.toLowerCase(), architecture: name, ...(v !== undefined && { variant: v }) };
}

/** `linux/amd64`, `linux/arm/v7`, or an architecture alone. Throws `invalid_argument`. */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]{1,32}$/.test(part))) {
    throw new EngineError(
      'invalid_argument',
      `invalid platform "${text.slice(0, 100)}": want os/architecture[/variant]`,
    );
  }
  const [first = '', second, third] = parts;
  if (second === undefined)
    return first === 'linux' ? hostPlatform('linux', process.arch) : normalise('linux', first, undefined);
  return normalise(first, second, third);
}

/** Node's names for this host. */
export function hostPlatform(os: string, architecture: string): Platform {
  return normalise(os, architecture, undefined);
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant]
    .filter((part) => part !== undefined)
    .join('/');
}

/** How well `offered` runs where `wanted` was asked for: 0 exactly; undefined not at all. */
export function platformDistance(
  wanted: Platform,
  offered: { os: string; architecture: string; variant?: string | undefined },
): number | undefined {
  const have = normalise(offered.os, offered.architecture, offered.variant);
  if (have.os !== wanted.os || have.architecture !== wanted.architecture) return undefined;
  const wantedLevel = variantLevel(wanted);
  const level = variantLevel(have);
  return level <= wantedLevel ? wantedLevel - level : undefined;
}

/** arm's v5 to v8 and amd64's v1 to v4 run what is below them. */
function variantLevel(platform: Platform): number {
  const number = Number(/^v([0-9])$/.exec(platform.variant ?? '')?.[1] ?? Number.NaN);
  if (!Number.isNaN(number)) return number;
  return platform.architecture === 'arm64' ? 8 : 1;
}

/** The manifest of an index that fits best. Attestations and the like (platform unknown) are skipped. */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform, what: string): Descriptor {
  let best: { descriptor: Descriptor; distance: number } | undefined;
  const offered: string[] = [];
  for (const descriptor of manifests) {
    if (descriptor.annotations?.['vnd.docker.reference.type'] !== undefined) continue;
    const platform = descriptor.platform;
    if (platform?.os === 'unknown') continue;
    if (platform !== null && platform !== undefined)
      offered.push(formatPlatform(normalise(platform.os, platform.architecture, platform.variant)));
    // Without a platform the image's config decides, later.
    const distance = platform === null || platform === undefined ? 1000 : platformDistance(wanted, platform);
    if (distance !== undefined && (best === undefined || distance < best.distance))
      best = { descriptor, distance };
  }
  if (best !== undefined) return best.descriptor;
  const has =
    offered.length === 0
      ? 'it has no image at all'
      : `it has ${[...new Set(offered)].slice(0, 20).join(', ')}`;
  throw new EngineError(
    'not_found',
    `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries of ${what}: ${has}`,
  );
}

/** Whatever the platform that was asked for: a pod's kernel is Linux. */
export function requireLinux(os: string, what: string): void {
  if (os !== 'linux')
    throw new EngineError(
      'invalid_argument',
      `${what} is an image for ${os.slice(0, 64)}; DVM runs linux images only`,
    );
}

/** Which addresses a registry has, and how far each is trusted. */
import { EngineError } from '../../errors/engine-error.ts';

export interface RegistriesConfig {
  /** Registry host → addresses to try first: { 'docker.io': ['https://mirror.example'] }. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** Hosts (with their port) that may speak plain HTTP or have a certificate that nobody vouches for. */
  readonly insecure: readonly string[];
}

export interface Endpoint {
  /** Ends in a slash; `v2/` follows. */
  readonly base: URL;
  readonly skipTlsVerify: boolean;
  /** When it turns out not to speak TLS, plain HTTP may be used. */
  readonly mayFallBackToHttp: boolean;
}

/** In the order in which they are tried. */
export function endpointsOf(domain: string, config: RegistriesConfig): readonly Endpoint[] {
  const mirrors = (config.mirrors[domain] ?? []).map((address) => mirrorEndpoint(address, config));
  const host = domain === 'docker.io' ? 'registry-1.docker.io' : domain;
  return [...mirrors, hostEndpoint(new URL(`https://${host}/`), config)];
}

function mirrorEndpoint(address: string, config: RegistriesConfig): Endpoint {
  const text = address.includes('://') ? address : `https://${address}`;
  if (!URL.canParse(text) || !/^https?:\/\//.test(text))
    throw new EngineError(
      'invalid_argument',
      `mirror "${address}" in the daemon's configuration is not an HTTP address`,
    );
  const url = new URL(text.endsWith('/') ? text : `${text}/`);
  return url.protocol === 'http:'
    ? { base: url, skipTlsVerify: false, mayFallBackToHttp: false }
    : hostEndpoint(url, config);
}

function hostEndpoint(base: URL, config: RegistriesConfig): Endpoint {
  const isInsecure =
    isLoopback(base.hostname) || config.insecure.some((host) => host === base.host || host === base.hostname);
  return { base, skipTlsVerify: isInsecure, mayFallBackToHttp: isInsecure };
}

export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
  );
}

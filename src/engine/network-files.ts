/** The files that Docker puts over the image's so that a container knows its name. */
import type { ContainerSpec } from './model/container.ts';
import type { InjectedFile } from './ports/pod-runtime.ts';

/** /etc/hostname, /etc/hosts, /etc/resolv.conf. The pod's own name leads to itself: programs look it up. */
export function networkFiles(spec: ContainerSpec, resolvConf: string): readonly InjectedFile[] {
  const qualified = spec.domainname === '' ? '' : `${spec.hostname}.${spec.domainname} `;
  const hosts = [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::\tip6-localnet',
    'ff00::\tip6-mcastprefix',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
    `127.0.0.1\t${qualified}${spec.hostname}`,
    '',
  ].join('\n');
  return [
    overlaid('/etc/hostname', `${spec.hostname}\n`),
    overlaid('/etc/hosts', hosts),
    overlaid('/etc/resolv.conf', resolvConf),
  ];
}

function overlaid(path: string, content: string): InjectedFile {
  return { path, mode: 0o644, uid: 0, gid: 0, overlaid: true, content: Buffer.from(content) };
}

/** Published and exposed ports in one cell: "0.0.0.0:80->9090/tcp, 9988-9990/tcp". */

export interface Port {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export function formatPorts(ports: readonly Port[]): string {
  const sorted = ports.toSorted(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      (a.IP ?? '').localeCompare(b.IP ?? '') ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0),
  );
  const ranges = new Map<string, { readonly key: string; readonly first: number; last: number }[]>();
  const mapped: string[] = [];
  for (const { IP: ip, PrivatePort: inner, PublicPort: outer, Type: type } of sorted) {
    if (ip !== undefined && ip !== '' && outer !== inner) {
      mapped.push(`${host(ip)}:${outer ?? 0}->${inner}/${type}`);
      continue;
    }
    const key = ip === undefined || ip === '' ? type : `${ip}/${type}`;
    const own = ranges.get(key) ?? [];
    ranges.set(key, own);
    const last = own.at(-1);
    if (last !== undefined && inner === last.last + 1) last.last = inner;
    else own.push({ key, first: inner, last: inner });
  }
  const all = [...ranges.values()].flat().map(({ key, first, last }) => {
    const numbers = first === last ? String(first) : `${first}-${last}`;
    const slash = key.lastIndexOf('/');
    return slash < 0
      ? `${numbers}/${key}`
      : `${host(key.slice(0, slash))}:${numbers}->${numbers}/${key.slice(slash + 1)}`;
  });
  return [...all, ...mapped].join(', ');
}

function host(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}

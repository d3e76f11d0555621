/** Until there are networks and volumes: the one network there is, no volume, and nothing that could be made or pruned. */
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { noneNetworkId } from '../container-view.ts';
import { filters } from '../query.ts';
import { noTime } from '../time.ts';
import { idParams } from './route-schemas.ts';

const noneNetwork = {
  Name: 'none',
  Id: noneNetworkId,
  Created: noTime,
  Scope: 'local',
  Driver: 'null',
  EnableIPv4: false,
  EnableIPv6: false,
  IPAM: { Driver: 'default', Options: null, Config: [] },
  Internal: false,
  Attachable: false,
  Ingress: false,
  ConfigFrom: { Network: '' },
  ConfigOnly: false,
  Containers: {},
  Options: {},
  Labels: {},
};

const networkFilters = filters(['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']);
const anyFilters = z.looseObject({ filters: z.string().optional() });

export function networkAndVolumeRoutes(app: ZodFastify): void {
  app.get('/networks', { schema: { querystring: z.object({ filters: networkFilters }) } }, (request) =>
    matchesNone(request.query.filters) ? [noneNetwork] : [],
  );

  app.get('/networks/:id', { schema: { params: idParams } }, (request) => {
    const { id } = request.params;
    if (id === noneNetwork.Name || (id.length >= 4 && noneNetworkId.startsWith(id))) return noneNetwork;
    throw new EngineError('not_found', `network ${id} not found`);
  });

  app.get('/volumes', { schema: { querystring: anyFilters } }, () => ({ Volumes: [], Warnings: null }));

  app.get('/volumes/:id', { schema: { params: idParams } }, (request) => {
    throw new EngineError('not_found', `get ${request.params.id}: no such volume`);
  });

  // `system prune` asks all of these in turn.
  app.post('/networks/prune', { schema: { querystring: anyFilters } }, () => ({ NetworksDeleted: null }));
  app.post('/volumes/prune', { schema: { querystring: anyFilters } }, () => ({
    VolumesDeleted: null,
    SpaceReclaimed: 0,
  }));
  app.post('/build/prune', { schema: { querystring: z.looseObject({}) } }, () => ({
    CachesDeleted: null,
    SpaceReclaimed: 0,
  }));
}

function matchesNone(asked: Readonly<Record<string, readonly string[]>>): boolean {
  const facts: Readonly<Record<string, (value: string) => boolean>> = {
    name: (value) => 'none'.includes(value),
    id: (value) => noneNetworkId.includes(value),
    driver: (value) => value === 'null',
    scope: (value) => value === 'local',
    type: (value) => value === 'builtin',
    dangling: (value) => value === 'false' || value === '0',
    label: () => false,
  };
  return Object.entries(asked).every(([name, values]) =>
    values.some((value) => facts[name]?.(value) === true),
  );
}

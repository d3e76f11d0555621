/** The API's shapes, for those who speak it through this client. Types only: none of the daemon's code comes with them. */
export type * from '../api/docker/types.ts';
export type { ContainerOrigin, DvmDoctor, DvmInfo, HostCheck } from '../api/dvm/schemas.ts';

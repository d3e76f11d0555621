import packageJson from '../../package.json' with { type: 'json' };

/** This checkout's. */
export const dvmVersion: string = packageJson.version;

import packageJson from '../../package.json' with { type: 'json' };

export const dvmVersion: string = packageJson.version;

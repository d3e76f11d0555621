// Which folder of src/ may import which: the table in ARCHITECTURE.md, enforced. Type imports count.
const layers = {
  errors: [],
  oci: ['errors'],
  system: ['errors'],
  'guest-protocol': ['errors'],
  engine: ['errors', 'oci'],
  agent: ['errors', 'engine', 'guest-protocol', 'system'],
  vmm: ['errors', 'engine', 'system'],
  runtime: ['errors', 'engine', 'agent', 'vmm', 'system'],
  image: ['errors', 'engine', 'oci', 'system'],
  storage: ['errors', 'engine', 'oci', 'system'],
  network: ['errors', 'engine', 'system'],
  api: ['errors', 'engine', 'oci'],
  client: ['errors', 'api'],
  cli: ['errors', 'oci', 'client'],
  daemon: [
    'errors',
    'oci',
    'system',
    'engine',
    'agent',
    'vmm',
    'runtime',
    'image',
    'storage',
    'network',
    'api',
    'guest-protocol',
  ],
};
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(layers).map(([folder, allowed]) => ({
      name: `layer-${folder}`,
      severity: 'error',
      from: { path: `^src/${folder}/`, pathNot: '\\.test\\.ts$' },
      to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
    })),
    // A driver is seen through its port: outside the daemon's wiring nobody imports one.
    {
      name: 'vmm-port',
      severity: 'error',
      from: { path: '^src/runtime/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/vmm/' },
    },
    {
      name: 'engine-ports',
      severity: 'error',
      from: { path: '^src/(agent|vmm|runtime|image|storage|network)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/engine/', pathNot: '^src/engine/(ports|model)/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
  },
};

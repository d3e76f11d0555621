import { podRuntimeConformance } from '../conformance/pod-runtime.ts';
import { realRuntimeHost } from './runtime-host.ts';

podRuntimeConformance('microvm over QEMU', () => realRuntimeHost());

/** What a container uses, and its processes: stats, top. */
import { availableParallelism } from 'node:os';
import * as z from 'zod';
import { EngineError } from '../../../errors/engine-error.ts';
import type { ContainerView } from '../../../engine/model/container.ts';
import type { ContainerStats } from '../../../engine/ports/pod-runtime.ts';
import type { Engine } from '../../../engine/service.ts';
import type { ZodFastify } from '../../http/api-server.ts';
import { clientGone } from '../../http/request-signal.ts';
import { pause } from '../../http/pause.ts';
import { writeThrough } from '../../http/write-through.ts';
import { beginAnswer } from '../answer-stream.ts';
import { flag, flagOn, text } from '../query.ts';
import { noTime } from '../time.ts';
import { toTop } from '../top.ts';
import type { ContainerStatsResponse, CpuStats } from '../types.ts';
import { idParams } from './route-schemas.ts';

export interface StatsBackend {
  readonly engine: Pick<Engine, 'get' | 'stats' | 'top' | 'info'>;
}

const intervalMs = 1000;

export function statsRoutes(app: ZodFastify, { engine }: StatsBackend): void {
  app.get(
    '/containers/:id/top',
    { schema: { params: idParams, querystring: z.object({ ps_args: text }) } },
    async (request) => {
      const now = new Date();
      return toTop(await engine.top(request.params.id), request.query.ps_args ?? '-ef', now);
    },
  );

  app.get(
    '/containers/:id/stats',
    { schema: { params: idParams, querystring: z.object({ stream: flagOn, 'one-shot': flag }) } },
    async (request, reply) => {
      const { stream, 'one-shot': oneShot } = request.query;
      if (stream && oneShot)
        throw new EngineError('invalid_argument', 'cannot have stream=true and one-shot=true');
      const gone = clientGone(reply);
      const { id } = engine.get(request.params.id);
      const sampler = new StatsSampler(engine, id);
      if (!stream) {
        if (!oneShot && (await sampler.sample()).running) await pause(intervalMs, gone);
        return (await sampler.sample()).stats;
      }
      const first = await sampler.sample();
      const answer = beginAnswer(reply, 'application/json');
      try {
        for (let { stats } = first; ; { stats } = await sampler.sample()) {
          await writeThrough(answer, `${JSON.stringify(stats)}\n`);
          await pause(intervalMs, gone);
        }
      } catch (error) {
        // The container was removed, or the client has seen enough.
        if (!gone.aborted && !(error instanceof EngineError)) throw error;
        answer.end();
      }
      return undefined;
    },
  );
}

/** Each sample carries the one before it: clients compute the CPU's share from the two. */
class StatsSampler {
  readonly #engine: StatsBackend['engine'];
  readonly #id: string;
  #previous: { readonly cpu: CpuStats; readonly read: string } = { cpu: noCpu, read: noTime };

  constructor(engine: StatsBackend['engine'], id: string) {
    this.#engine = engine;
    this.#id = id;
  }

  async sample(): Promise<{ readonly running: boolean; readonly stats: ContainerStatsResponse }> {
    const view = this.#engine.get(this.#id);
    const used = await this.#usage(view);
    const current = { cpu: used === undefined ? noCpu : toCpuStats(used), read: new Date().toISOString() };
    const previous = this.#previous;
    this.#previous = current;
    const stats: ContainerStatsResponse = {
      name: `/${view.spec.name}`,
      id: view.id,
      read: used === undefined ? noTime : current.read,
      preread: previous.read,
      num_procs: 0,
      pids_stats: used === undefined ? {} : { current: Number(used.pids) },
      blkio_stats: { io_service_bytes_recursive: used === undefined ? null : toBlockIo(used) },
      storage_stats: {},
      cpu_stats: current.cpu,
      precpu_stats: previous.cpu,
      memory_stats: used === undefined ? {} : this.#memory(used),
    };
    return { running: used !== undefined, stats };
  }

  /** Undefined: it does not run; Docker then answers with zeros. */
  async #usage(view: ContainerView): Promise<ContainerStats | undefined> {
    if (view.status !== 'running' && view.status !== 'paused') return undefined;
    try {
      return await this.#engine.stats(view.id);
    } catch (error) {
      if (error instanceof EngineError && error.code === 'failed_precondition') return undefined;
      throw error;
    }
  }

  #memory(used: ContainerStats): ContainerStatsResponse['memory_stats'] {
    const machine = this.#engine.info().runtime.defaultMemoryBytes;
    const limit = Number(used.memoryMaxBytes);
    return {
      usage: Number(used.memoryBytes),
      max_usage: Number(used.memoryPeakBytes),
      // Without a limit of its own, a container can have what its machine has.
      limit: limit === 0 || !Number.isSafeInteger(limit) ? machine : limit,
      stats: { inactive_file: Number(used.memoryInactiveFileBytes) },
    };
  }
}

const noCpu: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** The CPU time there was is the host's clock times its CPUs: the share is one of the host's CPUs, as in Docker. */
function toCpuStats(used: ContainerStats): CpuStats {
  const cpus = availableParallelism();
  return {
    cpu_usage: {
      total_usage: Number(used.cpuUsageNs),
      usage_in_kernelmode: Number(used.cpuSystemNs),
      usage_in_usermode: Number(used.cpuUserNs),
    },
    system_cpu_usage: Number(process.hrtime.bigint()) * cpus,
    online_cpus: cpus,
    throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
  };
}

function toBlockIo(used: ContainerStats) {
  return [
    { major: 0, minor: 0, op: 'read', value: Number(used.readBytes) },
    { major: 0, minor: 0, op: 'write', value: Number(used.writeBytes) },
  ];
}

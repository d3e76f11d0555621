/** Work that several callers want at once is done once: the later ones join. It is given up when the last of them is. */

export type Report<Progress> = (progress: Progress) => void;

interface Job<Progress> {
  readonly controller: AbortController;
  readonly reports: Set<Report<Progress>>;
  readonly done: Promise<void>;
  latest: Progress | undefined;
}

export class SharedWork<Progress> {
  readonly #jobs = new Map<string, Job<Progress>>();

  /**
   * Does `work`, or waits for what another caller has started under the same key. Resolves with whether it was this
   * caller's: when somebody else's work fails, the next caller may still do better.
   */
  async join(
    key: string,
    work: (report: Report<Progress>, signal: AbortSignal) => Promise<void>,
    report: Report<Progress>,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const running = this.#jobs.get(key);
      const job = running ?? this.#start(key, work);
      try {
        await this.#attend(job, report, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (running === undefined) throw error;
      }
    }
  }

  #start(key: string, work: (report: Report<Progress>, signal: AbortSignal) => Promise<void>): Job<Progress> {
    const controller = new AbortController();
    const reports = new Set<Report<Progress>>();
    const { promise: done, resolve } = Promise.withResolvers<undefined>();
    const job: Job<Progress> = { controller, reports, done, latest: undefined };
    const report = (progress: Progress) => {
      job.latest = progress;
      for (const each of reports) each(progress);
    };
    const finished = work(report, controller.signal).finally(() => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    });
    resolve(finished.then(() => undefined));
    this.#jobs.set(key, job);
    return job;
  }

  async #attend(job: Job<Progress>, report: Report<Progress>, signal: AbortSignal): Promise<void> {
    // One entry per caller, also when two of them report to the same place.
    const mine: Report<Progress> = (progress) => report(progress);
    job.reports.add(mine);
    if (job.latest !== undefined) mine(job.latest);
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = () => {
      job.reports.delete(mine);
      // Nobody is left: stop, and wait for the clean-up, so that nothing is half made when the caller hears of it.
      if (job.reports.size === 0) job.controller.abort(signal.reason);
      else reject(signal.reason as Error);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([job.done, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      job.reports.delete(mine);
    }
  }
}

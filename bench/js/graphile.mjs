// graphile-worker with a task that does nothing: node graphile.mjs migrate | run CONCURRENCY single|batched starts|quiet
import { Console } from 'node:console';

// It logs each job, as it does by default, but not where it is asked to print.
globalThis.console = new Console(process.stderr, process.stderr);
const { run, runMigrations } = await import('graphile-worker');

const connectionString = process.env.DATABASE_URL;
const [action, concurrency, mode, output] = process.argv.slice(2);

// The sizes are those of its documentation for short jobs in great number: a queue well above the concurrency, and
// completions that wait for each other no longer than a moment.
const batched = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

if (action === 'migrate') {
  await runMigrations({ connectionString });
} else {
  const noop =
    output === 'starts'
      ? async () => {
          process.stdout.write(`started ${Number(process.hrtime.bigint()) / 1e6}\n`);
        }
      : async () => {};
  const runner = await run({
    connectionString,
    taskList: { noop },
    ...(Number(concurrency) === 1 ? {} : { concurrency: Number(concurrency) }),
    preset: mode === 'batched' ? { worker: batched } : {},
  });
  await runner.promise;
}

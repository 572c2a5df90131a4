import { Command, InvalidArgumentError } from 'commander';
import about from '../package.json' with { type: 'json' };
import { type Config, loadConfig } from './config.ts';
import { describeError } from './errors.ts';

/*
 * The process: one command of the operator each time, its exit code, and its error in one line. What a command
 * needs is imported when it is called, because a quick one should not wait for what it does not use.
 */

const program = new Command('berth')
  .description('A host daemon that gives every conversation its own container.')
  .version(about.version)
  .configureHelp({ sortSubcommands: false })
  .showHelpAfterError('(--help shows what is allowed)')
  .exitOverride(leave); // before the commands are added: they inherit it

program
  .command('host')
  .description('run the headless host until SIGTERM (npm start)')
  .action(
    run(async (config) => {
      (await import('./writer/writer.ts')).prepareWriter();
      const [{ runHost }, { createLog }] = await Promise.all([import('./host.ts'), import('./log.ts')]);
      await runHost(config, createLog(config.logLevel));
    }),
  );

program
  .command('demo')
  .description('chat at the terminal with the group "demo", on a temporary data folder')
  .argument('[words...]', 'one message: its reply alone goes to stdout')
  .action((words: string[]) => run(async (config) => (await import('./demo.ts')).runDemo(config, words))());

program
  .command('talk')
  .description('a talk at the terminal with a group of the running host')
  .argument('<group>', 'folder of the group')
  .argument('[words...]', 'one message: its replies alone go to stdout')
  .option('--chat <name>', 'which chat of the group', 'terminal')
  .action((group: string, words: string[], options: { chat: string }) =>
    run(async (config) => (await import('./operator/talk.ts')).talk(config, group, words, options))(),
  );

program
  .command('status')
  .description('the running host: engine, groups, sessions')
  .option('--json', 'everything as JSON')
  .action((options: { json?: boolean }) =>
    run(async ({ dataDir }) => (await import('./operator/status.ts')).status(dataDir, options))(),
  );

program
  .command('doctor')
  .description('check all that a host needs: engine, folders, limits, groups, ledger')
  .option('--json', 'everything as JSON')
  .action(async (options: { json?: boolean }) => {
    process.exitCode = await (await import('./operator/doctor.ts')).doctor(options);
  });

program
  .command('logs')
  .description("what a session's container printed")
  .argument('<session>', 'id of the session, as `status` shows it')
  .option('-f, --follow', 'go on until the container ends')
  .option('-n, --lines <count>', 'how many of the last lines', count, 100)
  .action((session: string, options: { follow?: boolean; lines: number }) =>
    run(async ({ dataDir }) => (await import('./operator/logs.ts')).logs(dataDir, session, options))(),
  );

const outbox = program
  .command('outbox')
  .description('what was not delivered, or waits to be')
  .option('--json', 'everything as JSON')
  .option('--all', 'also what was sent or dropped')
  .action((options: { json?: boolean; all?: boolean }) =>
    run(async ({ dataDir }) => (await import('./operator/outbox.ts')).outbox(dataDir, options))(),
  );
for (const [kind, does] of [
  ['resend', 'send events again, whatever became of them'],
  ['drop', 'give events up: they are not sent any more'],
] as const) {
  outbox
    .command(kind)
    .description(does)
    .argument('<ids...>', 'ids of events, as `outbox` shows them')
    .action((ids: string[]) =>
      run(async ({ dataDir }) => (await import('./operator/outbox.ts')).orderOutbox(dataDir, kind, ids))(),
    );
}

program
  .command('why')
  .description('why there is no reply in a session: where it stands, what was tried, what comes next')
  .argument('<session>', 'id of the session, as `status` shows it')
  .option('--json', 'everything as JSON')
  .action((session: string, options: { json?: boolean }) =>
    run(async ({ dataDir }) => (await import('./operator/why.ts')).why(dataDir, session, options))(),
  );

program
  .command('retry')
  .description('try at once what failed in a session')
  .argument('<session>', 'id of the session, as `status` shows it')
  .action((session: string) =>
    run(async ({ dataDir }) => (await import('./operator/retry.ts')).retry(dataDir, session))(),
  );

program
  .command('network')
  .description('who of a group went where since the host started, and what was refused')
  .argument('<group>', 'folder of the group')
  .option('--json', 'everything as JSON')
  .action((group: string, options: { json?: boolean }) =>
    run(async ({ dataDir }) => (await import('./operator/network.ts')).network(dataDir, group, options))(),
  );

program
  .command('mounts')
  .description("the extra folders that a group's containers see")
  .command('check')
  .description('what becomes of each of the `mounts` of a group, and why; exits with 1 when one is refused')
  .argument('<group>', 'folder of the group')
  .option('--json', 'everything as JSON')
  .action((group: string, options: { json?: boolean }) =>
    run(async (config) => (await import('./operator/mounts.ts')).checkMounts(config, group, options))(),
  );

const schedules = program
  .command('schedules')
  .description('what agents have planned to do')
  .option('--json', 'everything as JSON')
  .action((options: { json?: boolean }) =>
    run(async ({ dataDir }) => (await import('./operator/schedules.ts')).schedules(dataDir, options))(),
  );
schedules
  .command('cancel')
  .description('cancel schedules: they come due no more')
  .argument('<ids...>', 'ids of schedules, as `schedules` shows them')
  .action((ids: string[]) =>
    run(async ({ dataDir }) => (await import('./operator/schedules.ts')).cancelSchedules(dataDir, ids))(),
  );

const approvals = program
  .command('approvals')
  .description('requests of agents that wait for a person')
  .option('--json', 'everything as JSON')
  .option('--all', 'also those that are over')
  .action((options: { json?: boolean; all?: boolean }) =>
    run(async ({ dataDir }) => (await import('./operator/approvals.ts')).approvals(dataDir, options))(),
  );
for (const kind of ['approve', 'deny'] as const) {
  approvals
    .command(kind)
    .description(kind === 'approve' ? 'let a request go on' : 'refuse a request')
    .argument('<id>', 'id of the request, as `approvals` shows it')
    .action((id: string) =>
      run(async ({ dataDir }) => (await import('./operator/approvals.ts')).decide(dataDir, kind, id))(),
    );
}

program
  .command('build-base')
  .description('build the base image that all containers start from')
  .option('--force', 'build anew, also when nothing has changed')
  .option('--json', 'one object per event')
  .action((options: { force?: boolean; json?: boolean }) =>
    run(async (config) => (await import('./operator/build-base.ts')).buildBaseCommand(config, options))(),
  );

program
  .command('build-image')
  .description("build a group's image from its declared packages, and switch to it")
  .argument('[group]', 'folder of the group')
  .option('--all', 'every group')
  .option('--no-cache', 'afresh: nothing of earlier builds is used again')
  .option('--json', 'one object per event')
  .action((group: string | undefined, options: { all?: boolean; cache?: boolean; json?: boolean }) =>
    run(async (config) =>
      (await import('./operator/build-image.ts')).buildImageCommand(config, group, options),
    )(),
  );

const images = program
  .command('images')
  .description('which image each group has, and what is inside')
  .option('--json', 'everything as JSON')
  .option('--rollback <group>', 'back to the image before')
  .action((options: { json?: boolean; rollback?: string }) =>
    run(async (config) => {
      const { imagesCommand, rollbackCommand } = await import('./operator/images.ts');
      const { rollback } = options;
      await (rollback === undefined
        ? imagesCommand(config, options)
        : rollbackCommand(config, rollback, options));
    })(),
  );
images
  .command('prune')
  .description('remove images that no group and no container uses')
  .option('--all', 'also those of other data folders')
  .action((options: { all?: boolean }) =>
    run(async (config) =>
      (await import('./operator/images.ts')).pruneCommand(config, { ...options, ...images.opts() }),
    )(),
  );

program
  .command('backup')
  .description('copy ledger, groups and sessions to a new folder, also while the host runs')
  .argument('<folder>', 'a folder that does not exist yet, or is empty')
  .option('--json', 'one object per event')
  .action((folder: string, options: { json?: boolean }) =>
    run(async (config) => (await import('./operator/backup.ts')).backupCommand(config, folder, options))(),
  );

program
  .command('restore')
  .description('make the data and the groups folder of a backup; no host may run on them')
  .argument('<folder>', 'what `backup` has made')
  .option('--json', 'what was done as JSON')
  .action((folder: string, options: { json?: boolean }) =>
    run(async (config) => (await import('./operator/backup.ts')).restoreCommand(config, folder, options))(),
  );

// Words after npm's `--` may begin with a dash only if they are options: commander says so by itself.
void program.parseAsync();

/** Wraps a command: settings in, exit code out, an error as one line on stderr. */
function run(command: (config: Readonly<Config>) => Promise<number | void>): () => Promise<void> {
  return async () => {
    try {
      process.exitCode = (await command(loadConfig(process.env, process.cwd()))) ?? 0;
    } catch (error) {
      process.stderr.write(`berth: ${describeError(error).replaceAll('\n', ' ')}\n`);
      process.exitCode = 1;
    }
  };
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 10_000) return value;
  throw new InvalidArgumentError('1 to 10000 are allowed.');
}

/** Wrong usage is 2; `--help` is no error. */
function leave(error: { exitCode: number }): never {
  process.exit(error.exitCode === 0 ? 0 : 2);
}

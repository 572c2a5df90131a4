import { parseArgs } from 'node:util';
import type { SessionBody } from '../contract/bodies.ts';
import { Broken } from './broken.ts';
import type { Check } from './check.ts';
import { controlChecks } from './control-checks.ts';
import { crashChecks } from './crash-checks.ts';
import { draftChecks } from './draft-checks.ts';
import { type RoomOptions, SessionRoom } from './session-room.ts';
import { startChecks } from './start-checks.ts';
import { turnChecks } from './turn-checks.ts';

/*
 * `npm run contract-test -- <command…>`: holds any runner against docs/contract.md. Each rule is a check with a session of
 * its own; the last line is the sum. Exit codes: 0 all rules are kept, 1 one is broken, 2 wrong usage.
 */

const USAGE = `usage: npm run contract-test -- [options] <command…>

Holds a runner against docs/contract.md, such as: npm run contract-test -- python3 groups/python/workspace/runner.py

  --only NAME     this check, or those of a section (start, turn, draft, control, crash, lock); may be given several times
  --text TEXT     the text of an ordinary message (default: hello)
  --slow TEXT     a text on which the runner works for 2 s or more; without it, checks that need one are skipped
  --agent JSON    what the host says of the agent (default: {"provider":"echo","options":{}})
  --jobs N        so many checks at once (default: 1), for a runner of which several can work side by side
  --list          names and rules of all checks
  --json          one line of JSON per check
`;

const all: Check[] = [...startChecks, ...turnChecks, ...draftChecks, ...controlChecks, ...crashChecks];

interface Result {
  name: string;
  status: 'passed' | 'failed' | 'skipped';
  rule: string;
  /** What was found instead, or what is to be said of it. */
  found?: string;
  ms: number;
}

const { values, positionals } = readArguments();
if (values.list) {
  for (const { name, rule } of all) console.log(`${name}\t${rule}`);
  process.exit(0);
}
if (positionals.length === 0) refuse('which command starts the runner?');
const chosen = choose(values.only ?? []);
const options: RoomOptions = {
  command: positionals,
  agent: readAgent(values.agent),
  text: values.text,
  slow: values.slow,
};
const results: Result[] = [];
for (const held of holdAll(chosen, readJobs(values.jobs))) {
  const result = await held;
  results.push(result);
  print(result);
}
const count = (status: Result['status']) => results.filter((result) => result.status === status).length;
if (!values.json)
  console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
process.exit(count('failed') > 0 ? 1 : 0);

/** Their results, in their order; so many checks are under way at once. */
function holdAll(checks: Check[], jobs: number): Promise<Result>[] {
  const all = checks.map((check) => ({ check, ...Promise.withResolvers<Result>() }));
  const queue = all.values();
  const work = async () => {
    for (const { check, resolve, reject } of queue) await hold(check).then(resolve, reject);
  };
  for (let lane = 0; lane < jobs; lane++) void work();
  return all.map(({ promise }) => promise);
}

async function hold({ name, rule, needsSlow, run }: Check): Promise<Result> {
  if (needsSlow && options.slow === undefined)
    return { name, rule, status: 'skipped', found: 'give a text with --slow', ms: 0 };
  const began = performance.now();
  const room = new SessionRoom(options);
  const ms = () => Math.round(performance.now() - began);
  try {
    await run(room);
    return { name, rule, status: 'passed', ...(room.note && { found: room.note }), ms: ms() };
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return { name, rule, status: 'failed', found: error.message, ms: ms() };
  } finally {
    await room.close();
  }
}

function print(result: Result): void {
  const { name, status, rule, found, ms } = result;
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const mark = { passed: 'ok  ', failed: 'FAIL', skipped: '-   ' }[status];
  console.log(`${mark} ${name.padEnd(24)} ${rule}${status === 'skipped' ? '' : ` (${ms} ms)`}`);
  if (found !== undefined) console.log(`     ${found}`);
}

function readArguments() {
  try {
    // Options come first: what follows the first word is the runner's own.
    const args = process.argv.slice(2);
    const flags = new Set(['--list', '--json', '--help', '-h']);
    let end = 0;
    while (end < args.length && args[end]?.startsWith('-') && args[end] !== '--')
      end += flags.has(args[end] ?? '') || args[end]?.includes('=') ? 1 : 2;
    const { values } = parseArgs({
      args: args.slice(0, end),
      options: {
        only: { type: 'string', multiple: true },
        text: { type: 'string', default: 'hello' },
        slow: { type: 'string' },
        agent: { type: 'string', default: '{"provider":"echo","options":{}}' },
        jobs: { type: 'string', default: '1' },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    return { values, positionals: args.slice(args[end] === '--' ? end + 1 : end) };
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function choose(only: string[]): Check[] {
  const unknown = only.find((want) => !all.some(({ name }) => name === want || name.startsWith(`${want}/`)));
  if (unknown !== undefined) refuse(`there is no check "${unknown}" (--list names them)`);
  return only.length === 0
    ? all
    : all.filter(({ name }) => only.some((want) => name === want || name.startsWith(`${want}/`)));
}

function readAgent(json: string): SessionBody['agent'] {
  try {
    const agent = JSON.parse(json) as Partial<SessionBody['agent']>;
    return { options: {}, ...agent, provider: agent.provider ?? 'echo' };
  } catch {
    return refuse('--agent is not JSON');
  }
}

function readJobs(text: string): number {
  const jobs = Number(text);
  return Number.isInteger(jobs) && jobs >= 1 && jobs <= 32 ? jobs : refuse('--jobs is a number from 1 to 32');
}

function refuse(why: string): never {
  process.stderr.write(`contract-test: ${why}\n\n${USAGE}`);
  process.exit(2);
}

import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { arch, cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { createDockerEngine } from '../src/engines/docker.ts';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { createLog } from '../src/log.ts';
import { adopt } from './adopt.ts';
import { agents } from './agents.ts';
import type { BenchPlace } from './bench-place.ts';
import { cold } from './cold.ts';
import { credentials } from './credentials.ts';
import { duringBuild } from './during-build.ts';
import type { Figure } from './figures.ts';
import { firstByte } from './first-byte.ts';
import { frozen } from './frozen.ts';
import { fsyncSpread } from './fsync-spread.ts';
import { hardening } from './hardening.ts';
import { history } from './history.ts';
import { hostile } from './hostile.ts';
import { many } from './many.ts';
import { registered } from './registered.ts';
import { sleepers } from './sleepers.ts';
import { stages } from './stages.ts';
import { warm } from './warm.ts';

const figures: Record<string, (place: BenchPlace) => Promise<Figure | undefined>> = {
  warm,
  stages,
  cold,
  hardening,
  'first-byte': firstByte,
  credentials,
  frozen,
  many,
  history,
  sleepers,
  adopt,
  registered,
  'during-build': duringBuild,
  hostile,
  agents,
};

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log(`npm run bench -- [--only ${Object.keys(figures).join(',')}] [--quick] [--json FILE]`);
  process.exit(0);
}
const names = values.only?.split(',') ?? Object.keys(figures);
const unknown = names.find((name) => !figures[name]);
if (unknown) {
  console.error(`there is no figure "${unknown}": ${Object.keys(figures).join(', ')}`);
  process.exit(2);
}

const connection = connectDocker(process.env.DOCKER_HOST);
const engine = createDockerEngine({ connection, log: createLog('warn', 'stderr') });
const place: BenchPlace = {
  engine,
  image: process.env.BERTH_BASE_IMAGE ?? 'berth-base:latest',
  scale: values.quick ? 0.1 : 1,
};
const machine = {
  cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'} (${arch()})`,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
  engine: await engine.check(),
  'fsync of 4 KiB, ms': fsyncSpread(),
  commit: commit(),
  at: new Date().toISOString(),
};
console.log(JSON.stringify(machine, null, 2));

const results: Figure[] = [];
for (const name of names) {
  const figure = await figures[name]?.(place);
  if (!figure) continue;
  results.push(figure);
  print(figure);
}
if (values.json) await writeFile(values.json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
await engine.close();
connection.close();

function print({ name, against, floor, targets, details, n, p50, p95, p99 }: Figure): void {
  console.log(`\n${name}\n  floor: ${against}`);
  const line = (title: string, spread: { n: number; p50: number; p95: number; p99: number }) =>
    console.log(
      `  ${title.padEnd(8)} n ${spread.n}  p50 ${spread.p50}  p95 ${spread.p95}  p99 ${spread.p99}`,
    );
  line('berth', { n, p50, p95, p99 });
  if (floor) line('floor', floor);
  for (const [what, value] of Object.entries(details ?? {})) console.log(`  ${what}: ${value}`);
  for (const { what, value, reached } of targets)
    console.log(`  ${reached ? 'reached' : 'MISSED '}  ${what}: ${value}`);
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

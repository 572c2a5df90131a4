import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { createDockerImages } from '../src/engines/docker-images.ts';
import { imageTag } from '../src/images/image-spec.ts';
import { openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, round, spread } from './figures.ts';
import { ECHO, warmUp } from './warm.ts';

/** Enough to keep apt, dpkg and npm busy for a while. */
const PACKAGES =
  'name: Packages\nimage: { apt: [jq, python3, build-essential], npm: ["cowsay@1.6.0", "typescript@5"] }\n';
/** A person who talks without a pause would be a load of its own. */
const PAUSE_MS = 10;

/** Round trips of a session while the image of another group is built, against the same session before and after. */
export async function duringBuild({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const host = await openBenchHost({ engine, image, groups: { echo: ECHO, packages: PACKAGES } });
  const made = new Set<string>();
  try {
    const build = async (afresh: boolean) => {
      const { build: done } = await host.daemon.images.build('packages', { afresh });
      if (done) for (const name of namesOf(done)) made.add(name);
    };
    await build(false);
    await warmUp(host, 'talk');
    const [quiet, busy]: [number[], number[]] = [[], []];
    const loops = {
      quiet: monitorEventLoopDelay({ resolution: 1 }),
      busy: monitorEventLoopDelay({ resolution: 1 }),
    };
    const began = performance.now();
    const builds = Math.max(1, Math.round(3 * scale));
    for (let n = 0; n < builds; n++) {
      await talk(quiet, loops.quiet, async () => pause(5_000));
      await talk(busy, loops.busy, () => build(true));
    }
    const [without, during] = [spread(quiet), spread(busy)];
    const p99 = (loop: typeof loops.busy) => loop.percentile(99) / 1e6;
    return {
      name: "round trip during the build of another group's image",
      against: 'the same session without a build',
      ...during,
      floor: without,
      targets: [
        atMost('p50 / p50 without a build', during.p50 / without.p50, 2),
        atMost('p99 of the event loop, ms', p99(loops.busy), 20),
      ],
      details: {
        'p99 of the event loop without a build, ms': round(p99(loops.quiet)),
        'builds, seconds each': round((performance.now() - began) / 1000 / builds - 5),
      },
    };
  } finally {
    await host.close();
    const connection = connectDocker(process.env.DOCKER_HOST);
    for (const name of made) await createDockerImages(connection).remove(name);
    connection.close();
  }

  /** Says something again and again for as long as `work` goes on. */
  async function talk(
    sample: number[],
    loop: ReturnType<typeof monitorEventLoopDelay>,
    work: () => Promise<void>,
  ) {
    let working = true;
    const done = work().finally(() => {
      working = false;
    });
    loop.enable();
    while (working) {
      sample.push((await host.say('talk', 'hello')).ms);
      await pause(PAUSE_MS);
    }
    loop.disable();
    await done;
  }
}

/** The names that the image has now, and when another has taken its place. */
function namesOf({ hash, image }: { hash: string; image: string }): string[] {
  return [imageTag(hash), `${imageTag(hash)}-${image.slice(7, 19)}`];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

import { spawn } from 'node:child_process';
import { mkdirSync, watch, writeFileSync } from 'node:fs';

/* All that there is of something, or more than its group may have. */

/** The memory of its container, by the runner itself: it ends with it. */
export function memory() {
  const taken = [];
  for (;;) taken.push(Buffer.alloc(2 ** 26, 1));
}

/** The memory of its container by way of a folder that lies in it. */
export function memoryFolder() {
  spawn('sh', ['-c', 'cat /dev/zero > /tmp/full; sleep 1000'], { stdio: 'ignore' });
  return 'filling';
}

/** Open files, in as many processes as there may be. */
export function descriptors() {
  const each = 'open($f[$i++], "<", "/dev/null") or last while 1; sleep 1000';
  for (let i = 0; i < 60; i++) spawn('perl', ['-e', each], { stdio: 'ignore' }).on('error', () => undefined);
  return 'opening';
}

const watched = [];

/** Watches of its user, until there are no more. */
export function watches() {
  mkdirSync('/tmp/watched', { recursive: true });
  let failed = false;
  const timer = setInterval(() => {
    for (let i = 0; i < 500 && !failed && watched.length < 40_000; i++) {
      try {
        const folder = `/tmp/watched/${watched.length}`;
        mkdirSync(folder);
        watched.push(watch(folder).on('error', () => (failed = true)));
      } catch {
        failed = true;
      }
    }
    if (failed) clearInterval(timer);
  }, 20);
  return 'watching';
}

/** More than its group may have on the disk; not more than a disk should bear. */
export function greedyHome() {
  for (let i = 0; i < 3; i++) writeFileSync(`/home/agent/much-${i}`, Buffer.alloc(2 ** 26, 1));
}

/** The same in the folder that the group's sessions share. */
export function greedyGroup() {
  for (let i = 0; i < 3; i++) writeFileSync(`/group/much-${i}`, Buffer.alloc(2 ** 26, 1));
}

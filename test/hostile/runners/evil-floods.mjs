import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { OUT } from './lawful.mjs';

/* Too much of everything. They go on answering. */

function shell(script) {
  spawn('sh', ['-c', script], { stdio: 'ignore' }).on('error', () => undefined);
}

/** File events without end, alternating, because the kernel joins equal ones. */
export function events() {
  shell(`cd ${OUT}; while :; do : > outbound.db.a; : > outbound.db.b; done`);
  shell(`cd ${OUT}; while :; do mv outbound.db.c outbound.db.d 2>/dev/null || : > outbound.db.c; done`);
  return 'flooding';
}

/** The database itself seems to change a thousand times a second. */
export function touches() {
  shell(`cd ${OUT}; while :; do touch -c outbound.db; done`);
  return 'touching';
}

export function asks() {
  shell('exec node /group/flood-proxy.mjs');
  return 'asking';
}

export function inotify() {
  shell('for i in $(seq 180); do tail -f /group/group-has-no-such-file /dev/null & done; wait');
  return 'watching';
}

export function forks() {
  shell('f() { f & f; }; f');
  return 'forking';
}

export function prints() {
  shell('yes "a long line that nobody wants to read, again and again" | head -c 300000000 > /proc/1/fd/1');
  return 'printing';
}

export function burns() {
  for (let i = 0; i < 4; i++) shell('while :; do :; done');
  return 'burning';
}

export function deaf() {
  process.on('SIGTERM', () => console.log('I heard nothing'));
  return 'what?';
}

/** All the room that its disk has; once, so that its successor can show that room helps. */
export function fillsDisk() {
  if (existsSync(`${OUT}/filled`)) return 'there is room again';
  writeFileSync(`${OUT}/filled`, '');
  shell(`cat /dev/zero > ${OUT}/full; cat /dev/zero > ${OUT}/fuller; sleep 1000`);
}

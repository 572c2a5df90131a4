import { readFileSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Finding, fail, ok, warn } from './finding.ts';

/** A container takes about ten descriptors, connections of readers come on top. */
const FEW_FILES = 4096;
const TOO_FEW_FILES = 256;
/** One for the host, one for each container's runner; other programs of the user have theirs. */
const FEW_INSTANCES = 128;
const FEW_WATCHES = 8192;

/** How many files the host may have open: the one that runs, or one that would be started from here. */
export function diagnoseOpenFiles(hostPid: number | undefined): Finding {
  const check = 'open files';
  const limits = read(`/proc/${hostPid ?? 'self'}/limits`) ?? '';
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  if (soft === undefined) return ok(check, 'the limit is not known on this system');
  const says = `${soft} per process`;
  const remedy = 'Raise it: `LimitNOFILE=65536` under systemd, `ulimit -n` in a shell.';
  if (soft === 'unlimited' || Number(soft) >= FEW_FILES) return ok(check, says);
  return Number(soft) < TOO_FEW_FILES ? fail(check, says, remedy) : warn(check, says, remedy);
}

/** Whether file changes can be watched, and by how many. Without it the host looks by timer alone. */
export function diagnoseInotify(): Finding {
  const check = 'inotify';
  const instances = Number(read('/proc/sys/fs/inotify/max_user_instances'));
  const watches = Number(read('/proc/sys/fs/inotify/max_user_watches'));
  const remedy = 'sysctl fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288';
  try {
    watch(tmpdir(), { persistent: false }).close();
  } catch (error) {
    return fail(check, `no watch can be had (${(error as NodeJS.ErrnoException).code})`, remedy);
  }
  if (Number.isNaN(instances + watches)) return ok(check, 'a watch can be had');
  const says = `${instances} instances and ${watches} watches per user`;
  return instances < FEW_INSTANCES || watches < FEW_WATCHES ? warn(check, says, remedy) : ok(check, says);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The kinds of faults and how many of a hundred are of each; every run has at least one of each. */
export const FAULT_KINDS = {
  'host killed at a failpoint': 32,
  'host stopped and started': 3,
  'container killed': 10,
  'container out of memory': 5,
  'container stopped by SIGSTOP': 3,
  'container paused from outside': 8,
  'container removed by force': 8,
  'image removed': 3,
  'engine restarted': 1,
  'engine killed': 1,
  'send fails': 6,
  'send is refused': 2,
  'send is rate-limited': 2,
  'send hangs': 4,
  'send succeeds and reports a timeout': 5,
  'disk full': 3,
  'clock jumps': 4,
} as const;

export type FaultKind = keyof typeof FAULT_KINDS;

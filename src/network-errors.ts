import type { ErrorKind } from './error-kind.ts';

/** What can go wrong between a container and the world. Part of `errors.ts`. */
export const networkErrors = {
  E_NETWORK_REFUSED: {
    status: 403,
    cause:
      'A container asked for a host that its group may not reach; it got 403 as its answer. Only in the log.',
    remedy:
      '`berth network <group>` shows what was asked; add the host to `network.allow` of the `group.yaml` if it is wanted.',
  },
} as const satisfies Record<string, ErrorKind>;

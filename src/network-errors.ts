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
  E_WAY_OUT: {
    status: 503,
    cause: 'The host cannot listen at its end of the network by which a container is to reach its proxy.',
    remedy:
      '`BERTH_WAY_OUT=network` needs an engine whose networks are this machine’s; where that is so, see what else listens on port 3128.',
  },
} as const satisfies Record<string, ErrorKind>;

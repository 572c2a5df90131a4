import type { ErrorKind } from './error-kind.ts';

/** The errors about what a container may see and use, which `errors.ts` lists among all others. */
export const containerErrors = {
  E_RUNTIME_UNKNOWN: {
    status: 503,
    cause: 'The engine does not have the OCI runtime that containers are to be run by.',
    remedy:
      'Install the runtime and name it to the engine, or correct `BERTH_RUNTIME` or `runtime` in the `group.yaml`.',
  },
  E_MOUNTS_CONFIG: {
    status: 409,
    cause: 'The list of folders that may be mounted, `~/.config/berth/mounts.yaml`, cannot be used.',
    remedy: 'Correct the file at the line that the message names; it is read at each wake.',
  },
  E_MOUNT_REFUSED: {
    status: 409,
    cause:
      'A folder under `mounts` in a `group.yaml` may not be mounted, or was changed while the container started.',
    remedy:
      '`berth mounts check <group>` says why; allow the folder in `~/.config/berth/mounts.yaml`, or take it out of the `group.yaml`.',
  },
} as const satisfies Record<string, ErrorKind>;

import type { ErrorKind } from './error-kind.ts';

/** The errors about images, which `errors.ts` lists among all others. */
export const imageErrors = {
  E_IMAGE_MISSING: {
    status: 503,
    cause: 'The image that a container should start from does not exist.',
    remedy: 'Run `npm run build-base`.',
  },
  E_IMAGE_BUILD: {
    status: 500,
    cause: 'Building an image failed.',
    remedy: "Read the builder's last lines in the message.",
  },
  E_IMAGE_SPEC: {
    status: 409,
    cause: 'An item under `image:` in a `group.yaml` is not a package that can be installed.',
    remedy: 'Correct the item that the message names; `docs/images.md` says what is allowed.',
  },
  E_IMAGE_PACKAGE: {
    status: 409,
    cause: 'A declared package, or the version that is asked for, does not exist.',
    remedy: 'Correct the name or the version in `image:` of the `group.yaml`.',
  },
  E_IMAGE_REGISTRY: {
    status: 503,
    cause:
      "Packages could not be fetched: Debian's mirror or the npm registry cannot be reached from a build.",
    remedy:
      "Check the network of the engine's containers; behind a company's proxy set `BERTH_CA_BUNDLE` and build the base image again.",
  },
  E_IMAGE_SCRIPTS: {
    status: 409,
    cause: 'An npm package has install scripts, and the group does not allow it to run them.',
    remedy:
      'Add the line that the message names to `image:` of the `group.yaml`, if the package may run programs at its installation.',
  },
  E_IMAGE_PROOF: {
    status: 500,
    cause:
      'The image was built, but does not work: the runner in it or a declared package fails. It is not used.',
    remedy:
      'Read the reason in the message; most often a package replaces something that the base image needs.',
  },
  E_IMAGE_BASE: {
    status: 500,
    cause:
      "The base image is of another version of Berth, so that no group's image can be built on it, or no container started from it.",
    remedy: 'Run `npm run build-base`, or derive your own base image anew and name it in `BERTH_BASE_IMAGE`.',
  },
  E_IMAGE_CANCELLED: {
    status: 503,
    cause: 'The build was stopped before its end: nobody waits for it any more, or the host stops.',
    remedy: 'Run `npm run build-image <group>` to build it.',
  },
  E_IMAGE_PREVIOUS: {
    status: 409,
    cause: 'The group has no earlier image to go back to.',
    remedy: '`berth images` shows which images there are; declare other packages in the `group.yaml`.',
  },
  E_BASE_SOURCE: {
    status: 500,
    cause:
      'No base image can be had: no registry answers, and the bootstrap from Debian packages cannot run here.',
    remedy: 'Install `mmdebstrap` (as root), or point `BERTH_BASE_FROM` at an image that the engine has.',
  },
} as const satisfies Record<string, ErrorKind>;

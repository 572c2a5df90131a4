import { CONTRACT_VERSION } from '../../contract/version.ts';
import type { Group } from '../groups/group.ts';
import type { ProvenBuild } from '../ledger/builds.ts';
import { type ImageSpec, imageSpec, isPlain, specKey } from './image-spec.ts';

/** What a container starts from. */
export interface ImageChoice {
  image: string;
  /** What the agent should know of it: packages that are not there. */
  notice?: string | undefined;
  /** It lacks what the group's provider cannot work without: nothing is to be started from it. */
  lacks?: boolean | undefined;
}

/** Where a group stands with its image. */
export interface Standing {
  /** What its containers start from; `undefined`: the base image. */
  current: ProvenBuild | undefined;
  /** The engine no longer has it. */
  gone: boolean;
  /** An image of what is declared is being made. */
  pending: boolean;
  /** Why there is no image of what is declared. */
  problem: Problem | undefined;
}

export interface Problem {
  code: string;
  reason: string;
  at: number;
}

/** More than these are not listed to the agent. */
const MOST_NAMED = 12;

/**
 * What the group's image is to be of: what it declares, unless an operator went back from just that. Pure.
 * @returns in `held` what keeps it from being built; `null`: nothing does.
 */
export function wantedSpec(
  declared: ImageSpec,
  { current, held }: Pick<Standing, 'current'> & { held: string | null },
): { spec: ImageSpec; held: string | null } {
  return current && held === specKey(declared)
    ? { spec: current.declaration, held }
    : { spec: declared, held: null };
}

/** What the group's image is to be of by its declaration alone. @throws E_IMAGE_SPEC. Pure. */
export function asDeclared({ image }: Group): ReturnType<typeof wantedSpec> {
  return { spec: imageSpec(image), held: null };
}

/** The group's own image, if containers can be started from it: the engine has it, as far as is known, and it speaks this host's contract. Pure. */
export function usableBuild({ current, gone }: Standing): ProvenBuild | undefined {
  return current && !gone && current.contract === CONTRACT_VERSION ? current : undefined;
}

/**
 * The image to start from now: the group's own if it is usable, else the base image. Pure.
 * @param wanted what the group declares; `undefined` when that cannot be read as packages.
 */
export function chooseImage(
  wanted: ImageSpec | undefined,
  standing: Standing,
  baseImage: string,
): ImageChoice {
  const { pending, problem } = standing;
  const usable = usableBuild(standing);
  if (wanted && isPlain(wanted)) return { image: usable?.image ?? baseImage };
  const packages = wanted ? listed(wanted) : 'the declared packages';
  const why = pending
    ? 'are being installed now'
    : problem
      ? `could not be installed: ${problem.reason}`
      : 'are not installed';
  if (!usable) {
    const later = pending ? ' They will be there when you are started anew, soon after.' : '';
    return { image: baseImage, notice: `Packages of this place are missing: ${packages} ${why}.${later}` };
  }
  const same = wanted !== undefined && specKey(wanted) === specKey(usable.declaration);
  if (same || (!pending && !problem)) return { image: usable.image };
  const meanwhile = `Until then this place has ${listed(usable.declaration)}.`;
  return {
    image: usable.image,
    notice: `Other packages were declared for this place: ${packages} ${why}. ${meanwhile}`,
  };
}

function listed({ apt, npm }: ImageSpec): string {
  const all = [...apt, ...npm];
  const named = all.slice(0, MOST_NAMED).join(', ');
  if (all.length === 0) return 'no packages of its own';
  return all.length > MOST_NAMED ? `${named} and ${all.length - MOST_NAMED} more` : named;
}

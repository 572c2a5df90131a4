import { CONTRACT_LABEL, CONTRACT_VERSION } from '../../contract/version.ts';
import type { FoundImage } from '../engines/image-builder.ts';
import { BerthError } from '../errors.ts';
import { canGrow } from './base-fits.ts';
import { type BaseDependencies, type BaseOptions, ensureBase } from './build-base.ts';
import { IMAGE_RECIPE_LABEL } from './dockerfile.ts';
import { IMAGE_RECIPE } from './image-spec.ts';

/**
 * The base image, for what it has to be fit for: to build groups' images on, if nothing else is said. Built first where it is
 * missing or of another version.
 * @throws E_IMAGE_BASE when it is somebody's own and does not fit; what building it throws.
 */
export async function usableBase(
  options: BaseOptions,
  deps: BaseDependencies,
  isFit = canGrow,
): Promise<FoundImage> {
  const found = await deps.images.inspect(options.image);
  if (found && isFit(found)) return found;
  await ensureBase(options, deps);
  const made = await deps.images.inspect(options.image);
  if (made && isFit(made)) return made;
  const { [CONTRACT_LABEL]: contract = 'none', [IMAGE_RECIPE_LABEL]: recipe = 'none' } = made?.labels ?? {};
  const has = `session contract ${contract}, image recipe ${recipe}`;
  const needs = `contract ${CONTRACT_VERSION}, recipe ${IMAGE_RECIPE}`;
  throw new BerthError(
    'E_IMAGE_BASE',
    `the base image ${options.image} has ${has}; this Berth needs ${needs}`,
  );
}

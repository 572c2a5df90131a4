import { CONTRACT_LABEL, CONTRACT_VERSION } from '../../contract/version.ts';
import type { FoundImage } from '../engines/image-builder.ts';
import { IMAGE_RECIPE_LABEL } from './dockerfile.ts';
import { IMAGE_RECIPE } from './image-spec.ts';

/** The image speaks this host's session contract: containers can start from it. */
export function speaksContract(image: FoundImage): boolean {
  return image.labels[CONTRACT_LABEL] === String(CONTRACT_VERSION);
}

/** The image holds the programs that the Dockerfiles of groups call: others can be built on it. */
export function canGrow(image: FoundImage): boolean {
  return speaksContract(image) && image.labels[IMAGE_RECIPE_LABEL] === String(IMAGE_RECIPE);
}

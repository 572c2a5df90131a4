import { CONTRACT_LABEL, CONTRACT_VERSION } from '../../contract/version.ts';
import { IMAGE_RECIPE, type ImageSpec } from './image-spec.ts';

/** Programs of the base image (`container/image/`) that a group's Dockerfile calls, and that prove its image. */
export const PROGRAMS_DIR = '/opt/berth/image';
/** Repository of images that are not proven yet; nobody starts from them. */
export const CANDIDATES = 'berth-candidate';
export const DECLARATION_LABEL = 'berth.declaration';
export const IMAGE_RECIPE_LABEL = 'berth.image-recipe';
/** The name it was built for: an image that somebody derived from ours inherits the labels, but bears another name. */
export const NAME_LABEL = 'berth.image';

/**
 * The Dockerfile of a group's image. apt comes before npm, so that groups with the same Debian packages share that layer.
 * Every command is in exec form, a JSON list of words: no shell ever reads what a group has declared.
 * @param base id of the base image.
 * @param tag name that the image will have.
 */
export function dockerfile(base: string, spec: ImageSpec, tag: string): string {
  const { apt, npm, scripts } = spec;
  const lines = [`FROM ${base}`, 'USER root'];
  if (apt.length > 0) lines.push(run('install-apt', apt));
  if (npm.length > 0) {
    lines.push(`RUN ["node","${PROGRAMS_DIR}/provide-npm.mts"]`);
    lines.push(run('install-npm', npm, scripts));
  }
  const labels = Object.entries(imageLabels(spec, tag));
  lines.push(`LABEL ${labels.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(' ')}`);
  lines.push('USER agent', '');
  return lines.join('\n');
}

/** What an image says of itself: the contract that its runner speaks, how it was made, and of what. */
function imageLabels(spec: ImageSpec, tag: string): Record<string, string> {
  return {
    [CONTRACT_LABEL]: String(CONTRACT_VERSION),
    [IMAGE_RECIPE_LABEL]: String(IMAGE_RECIPE),
    [NAME_LABEL]: tag,
    [DECLARATION_LABEL]: JSON.stringify(spec),
  };
}

/** `--script` before each name, then `--`, then the items: no item is ever taken for an option. */
function run(program: string, items: string[], scripts: string[] = []): string {
  const options = scripts.flatMap((name) => ['--script', name]);
  const words = ['node', `${PROGRAMS_DIR}/${program}.mts`, ...options, '--', ...items];
  return `RUN ${JSON.stringify(words)}`;
}

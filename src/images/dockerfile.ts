import { CONTRACT_LABEL, CONTRACT_VERSION } from '../../contract/version.ts';
import { IMAGE_RECIPE, type ImageSpec } from './image-spec.ts';

/** Programs of the base image (`container/image/`) that a group's Dockerfile calls, and that prove its image. */
export const PROGRAMS_DIR = '/opt/berth/image';
export const DECLARATION_LABEL = 'berth.declaration';
export const IMAGE_RECIPE_LABEL = 'berth.image-recipe';
/** The name it was built for: an image that somebody derived from ours inherits the labels, but bears another name. */
export const NAME_LABEL = 'berth.image';

/**
 * The Dockerfile of a group's image. apt comes before npm, so that groups with the same Debian packages share that layer.
 * Every command is in exec form, a JSON list of words: no shell ever reads what a group has declared.
 * @param base id of the base image.
 */
export function dockerfile(base: string, { apt, npm, scripts }: ImageSpec): string {
  const lines = [`FROM ${base}`, 'USER root'];
  if (apt.length > 0) lines.push(run('install-apt', apt));
  if (npm.length > 0) {
    lines.push(run('provide-npm', []));
    lines.push(run('install-npm', npm, scripts));
  }
  lines.push('USER agent', '');
  return lines.join('\n');
}

/** The labels of the image that is built under the name `tag`. */
export function imageLabels(tag: string, spec: ImageSpec): Record<string, string> {
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

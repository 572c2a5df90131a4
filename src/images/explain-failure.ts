import { BerthError, type ErrorCode } from '../errors.ts';
import type { ImageSpec } from './image-spec.ts';

/** How a message of apt, npm or the installers' becomes an error: the first that matches any line. */
const causes: { pattern: RegExp; code: ErrorCode; message: (match: string[], spec: ImageSpec) => string }[] =
  [
    {
      pattern: /No space left on device|ENOSPC|enough free space/i,
      code: 'E_DISK_FULL',
      message: () => "the engine's disk is full",
    },
    {
      pattern: /^berth: install scripts not allowed: (.+)$/,
      code: 'E_IMAGE_SCRIPTS',
      message: ([, names = ''], spec) => scriptsMessage(names.split(' '), spec),
    },
    {
      pattern: /^berth: not installed, but named in image\.scripts: (.+)$/,
      code: 'E_IMAGE_SCRIPTS',
      message: ([, names]) =>
        `image.scripts names ${names}, which is not among the packages that are installed`,
    },
    {
      pattern: /^berth: the npm registry (.+)$/,
      code: 'E_IMAGE_REGISTRY',
      message: ([, what]) => `the npm registry ${what}`,
    },
    {
      pattern: /^E: Version '(.+)' for '(.+)' was not found/,
      code: 'E_IMAGE_PACKAGE',
      message: ([, version, name]) => `the Debian package ${name} has no version ${version}`,
    },
    {
      pattern: /^E: (?:Unable to locate package (\S+)|Package '(\S+)' has no installation candidate)/,
      code: 'E_IMAGE_PACKAGE',
      message: ([, name, other]) => `there is no Debian package ${name ?? other}`,
    },
    {
      pattern: /^npm error notarget No matching version found for (.+?)\.?$/,
      code: 'E_IMAGE_PACKAGE',
      message: ([, item]) => `there is no version ${item} in the npm registry`,
    },
    {
      pattern:
        /^npm error 404 +(?:The requested resource )?'(.+)@[^@']*' (?:is not in this registry|could not be found)/,
      code: 'E_IMAGE_PACKAGE',
      message: ([, name]) => `there is no npm package ${name}`,
    },
    {
      pattern:
        /SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER|VERIFY)|CERT_HAS_EXPIRED|certificate verification failed/i,
      code: 'E_IMAGE_REGISTRY',
      message: ([what]) => `the registry's certificate is not trusted (${what})`,
    },
    {
      pattern:
        /^npm error code (E(?:NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|IDLETIMEOUT|HOSTUNREACH|NETUNREACH|5\d\d)|ERR_SOCKET\w*)/,
      code: 'E_IMAGE_REGISTRY',
      message: ([, code]) => `the npm registry cannot be reached (${code})`,
    },
    {
      pattern: /^E: (?:Failed to fetch (\S+)|.*(?:Unable to fetch some archives|index files failed))/,
      code: 'E_IMAGE_REGISTRY',
      message: ([, url]) => `Debian's packages cannot be fetched${url ? ` (${url})` : ''}`,
    },
  ];

/** `returned a non-zero code: 137`: killed, in a build by the limit of its memory. */
const KILLED = /non-zero code: 137\b/;

/**
 * Why a build failed, from the lines that it printed.
 * @param error what the builder said; what is no failure of the build itself is given back as it is.
 */
export function explainFailure(error: BerthError, lines: readonly string[], spec: ImageSpec): BerthError {
  const words = error.message.split('\n')[0] ?? '';
  if (error.code !== 'E_IMAGE_BUILD' && error.code !== 'E_ENGINE_REFUSED') return error;
  for (const { pattern, code, message } of causes) {
    for (const line of [...lines, words]) {
      const match = pattern.exec(line);
      if (match) return new BerthError(code, message(match, spec), error);
    }
  }
  if (KILLED.test(words))
    return new BerthError('E_IMAGE_BUILD', 'the build needed more memory than it may have', error);
  return new BerthError('E_IMAGE_BUILD', lastWords(lines) ?? words, error);
}

/** What apt or npm gave as the reason: its first errors, or what the installer said of a program that said nothing. */
function lastWords(lines: readonly string[]): string | undefined {
  const apt = lines.filter((line) => line.startsWith('E: ')).map((line) => line.slice(3));
  const npm = lines.flatMap((line) => /^npm error (?!code |A complete log)(\S.*)/.exec(line)?.[1] ?? []);
  const first = (apt.length > 0 ? apt : npm).slice(0, 3);
  if (first.length > 0) return first.join('; ');
  return lines.findLast((line) => line.startsWith('berth: '))?.slice('berth: '.length);
}

/** The line to add, whole, so that it can be copied. */
function scriptsMessage(names: string[], spec: ImageSpec): string {
  const all = [...new Set([...spec.scripts, ...names])].sort();
  const have = names.length === 1 ? 'has install scripts and is' : 'have install scripts and are';
  const line = `scripts: [${all.map((name) => (name.startsWith('@') ? `"${name}"` : name)).join(', ')}]`;
  return `${names.join(', ')} ${have} not named; to allow them, add to image: in group.yaml the line ${line}`;
}

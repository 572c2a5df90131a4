import { sep } from 'node:path';

/** Names under which keys and passwords lie, as people's programs make them. Of folders and files alike. */
const NAMES = [
  ...['.ssh', '.gnupg', '.aws', '.azure', '.kube', '.docker', '.terraform.d', '.password-store', '.onecli'],
  ...['.netrc', '_netrc', '.npmrc', '.pypirc', '.pgpass', '.my.cnf', '.vault-token'],
  ...['.git-credentials', '.htpasswd', 'keyrings', 'authorized_keys', 'known_hosts'],
];

/** The same by the form of the name. */
const FORMS = [
  /^id_./,
  /\.(pem|key|p12|pfx|kdbx|jks|keystore|ppk)$/,
  /^\.env/,
  /^credentials\.(json|toml|csv)$/,
];

/** Below `.config`: what command line programs keep there, Berth's own list of mounts included. */
const IN_CONFIG = [
  'gcloud',
  'gh',
  'op',
  'hub',
  'rclone',
  'doctl',
  'berth',
  'containers',
  'google-chrome',
  'chromium',
];

/**
 * The first part of a path that is the name of a credential or key, or of a folder of such; `undefined` when there is none.
 * Upper case counts as lower: there are file systems to which it is the same. Pure.
 */
export function secretPart(path: string): string | undefined {
  const parts = path.split(sep);
  return parts.find((part, index) => isSecret(part.toLowerCase(), parts[index - 1]?.toLowerCase()));
}

function isSecret(name: string, above: string | undefined): boolean {
  if (above === '.config' && IN_CONFIG.includes(name)) return true;
  return NAMES.includes(name) || FORMS.some((form) => form.test(name));
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { BerthError } from '../errors.ts';

/** Where Debian and its kin keep what the distribution itself brings. */
const DISTRIBUTION_DIR = '/usr/share/ca-certificates';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The certificates of a PEM file that are not everybody's: those that Node or the host's distribution brings are left
 * out, because a bundle is often the whole list of the system with one line of the company's at its end.
 * @throws E_CONFIG when the file cannot be read.
 */
export async function readExtraCertificates(bundlePath: string | undefined): Promise<string[]> {
  if (!bundlePath) return [];
  let bundle: string;
  try {
    bundle = await readFile(bundlePath, 'utf8');
  } catch (error) {
    throw new BerthError(
      'E_CONFIG',
      `BERTH_CA_BUNDLE (or NODE_EXTRA_CA_CERTS) names ${bundlePath}, which cannot be read`,
      error,
    );
  }
  const known = new Set([...rootCertificates, ...(await distributionCertificates())].map(bodyOf));
  const extra = new Map<string, string>();
  for (const pem of bundle.match(CERTIFICATE) ?? []) {
    if (!known.has(bodyOf(pem))) extra.set(bodyOf(pem), `${pem.replaceAll('\r', '')}\n`);
  }
  return [...extra.values()];
}

async function distributionCertificates(): Promise<string[]> {
  const names = await readdir(DISTRIBUTION_DIR, { recursive: true }).catch(() => []);
  const files = names
    .filter((name) => name.endsWith('.crt'))
    .map((name) => readFile(join(DISTRIBUTION_DIR, name), 'utf8'));
  return (await Promise.all(files)).flatMap((text) => text.match(CERTIFICATE) ?? []);
}

function bodyOf(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s/g, '');
}

import { readFile } from 'node:fs/promises';
import { getCACertificates, rootCertificates, setDefaultCACertificates } from 'node:tls';

/** Where systems keep the list of whom they trust. */
const SYSTEM_LISTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
];

/**
 * The certificates that this machine trusts, with those of `extra` (a PEM file) and of `own` (PEM). Node's own list stands
 * in for a system that has none.
 */
export async function trustedCertificates(own: string, extra: string | undefined): Promise<string> {
  const system = (await firstOf(SYSTEM_LISTS)) ?? rootCertificates.join('\n');
  const more = extra === undefined ? '' : ((await firstOf([extra])) ?? '');
  return [system, more, own].map((pem) => `${pem.trimEnd()}\n`).join('');
}

/**
 * The certificates of a PEM file are trusted by this process as well, for a gateway behind one of them: Node itself reads such a file
 * at its start alone, and only where `NODE_EXTRA_CA_CERTS` names it.
 * Takes some 0.1 s. Rejects when it cannot be read.
 */
export async function trustBundle(path: string): Promise<void> {
  setDefaultCACertificates([...getCACertificates('default'), await readFile(path, 'utf8')]);
}

async function firstOf(paths: string[]): Promise<string | undefined> {
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text?.trim()) return text;
  }
  return undefined;
}

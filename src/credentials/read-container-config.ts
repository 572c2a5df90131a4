import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { CA_FILE, HANDED_DIR } from '../../contract/handed-over.ts';
import { keepSecret } from '../secrets.ts';
import type { GatewayAddress } from './access.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,199}$/;

const shape = z.object({
  env: z.record(z.string().regex(NAME), z.string().max(32_768)),
  caCertificate: z.string(),
  caCertificateContainerPath: z.string(),
  credentialStubs: z.array(z.object({ containerPath: z.string() })).optional(),
});

/** What the gateway says that an agent's containers need. */
export interface ContainerConfig {
  environment: Record<string, string>;
  /** PEM. */
  ca: string;
  gateway: GatewayAddress;
  /** Files that it wants at certain places in the container. */
  stubs: string[];
}

const CA_PATH = `${HANDED_DIR}/${CA_FILE}`;
/** By which the system's library, Node, Python, curl, git and others are told whom to trust. */
const CA_VARIABLES = [
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'DENO_CERT',
];
/** What the host sets itself: the way out is the group's socket, whatever the gateway's address is. */
const OURS = /^((https?|all|ftp|no)_proxy|HOME|PATH|TZ|ONECLI_API_KEY|LD_.*|BERTH_.*)$/i;
/** How containers of a Docker on this machine call it. */
const THIS_MACHINE = 'host.docker.internal';
/** What gateways put where a key is expected. */
const NO_SECRETS = /^(placeholder)?$/;

/** Reads the gateway's answer. @throws Error with what is wrong, in words that follow "its answer cannot be used: ". */
export function readContainerConfig(answer: unknown): ContainerConfig {
  const { success, data } = shape.safeParse(answer);
  if (!success) throw new Error('it is no container configuration');
  checkCertificate(data.caCertificate);
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(data.env)) {
    if (OURS.test(name)) continue;
    environment[name] = value === data.caCertificateContainerPath ? CA_PATH : value;
    if (/KEY|TOKEN|SECRET|PASSWORD/.test(name) && !NO_SECRETS.test(value)) keepSecret(value);
  }
  for (const name of CA_VARIABLES) environment[name] = CA_PATH;
  const { HTTPS_PROXY, https_proxy: lower, HTTP_PROXY } = data.env;
  return {
    environment,
    ca: data.caCertificate,
    gateway: readProxy(HTTPS_PROXY ?? lower ?? HTTP_PROXY),
    stubs: (data.credentialStubs ?? []).map(({ containerPath }) => containerPath),
  };
}

function checkCertificate(pem: string): void {
  try {
    new X509Certificate(pem);
  } catch {
    throw new Error('its caCertificate is no certificate');
  }
}

function readProxy(address: string | undefined): GatewayAddress {
  const url = address === undefined ? undefined : URL.parse(address);
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '') throw new Error('it names no proxy');
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const target = { host, port: Number(url.port) || (secure ? 443 : 80) };
  const at = host === THIS_MACHINE ? { at: ['127.0.0.1', THIS_MACHINE] } : {};
  return { target, secure, ...at, ...authorizationOf(url) };
}

function authorizationOf({ username, password }: URL): { authorization?: string } {
  if (username === '' && password === '') return {};
  const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
  const encoded = Buffer.from(`${user}:${secret}`).toString('base64');
  for (const value of [secret, encoded]) keepSecret(value);
  return { authorization: `Basic ${encoded}` };
}

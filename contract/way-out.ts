/*
 * The way out of a container that has no network: a Unix socket of its group, on which the host's proxy listens. In the
 * container a small forwarder offers it at an address that programs know how to use. Where sockets cannot be carried into
 * containers, a network that leads to the host alone stands in.
 */

/** The folder, mounted read-only, in which the socket lies. */
export const WAY_OUT_DIR = '/run/berth/network';
const WAY_OUT_SOCKET = `${WAY_OUT_DIR}/proxy.sock`;

/** Set where there is a way out: the socket's path, or the proxy's `host:port`. */
export const WAY_OUT_VARIABLE = 'BERTH_PROXY_SOCKET';

/** Where the forwarder listens, in the container. */
export const FORWARDER = { host: '127.0.0.1', port: 3128 } as const;

/** What the host's end of a container's own network is called in it. */
export const WAY_OUT_HOST = 'way-out.berth';

const ADDRESS = `http://${FORWARDER.host}:${FORWARDER.port}`;
const AT_HOME = 'localhost,127.0.0.1,::1';

/** What programs look at to find a proxy, in both cases of letters; Node has to be told to look at all. */
export const WAY_OUT_ENVIRONMENT: Readonly<Record<string, string>> = {
  [WAY_OUT_VARIABLE]: WAY_OUT_SOCKET,
  HTTP_PROXY: ADDRESS,
  HTTPS_PROXY: ADDRESS,
  NO_PROXY: AT_HOME,
  http_proxy: ADDRESS,
  https_proxy: ADDRESS,
  no_proxy: AT_HOME,
  NODE_USE_ENV_PROXY: '1',
};

/** The same where the proxy is reached over a network. */
export const WAY_OUT_OVER_NETWORK: Readonly<Record<string, string>> = {
  ...WAY_OUT_ENVIRONMENT,
  [WAY_OUT_VARIABLE]: `${WAY_OUT_HOST}:${FORWARDER.port}`,
};

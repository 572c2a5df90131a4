/*
 * What a container is handed of credentials: a folder in memory, mounted read-only, so that nothing of it stands in the
 * configuration that an engine shows to whoever asks.
 */

/** The folder in the container. */
export const HANDED_DIR = '/run/berth/handed';

/** In it, for the entrypoint to read: `export` lines for `/bin/sh`. */
export const KEYS_FILE = 'keys.sh';

/** In it: the system's certificates and the gateway's, PEM. */
export const CA_FILE = 'ca.pem';

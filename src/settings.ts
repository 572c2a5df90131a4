import { z } from 'zod';
import { duration, imageName, matching, oneOf, runtimeName, size, whole } from './setting-forms.ts';

/** One variable of the environment. `default` is written as a user would write it; none: the value is absent then. */
export interface Setting<T = unknown> {
  default?: string;
  /** What is allowed, in words: for the error message and for `docs/configuration.md`. */
  allowed: string;
  does: string;
  /** Its value is never shown. */
  secret?: true;
  form: z.ZodType<T>;
}

const path = { allowed: 'a path', form: z.string() };
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
const engines = ['auto', 'docker', 'process'] as const;
const stops = ['stop', 'keep'] as const;

/** Every variable that Berth reads. `docs/configuration.md` lists the same, and a test fails when the two disagree. */
export const settings = {
  BERTH_DATA_DIR: {
    ...path,
    default: './data',
    does: "Where sessions, the ledger and the operator's socket live. Not inside the groups folder.",
  },
  BERTH_GROUPS_DIR: {
    ...path,
    default: './groups',
    does: 'The groups folder: one folder with a `group.yaml` per group.',
  },
  BERTH_ENGINE: {
    ...oneOf(engines),
    default: 'auto',
    does: "`auto` takes docker (or podman's Docker-compatible socket) where one answers; a headless host never falls back to `process` by itself.",
  },
  DOCKER_HOST: {
    ...matching(
      /^(unix:\/\/\/|(tcp|http):\/\/[^/\s])\S*$/,
      '`unix:///…`, `tcp://host:port`, `http://host:port`',
    ),
    does: 'Where the container engine listens. Unset: the usual sockets of docker and podman are tried.',
  },
  BERTH_HTTP_HOST: {
    ...matching(/^[A-Za-z0-9._:%-]{1,253}$/, 'an address or a host name'),
    default: '127.0.0.1',
    does: 'The address that the HTTP channel listens on.',
  },
  BERTH_HTTP_PORT: {
    ...whole(0, 65_535),
    default: '8787',
    does: 'The port of the HTTP channel; `0` turns it off.',
  },
  BERTH_HTTP_TOKEN: {
    ...matching(/^[\x21-\x7e]{1,512}$/, '1 to 512 printable ASCII characters, no space'),
    secret: true,
    does: 'What HTTP requests have to bear. Unset: made at the first start and kept in `http-token` in the data folder (mode 0600).',
  },
  BERTH_MAX_AWAKE: {
    ...whole(1, 100_000),
    does: "How many containers may live at once; sessions past it wait in line. Unset: four times three quarters of this machine's memory, divided by the groups' mean `limits.memory`; at least 2.",
  },
  BERTH_MAX_QUEUE: {
    ...whole(1, 1_000_000),
    default: '1000',
    does: 'How many messages may wait in one session; more are refused.',
  },
  BERTH_MAX_FILE: {
    ...size(1, '1t'),
    default: '25MiB',
    does: 'The largest file that is taken or delivered.',
  },
  BERTH_UID_BASE: {
    ...whole(1000, 2_000_000_000),
    default: '100000',
    does: "Under a root host: the first of the uids that the groups' containers run as, one per group.",
  },
  BERTH_RUNTIME: {
    ...runtimeName(),
    does: "The OCI runtime that runs containers, by the engine's name for it, such as `runsc` (gVisor). Unset: the engine's default.",
  },
  BERTH_WAY_OUT: {
    ...oneOf(['socket', 'network'] as const),
    default: 'socket',
    does: "How a container with an allow-list reaches the host's proxy: by a Unix socket, or, where containers cannot open one (gVisor, a VM's file share), over a network that ends at this machine and is worth less: see [security.md](security.md#network).",
  },
  BERTH_BASE_IMAGE: {
    ...imageName(),
    default: 'berth-base:latest',
    does: 'The image that containers start from.',
  },
  BERTH_BASE_FROM: {
    ...imageName(),
    default: 'node:24-bookworm-slim',
    does: 'The image that `npm run build-base` builds the base image from, where a registry (or the engine) has it.',
  },
  BERTH_CA_BUNDLE: {
    ...path,
    allowed: 'a readable PEM file',
    does: 'Extra CA certificates for image builds, containers, and the host towards a gateway for credentials. Unset: those of `NODE_EXTRA_CA_CERTS`, if that file can be read.',
  },
  ONECLI_URL: {
    ...matching(/^https?:\/\/[^\s/@]+(\/\S*)?$/, 'an `http(s)://` address without a user name'),
    does: 'The OneCLI gateway for groups with `credentials: onecli`.',
  },
  ONECLI_API_KEY: {
    ...matching(/^[\x21-\x7e]{1,4096}$/, '1 to 4096 printable ASCII characters, no space'),
    secret: true,
    does: 'The key for the OneCLI gateway.',
  },
  BERTH_DNS: {
    ...matching(
      /^([\d.]+|\[[\da-fA-F:.]+\])(:[1-9]\d{0,4})?$/,
      'the address of a name server, `192.0.2.53` or `[2001:db8::53]:5353`',
    ),
    does: 'The name server that is asked for the hosts of allow-lists. Unset: those in `/etc/resolv.conf`, after `/etc/hosts`; no search domains.',
  },
  BERTH_LOG_LEVEL: { ...oneOf(logLevels), default: 'info', does: 'The least level of lines in the log.' },
  BERTH_START_TIMEOUT: {
    ...duration('1s', '1h'),
    default: '30s',
    does: "How long a container's runner may take until its first look; after that the wake has failed.",
  },
  BERTH_STOP_GRACE: {
    ...duration('0s', '1h'),
    default: '10s',
    does: 'How long a running turn may go on when its container is stopped; after that it is killed.',
  },
  BERTH_SEND_TIMEOUT: {
    ...duration('100ms', '1h'),
    default: '1m',
    does: 'How long a channel may take to hand one reply to its platform; after that its outcome counts as unknown.',
  },
  BERTH_SEND_RETRY: {
    ...duration('1ms', '5m'),
    default: '1s',
    does: 'The pause after a reply could not be handed to its platform; it doubles with each failure, up to five minutes.',
  },
  BERTH_SEND_GIVE_UP: {
    ...duration('1s', '24d'),
    default: '24h',
    does: 'How old a reply gets that its platform does not take now; after that it is dead.',
  },
  BERTH_LOOK_PERIOD: {
    ...duration('10ms', '1h'),
    default: '1s',
    does: 'How often the host looks by timer, beneath file events, for what they may have missed.',
  },
  BERTH_ON_STOP: {
    ...oneOf(stops),
    default: 'stop',
    does: 'What a host that ends does with its containers: `stop` ends them after `BERTH_STOP_GRACE`; `keep` leaves them at work for the next host, as SIGUSR2 does in any case.',
  },
  BERTH_HEARTBEAT_LIMIT: {
    ...duration('6s', '1h'),
    default: '30s',
    does: 'How long the heartbeat of a runner may stand still; after that its container is started anew.',
  },
  BERTH_SILENCE_LIMIT: {
    ...duration('100ms', '24h'),
    default: '5m',
    does: 'How long a turn may show no sign of life, outside a tool that says how long it takes; then the agent is nudged.',
  },
  BERTH_NUDGE_GRACE: {
    ...duration('100ms', '24h'),
    default: '2m',
    does: 'How long after a nudge the silence may go on; then the turn is aborted.',
  },
  BERTH_ABORT_GRACE: {
    ...duration('100ms', '1h'),
    default: '10s',
    does: 'How long a runner may take to end a turn that was aborted; after that its container is started anew.',
  },
  BERTH_TURN_GRACE: {
    ...duration('0s', '1h'),
    default: '30s',
    does: "How long past its group's `limits.turn` a turn may go on before the host itself ends it, by starting the container anew.",
  },
  BERTH_MOST_RESTARTS: {
    ...whole(0, 1000),
    default: '3',
    does: 'How often a container that dies or hangs is started anew within `BERTH_RESTART_WINDOW`; after that the session has failed.',
  },
  BERTH_RESTART_WINDOW: {
    ...duration('1s', '24d'),
    default: '30m',
    does: 'The period for `BERTH_MOST_RESTARTS`; so long without trouble, and what was before is forgotten.',
  },
  BERTH_RETRY_PAUSE: {
    ...duration('100ms', '24h'),
    default: '30s',
    does: 'The pause before a session that has failed is tried again by itself; it doubles each time.',
  },
  BERTH_RETRY_PAUSE_LONGEST: {
    ...duration('100ms', '24d'),
    default: '30m',
    does: 'The longest of those pauses.',
  },
  BERTH_TURN_RETRY_PAUSE: {
    ...duration('10ms', '1h'),
    default: '1s',
    does: 'The pause before a failed turn is tried a second time; before the third time it is five times as long.',
  },
  BERTH_RATE_LIMIT_PAUSE: {
    ...duration('10ms', '24h'),
    default: '1m',
    does: 'The pause before a turn that met a rate limit is tried again, where the model provider names no time.',
  },
  BERTH_KEEP_DAYS: {
    ...whole(1, 36_500),
    default: '30',
    does: 'For how many days messages and events, with their files, are kept once nothing more is to be done about them.',
  },
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

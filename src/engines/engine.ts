import type { Release } from '../release-stack.ts';

/** A folder of the host that the container sees. Folders only, never single files. */
export interface Mount {
  source: string;
  target: string;
  readonly: boolean;
}

/** What a container gets, for every engine alike. Made by the pure `wake/container-spec`. */
export interface ContainerSpec {
  /** Deterministic per session: the engine itself refuses a second one. */
  name: string;
  image: string;
  /** Replaces the image's command (a group's own runner); the image's own otherwise. */
  command?: string[] | undefined;
  labels: ContainerLabels;
  /** The container's whole environment beside what the image sets: a list, never the host's. */
  environment: Record<string, string>;
  user: { uid: number; gid: number };
  mounts: Mount[];
  limits: { memoryBytes: number; cpus: number; pids: number; openFiles: number };
  /** `internet`, `way-out`: a network of its own, shared with no other container; `way-out` leads to this machine and no further. */
  network: 'none' | 'internet' | 'way-out';
  /** OCI runtime, by the engine's name for it; the engine's own default otherwise. */
  runtime?: string | undefined;
  /** Writable folders in memory. */
  tmpfs: string[];
  /** What an engine must not show to whoever asks: variables, and files of the contract's folder `/run/berth/handed` by name. */
  handed?: HandedOver | undefined;
}

/** Keys and certificates for one container. */
export interface HandedOver {
  environment: Record<string, string>;
  files: Record<string, string>;
}

/** Names of the labels under which the engine keeps these, so that a host finds its own containers again. */
export interface ContainerLabels {
  install: string;
  group: string;
  session: string;
  epoch: number;
  /** Hash of the spec: a container whose spec has changed is replaced when it is idle. */
  spec: string;
}

export interface FoundContainer {
  name: string;
  labels: ContainerLabels;
  running: boolean;
  paused: boolean;
  /** The engine's id of the image that it was made from, and the contract version that this bears; where it has images. */
  imageId?: string | undefined;
  contract?: string | undefined;
}

/** How a container ended. `signal` and `oomKilled` where the engine knows. */
export interface ContainerExit {
  name: string;
  epoch: number;
  code: number | null;
  signal?: string | undefined;
  oomKilled: boolean;
  /** True: it ended while the engine did not answer, so that the engine's end was its own. */
  engineAway?: boolean;
}

/** A container's own network, as this machine sees it. */
export interface ContainerNetwork {
  /** The engine's address in it. */
  gateway: string;
  /** `198.18.0.8/29`. */
  subnet: string;
}

/** Has a last word on a container's start: where either throws, the container does not start, or is gone again. */
export interface StartChecks {
  /** Its network is there, if it has one, and it is not yet made. */
  networked?(network: ContainerNetwork): Promise<void>;
  /** It is made and does not run yet. */
  created(): Promise<void>;
  /** It runs. `root`: where its files are on this machine, if the engine is here; `undefined` where nobody can tell. */
  started(root: string | undefined): Promise<void>;
}

/**
 * What can run a container. Every method throws `BerthError` with `E_ENGINE_UNREACHABLE` when the engine does not
 * answer and `E_ENGINE_REFUSED` (or a closer code) when it says no. Names are container names.
 */
export interface Engine {
  readonly kind: 'docker' | 'process';
  /** False: what runs is no container, and people are told so. */
  readonly contains: boolean;
  readonly canPause: boolean;
  /** Asks the engine whether it is there. @returns its version, for people. */
  check(): Promise<string>;
  /** Names of the OCI runtimes that containers can be run by; empty where what runs is no container. */
  runtimes(): Promise<string[]>;
  /** True when the image can be started now. */
  hasImage(image: string): Promise<boolean>;
  /** The id under which the engine has that image now; `undefined` when it has none, or has no images at all. */
  imageId(image: string): Promise<string | undefined>;
  /**
   * Creates and starts. A leftover of the same name and an earlier epoch is removed first.
   * @throws E_IMAGE_MISSING, E_RUNTIME_UNKNOWN, or E_ENGINE_REFUSED when a container of that name with this or a later epoch lives; what
   * `checks` throw.
   */
  start(spec: ContainerSpec, checks?: StartChecks): Promise<void>;
  /** Asks the container to end (SIGTERM), kills it after `graceMs`, removes it. Resolves when it is gone, also when it was gone before. */
  stop(name: string, graceMs: number): Promise<void>;
  /** Kills and removes; resolves when it is gone. */
  remove(name: string): Promise<void>;
  /** The network that a container has for itself; `undefined` where it has none. */
  networkOf(name: string): Promise<ContainerNetwork | undefined>;
  pause(name: string): Promise<void>;
  unpause(name: string): Promise<void>;
  /** The containers of an install, running or not. */
  list(install: string): Promise<FoundContainer[]>;
  /** The last lines that the container printed, stdout and stderr together; empty when it is gone. */
  tail(name: string, lines: number): Promise<string>;
  /** Follows what the container prints, from its last `lines` lines on, until released or the container ends. */
  follow(name: string, lines: number, onLine: (line: string) => void, onEnd: () => void): Promise<Release>;
  /**
   * Calls the listener once for each container of the install that ends (it is not yet removed then), and `onPaused`, maybe
   * more than once, with the name of each that is paused, by whomever.
   */
  onExit(
    install: string,
    listener: (exit: ContainerExit) => void,
    onPaused?: (name: string) => void,
  ): Release;
  /**
   * Removes what containers of the install that are gone left beside themselves. None may be just being started.
   * @param prefix how their names begin.
   */
  sweep(install: string, prefix: string): Promise<void>;
  close(): Promise<void>;
}
